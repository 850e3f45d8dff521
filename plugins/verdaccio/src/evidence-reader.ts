import { fromBase64, fromUtf8, SignetError } from '@signet/primitives/formats';
import { isBundleOf } from './evidence-names.ts';
import { Refusal } from './refusal.ts';
import type { EvidenceStorage } from './storage.ts';
import type { Logger } from './verdaccio-host.ts';

/** One member of npm's attestation document. */
export interface ServedAttestation {
  readonly predicateType: string;
  readonly bundle: unknown;
}

/** What is stored about one version. */
export interface StoredEvidence {
  /** `dist.integrity` of the version. */
  readonly integrity: string | undefined;
  readonly attestations: readonly ServedAttestation[];
}

/** Bytes of bundles that are kept in memory, most recently used last. */
const cacheBytes = 32 * 1024 * 1024;

/** Reads the bundles beside tarballs. A bundle's file name says its content, so that one that was read never changes. */
export class EvidenceReader {
  readonly #storage: EvidenceStorage;
  readonly #limit: number;
  readonly #logger: Logger;
  readonly #cache = new Map<string, { readonly attestation: ServedAttestation; readonly size: number }>();
  #cached = 0;

  /** @param limit largest bundle, bytes */
  constructor(storage: EvidenceStorage, limit: number, logger: Logger) {
    this.#storage = storage;
    this.#limit = limit;
    this.#logger = logger;
  }

  /**
   * Everything stored beside the version, unjudged: evidence about other bytes than the version's is for the client to see, since
   * it tells that something was exchanged. Nothing is left out silently either; a bundle that cannot be read is an error.
   *
   * @returns undefined when there is no such version here
   * @throws a refusal with status 500
   */
  async read(name: string, version: string): Promise<StoredEvidence | undefined> {
    const stored = await this.#storage.readPackage(name);
    const known = stored?.versions.get(version);
    if (stored === undefined || known === undefined) return undefined;
    const base = name.slice(name.indexOf('/') + 1);
    const files = stored.files.filter((file) => isBundleOf(file, base, version)).sort();
    const attestations: ServedAttestation[] = [];
    for (const file of files) {
      try {
        attestations.push(await this.#readBundle(name, file));
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        this.#logger.error({ file, package: name, reason }, 'bundle @{file} of @{package}: @{reason}');
        const problem = `The evidence of ${name}@${version} is damaged in the registry’s storage`;
        throw new Refusal(500, 'ERR_REGISTRY_STORAGE', problem, cause);
      }
    }
    return { integrity: known.integrity, attestations };
  }

  async #readBundle(name: string, file: string): Promise<ServedAttestation> {
    const key = `${name}/${file}`;
    const known = this.#cache.get(key);
    if (known !== undefined) {
      this.#cache.delete(key);
      this.#cache.set(key, known);
      return known.attestation;
    }
    const bytes = await this.#storage.readFile(name, file, this.#limit);
    if (bytes === undefined) throw new SignetError('ERR_REGISTRY_STORAGE', 'the file is missing');
    const attestation = describeBundle(bytes);
    this.#cache.set(key, { attestation, size: bytes.length });
    this.#cached += bytes.length;
    for (const [oldest, { size }] of this.#cache) {
      if (this.#cached <= cacheBytes) break;
      this.#cache.delete(oldest);
      this.#cached -= size;
    }
    return attestation;
  }
}

/** The bundle with the predicate type that its statement has. @throws ERR_JSON, ERR_ENCODING */
function describeBundle(bytes: Uint8Array): ServedAttestation {
  const bundle = parseJson(fromUtf8(bytes, 'bundle'));
  const payload = fromBase64(String(bundle.dsseEnvelope?.payload), 'payload');
  const { predicateType } = parseJson(fromUtf8(payload, 'statement'));
  if (typeof predicateType !== 'string') throw new SignetError('ERR_JSON', 'its statement has no predicateType');
  return { predicateType, bundle };
}

function parseJson(text: string): {
  readonly dsseEnvelope?: { readonly payload?: unknown };
  readonly predicateType?: unknown;
} {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SignetError('ERR_JSON', 'it is not JSON', { cause });
  }
}
