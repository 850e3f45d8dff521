import { fromBase64, parseJson, SignetError } from '@signet/primitives/formats';
import { isBundleOf } from './evidence-names.ts';
import { Refusal } from './refusal.ts';
import type { EvidenceStorage, StoredPackage } from './storage.ts';
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

/** What is told to clients about one version. */
export interface ServedEvidence {
  /** `dist.integrity` of the version. */
  readonly integrity: string | undefined;
  /** Members of npm's attestation document, each as JSON on one line. */
  readonly members: readonly string[];
}

/** Bytes of bundles that are kept in memory, most recently used last. */
const cacheBytes = 32 * 1024 * 1024;

/** How old a package document may be where it is only told of evidence, milliseconds; other processes write to the storage too. */
const freshness = 1000;
/** Packages whose documents are remembered for that long. */
const maximumPackages = 500;

interface Bundle {
  readonly attestation: ServedAttestation;
  /** As JSON on one line. */
  readonly member: string;
  readonly size: number;
}

interface RecentPackage {
  readonly until: number;
  readonly stored: Promise<StoredPackage | undefined>;
  /** Files of bundles by the beginning of their names, `<base>-<version>`. */
  bundles?: ReadonlyMap<string, readonly string[]>;
}

/** Reads the bundles beside tarballs. A bundle's file name says its content, so that one that was read never changes. */
export class EvidenceReader {
  readonly #storage: EvidenceStorage;
  readonly #limit: number;
  readonly #logger: Logger;
  readonly #cache = new Map<string, Bundle>();
  readonly #recent = new Map<string, RecentPackage>();
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
    const bundles = await this.#readBundles(name, version, files);
    return { integrity: known.integrity, attestations: bundles.map(({ attestation }) => attestation) };
  }

  /**
   * As {@link read}, for telling others of it and for nothing else: the package document is up to a second old, unless this process
   * changed it. That there is no such version is never told from memory: another process may just have taken it.
   */
  async recent(name: string, version: string): Promise<ServedEvidence | undefined> {
    let recent = this.#recentPackage(name);
    if ((await recent.stored)?.versions.has(version) !== true) {
      this.forget(name);
      recent = this.#recentPackage(name);
    }
    const stored = await recent.stored;
    const known = stored?.versions.get(version);
    if (stored === undefined || known === undefined) return undefined;
    recent.bundles ??= bundlesByVersion(stored.files);
    const files = recent.bundles.get(`${name.slice(name.indexOf('/') + 1)}-${version}`) ?? [];
    const bundles = await this.#readBundles(name, version, files);
    return { integrity: known.integrity, members: bundles.map(({ member }) => member) };
  }

  /** Reads the package anew from now on. */
  forget(name: string): void {
    this.#recent.delete(name);
  }

  #recentPackage(name: string): RecentPackage {
    const known = this.#recent.get(name);
    const now = Date.now();
    if (known !== undefined && now < known.until && now > known.until - 2 * freshness) return known;
    const recent: RecentPackage = { until: now + freshness, stored: this.#storage.readPackage(name) };
    this.#recent.delete(name);
    this.#recent.set(name, recent);
    recent.stored.catch(() => this.#recent.delete(name));
    for (const oldest of this.#recent.keys()) {
      if (this.#recent.size <= maximumPackages) break;
      this.#recent.delete(oldest);
    }
    return recent;
  }

  async #readBundles(name: string, version: string, files: readonly string[]): Promise<readonly Bundle[]> {
    const bundles: Bundle[] = [];
    for (const file of files) {
      try {
        bundles.push(this.#known(`${name}/${file}`) ?? (await this.#readBundle(name, file)));
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        this.#logger.error({ file, package: name, reason }, 'bundle @{file} of @{package}: @{reason}');
        const problem = `The evidence of ${name}@${version} is damaged in the registry’s storage`;
        throw new Refusal(500, 'ERR_REGISTRY_STORAGE', problem, cause);
      }
    }
    return bundles;
  }

  #known(key: string): Bundle | undefined {
    const known = this.#cache.get(key);
    if (known === undefined) return undefined;
    this.#cache.delete(key);
    this.#cache.set(key, known);
    return known;
  }

  async #readBundle(name: string, file: string): Promise<Bundle> {
    const bytes = await this.#storage.readFile(name, file, this.#limit);
    if (bytes === undefined) throw new SignetError('ERR_REGISTRY_STORAGE', 'the file is missing');
    const attestation = describeBundle(bytes);
    const bundle = { attestation, member: JSON.stringify(attestation), size: bytes.length };
    const key = `${name}/${file}`;
    // Somebody else may have read it meanwhile.
    this.#cached += bundle.size - (this.#cache.get(key)?.size ?? 0);
    this.#cache.set(key, bundle);
    for (const [oldest, { size }] of this.#cache) {
      if (this.#cached <= cacheBytes) break;
      this.#cache.delete(oldest);
      this.#cached -= size;
    }
    return bundle;
  }
}

function bundlesByVersion(files: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const bundles = new Map<string, string[]>();
  for (const file of [...files].sort()) {
    const [, version] = /^(.+)\.[0-9a-f]{16}\.sigstore\.json$/.exec(file) ?? [];
    if (version === undefined) continue;
    const own = bundles.get(version);
    if (own === undefined) bundles.set(version, [file]);
    else own.push(file);
  }
  return bundles;
}

/** The bundle with the predicate type that its statement has. @throws ERR_JSON, ERR_ENCODING */
function describeBundle(bytes: Uint8Array): ServedAttestation {
  const bundle = parseJson(bytes, 'bundle', { maxLength: bytes.length }) as Bundled;
  const payload = fromBase64(String(bundle.dsseEnvelope?.payload), 'payload');
  const { predicateType } = parseJson(payload, 'statement', { maxLength: payload.length }) as Stated;
  if (typeof predicateType !== 'string') throw new SignetError('ERR_JSON', 'its statement has no predicateType');
  return { predicateType, bundle };
}

interface Bundled {
  readonly dsseEnvelope?: { readonly payload?: unknown };
}

interface Stated {
  readonly predicateType?: unknown;
}
