import { fromUtf8, parseJson, SignetError } from '@signet/primitives/basics';
import { noRetry, request } from '../http/index.ts';
import { isJsonObject, own, toPurl } from '../npm/lockfile/index.ts';
import { type EvidenceRequest, timeLimit } from './evidence.ts';
import { mapConcurrently } from './pool.ts';
import type { Registry } from './registry.ts';

/** What a batch is asked about. */
export interface WantedEvidence {
  readonly name: string;
  readonly version: string;
}

/** Fewer are asked for one by one: a registry without this endpoint would cost a request for nothing. */
const fewest = 8;
/** In one request; what comes back is held in memory. */
const atOnce = 64;
const requestsAtOnce = 4;
const maxBytes = 64 * 1024 * 1024;

/**
 * Asks registries for the attestations of many versions, with one request for many (`POST /-/signet/v1/attestations:batch`,
 * INTERFACES). Whatever a registry does not answer properly is left to the caller, who asks for it in npm's way and learns what is wrong.
 * The answers are as unverified as any.
 *
 * @returns documents by {@link batchKey}; null where the registry says that it has none
 */
export async function fetchEvidenceBatch(
  wanted: readonly WantedEvidence[],
  registryFor: (name: string) => Registry | Promise<Registry>,
  options: EvidenceRequest = {},
): Promise<Map<string, { readonly attestations: readonly unknown[] } | null>> {
  const answers = new Map<string, { readonly attestations: readonly unknown[] } | null>();
  const byRegistry = new Map<string, { registry: Registry; packages: WantedEvidence[] }>();
  for (const one of wanted) {
    const registry = await registryFor(one.name);
    const group = byRegistry.get(registry.url);
    if (group === undefined) byRegistry.set(registry.url, { registry, packages: [one] });
    else group.packages.push(one);
  }
  for (const { registry, packages } of byRegistry.values()) {
    if (packages.length < fewest) continue;
    const ask = async (part: readonly WantedEvidence[]): Promise<boolean> => {
      const lines = await askOnce(part, registry, options);
      for (const [key, answer] of lines ?? []) answers.set(key, answer);
      return lines !== undefined;
    };
    const parts = chunks(packages, atOnce);
    // The first tells whether this registry has the endpoint.
    const [first = [], ...others] = parts;
    if (await ask(first)) await mapConcurrently(others, requestsAtOnce, ask);
  }
  return answers;
}

/** The name under which {@link fetchEvidenceBatch} gives an answer. */
export function batchKey({ name, version }: WantedEvidence): string {
  return toPurl(name, version);
}

async function askOnce(
  packages: readonly WantedEvidence[],
  registry: Registry,
  options: EvidenceRequest,
): Promise<Map<string, { readonly attestations: readonly unknown[] } | null> | undefined> {
  const asked = new Set(packages.map(batchKey));
  const { signal, transport } = options;
  const timeout = await timeLimit(options);
  try {
    const { body } = await request(new URL('-/signet/v1/attestations:batch', registry.url), {
      service: 'the registry',
      method: 'POST',
      headers: { ...registry.headers, 'content-type': 'application/json', accept: 'application/x-ndjson' },
      body: JSON.stringify({ packages: packages.map(({ name, version }) => ({ name, version })) }),
      maxBytes,
      // Asked for one by one, they are tried again.
      retry: noRetry,
      signal,
      transport,
      ...(timeout === undefined ? {} : { timeout }),
    });
    const answers = new Map<string, { readonly attestations: readonly unknown[] } | null>();
    for (const line of fromUtf8(body, 'the batch of attestations').split('\n')) {
      if (line === '') continue;
      const entry: unknown = parseJson(line, 'an answer of the batch', { maxLength: line.length });
      if (!isJsonObject(entry)) return undefined;
      const [purl, attestations] = [own(entry, 'purl'), own(entry, 'attestations')];
      // One that was not asked for, or that could not be read, is no answer.
      if (typeof purl !== 'string' || !asked.has(purl) || !Array.isArray(attestations)) continue;
      answers.set(purl, attestations.length === 0 ? null : { attestations });
    }
    return answers;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof SignetError) return undefined;
    throw error;
  }
}

function chunks<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}
