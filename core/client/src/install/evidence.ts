import { parseJson, SignetError } from '@signet/primitives/formats';
import { HttpStatusError, request, type Transport } from '../http/index.ts';
import type { Registry } from './registry.ts';

/** How evidence is fetched. */
export interface EvidenceRequest {
  /** Milliseconds for one attempt, default 20 000; a function is asked when the first attempt is made. */
  readonly timeout?: number | (() => Promise<number | undefined>) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** What carries the request instead of `node:http` and `node:https`. */
  readonly transport?: Transport | undefined;
}

/** Several attestations with their certificates and proofs take tens of kilobytes; an SBOM can take megabytes. */
const maxBytes = 32 * 1024 * 1024;

/**
 * Asks a registry for the attestations of a package version, as npm asks it (`/-/npm/v1/attestations/<name>@<version>`).
 *
 * @returns the document as parsed JSON, unverified; undefined when the registry has none
 * @throws ERR_NETWORK and its kin, ERR_HTTP_STATUS, ERR_REGISTRY_CREDENTIALS, ERR_REGISTRY_RESPONSE: no answer is not the same as
 * no evidence
 */
export async function fetchAttestations(
  name: string,
  version: string,
  registry: Registry,
  options: EvidenceRequest = {},
): Promise<unknown> {
  const path = `-/npm/v1/attestations/${name.replace('/', '%2f')}@${encodeURIComponent(version)}`;
  const what = `the attestations of ${name}@${version}`;
  const timeout = await timeLimit(options);
  let body: Uint8Array;
  try {
    const response = await request(new URL(path, registry.url), {
      service: 'the registry',
      headers: { accept: 'application/json', ...registry.headers },
      maxBytes,
      alsoAccept: [404],
      signal: options.signal,
      transport: options.transport,
      ...(timeout === undefined ? {} : { timeout }),
    });
    if (response.status === 404) return undefined;
    body = response.body;
  } catch (thrown) {
    if (thrown instanceof HttpStatusError && (thrown.status === 401 || thrown.status === 403)) {
      throw new SignetError(
        'ERR_REGISTRY_CREDENTIALS',
        `the registry ${registry.url} does not show ${what} to you; log in with npm login`,
        {
          found: `status ${thrown.status}`,
          cause: thrown,
        },
      );
    }
    throw thrown;
  }
  try {
    return parseJson(body, what, { maxLength: maxBytes });
  } catch (cause) {
    throw new SignetError(
      'ERR_REGISTRY_RESPONSE',
      `the registry ${registry.url} answers with something that is not JSON for ${what}`,
      { cause },
    );
  }
}

/** How long one attempt may take, milliseconds. */
export async function timeLimit({ timeout }: EvidenceRequest): Promise<number | undefined> {
  return typeof timeout === 'function' ? await timeout() : timeout;
}
