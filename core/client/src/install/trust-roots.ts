import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { SignetError } from '@signet/primitives/basics';
import type { Policy, TrustRootReference } from '../policy/index.ts';
import type { TrustMaterial } from '../trust/index.ts';
import type { TrustStoreOptions } from '../trust/tuf/index.ts';
import { cacheFolder } from './user-folders.ts';

/** How trust roots are fetched that are not files. */
export interface TrustSources {
  /** Open no connection. */
  readonly offline?: boolean;
  /** Default: this process's. Says where copies are kept. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Takes sentences about trust that grows old. */
  readonly onNote?: (sentence: string) => void;
  readonly request?: Pick<TrustStoreOptions, 'transport' | 'signal'>;
}

/** The trust roots of a policy, each loaded when a package first needs it. */
export class TrustRoots {
  readonly #directory: string;
  readonly #references: readonly TrustRootReference[];
  readonly #loaded = new Map<string, Promise<TrustMaterial>>();
  readonly #digests = new Map<string, Promise<string | undefined>>();
  readonly #bytes = new Map<string, Promise<Uint8Array>>();
  readonly #sources: TrustSources;

  /** @param directory the policy file's folder, to which its paths are relative */
  constructor(policy: Pick<Policy, 'trustRoots'>, directory: string, sources: TrustSources = {}) {
    this.#directory = directory;
    this.#sources = sources;
    this.#references = policy.trustRoots;
  }

  get names(): readonly string[] {
    return this.#references.map(({ name }) => name);
  }

  /**
   * The material of a root of the policy.
   *
   * @throws ERR_TRUST_FILE, ERR_TRUST_MATERIAL, ERR_TRUSTED_ROOT_FORMAT; where it must be fetched ERR_TRUST_REPOSITORY, ERR_TRUST_EXPIRED,
   *   ERR_OFFLINE, ERR_NETWORK and the others of a request
   */
  load(name: string): Promise<TrustMaterial> {
    let loading = this.#loaded.get(name);
    if (loading === undefined) {
      const reference = this.#references.find((candidate) => candidate.name === name);
      if (reference === undefined) {
        throw new SignetError('ERR_TRUST_MATERIAL', `the policy has no trust root ${name}`);
      }
      loading = this.#material(reference);
      this.#loaded.set(name, loading);
    }
    return loading;
  }

  /**
   * A digest of a root: of its bytes, its name, the names it owns and the issuers it may vouch for. What was verified under a root with the
   * same digest would verify again.
   *
   * @returns undefined for a root that the policy does not have
   * @throws as {@link load}
   */
  digest(name: string): Promise<string | undefined> {
    let computing = this.#digests.get(name);
    if (computing === undefined) {
      computing = this.#digest(name);
      this.#digests.set(name, computing);
    }
    return computing;
  }

  /**
   * The bytes of a root.
   *
   * @throws as {@link load}
   */
  async bytes(name: string): Promise<Uint8Array> {
    const reference = this.#references.find((candidate) => candidate.name === name);
    if (reference === undefined) throw new SignetError('ERR_TRUST_MATERIAL', `the policy has no trust root ${name}`);
    return await this.#read(reference);
  }

  async #digest(name: string): Promise<string | undefined> {
    const reference = this.#references.find((candidate) => candidate.name === name);
    if (reference === undefined) return undefined;
    const file = createHash('sha256')
      .update(await this.#read(reference))
      .digest('hex');
    const packages = reference.packages?.map(({ text }) => text);
    return createHash('sha256')
      .update(JSON.stringify([file, name, packages, reference.issuers]))
      .digest('hex');
  }

  /** The bytes of a root, read or fetched once. */
  #read(reference: TrustRootReference): Promise<Uint8Array> {
    let reading = this.#bytes.get(reference.name);
    if (reading === undefined) {
      reading = this.#readSource(reference);
      this.#bytes.set(reference.name, reading);
    }
    return reading;
  }

  async #readSource({ name, source }: TrustRootReference): Promise<Uint8Array> {
    if (source.kind === 'file') return readPinned(name, resolve(this.#directory, source.path), source.sha256);
    const { publicGood, TrustStore } = await import('../trust/tuf/index.ts');
    const { env = process.env, offline, onNote, request } = this.#sources;
    const store = new TrustStore({ cache: cacheFolder(env), offline, onNote, ...request });
    const reference =
      source.kind === 'builtin'
        ? publicGood()
        : { url: source.url, root: await readPinned(name, resolve(this.#directory, source.root), undefined) };
    return (await store.load(reference)).trustedRoot;
  }

  async #material(reference: TrustRootReference): Promise<TrustMaterial> {
    const { name, packages, issuers } = reference;
    const bytes = await this.#read(reference);
    const { TrustMaterial } = await import('../trust/index.ts');
    return TrustMaterial.fromTrustedRoot(bytes, {
      name,
      ...(packages === undefined ? {} : { packages: packages.map(({ text }) => text) }),
      ...(issuers === undefined ? {} : { issuers }),
    });
  }
}

async function readPinned(name: string, path: string, sha256: string | undefined): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    const problem = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new SignetError('ERR_TRUST_FILE', `trust root ${name}: ${path} cannot be read (${problem})`, { cause });
  }
  const found = createHash('sha256').update(bytes).digest('hex');
  if (sha256 !== undefined && sha256 !== found) {
    throw new SignetError('ERR_TRUST_FILE', `trust root ${name}: ${path} is not the file that the policy pins`, {
      expected: sha256,
      found,
    });
  }
  return bytes;
}
