import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseJson, SignetError } from '@signet/primitives/basics';
import type { TlogPolicy } from '@signet/primitives/formats';
import type { PublisherKey, RegistryKey } from '../npm/index.ts';
import type { KeyPublisher, Policy, Publisher, TrustRootReference } from '../policy/index.ts';
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

/** What judges evidence beside a trust root. */
export interface Vouchers {
  readonly publisherKeys: readonly PublisherKey[];
  readonly registryKeys?: readonly RegistryKey[];
  readonly witnesses?: TlogPolicy;
}

/** The trust roots of a policy, each loaded when a package first needs it. */
export class TrustRoots {
  readonly #directory: string;
  readonly #references: readonly TrustRootReference[];
  readonly #loaded = new Map<string, Promise<TrustMaterial>>();
  readonly #digests = new Map<string, Promise<string | undefined>>();
  readonly #bytes = new Map<string, Promise<Uint8Array>>();
  readonly #vouchers = new Map<string, Promise<Vouchers>>();
  readonly #sources: TrustSources;
  readonly #publishers: ReadonlyMap<string, Publisher>;

  /** @param directory the policy file's folder, to which its paths are relative */
  constructor(
    policy: Pick<Policy, 'trustRoots'> & Partial<Pick<Policy, 'publishers'>>,
    directory: string,
    sources: TrustSources = {},
  ) {
    this.#directory = directory;
    this.#sources = sources;
    this.#references = policy.trustRoots;
    this.#publishers = policy.publishers ?? new Map();
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

  /**
   * What a root needs beside its own bytes to judge evidence: keys of registry and publishers, and witnesses.
   *
   * @throws ERR_TRUST_FILE, ERR_REGISTRY_KEY, ERR_TLOG_POLICY and what reading a PEM throws
   */
  vouchers(name: string): Promise<Vouchers> {
    let reading = this.#vouchers.get(name);
    if (reading === undefined) {
      reading = this.#readVouchers(name);
      this.#vouchers.set(name, reading);
    }
    return reading;
  }

  async #readVouchers(name: string): Promise<Vouchers> {
    const reference = this.#references.find((candidate) => candidate.name === name);
    const { parsePem, parseTlogPolicy, SignetError: Failure } = await import('@signet/primitives/formats');
    const { parseRegistryKeys } = await import('../npm/index.ts');
    const read = (path: string) => readPinned(name, resolve(this.#directory, path), undefined);
    const publisherKeys: PublisherKey[] = [];
    for (const { name: publisher, file, notAfter } of this.#keyPublishers) {
      const [pem] = parsePem(Buffer.from(await read(file)).toString('latin1')).filter(
        ({ label }) => label === 'PUBLIC KEY',
      );
      if (pem === undefined)
        throw new Failure('ERR_TRUST_FILE', `publisher ${publisher}: ${file} has no public key in PEM`);
      publisherKeys.push({
        publisher,
        publicKey: pem.bytes,
        ...(notAfter === undefined ? {} : { validFor: { start: new Date(0), end: notAfter } }),
      });
    }
    const keys = reference?.registryKeys;
    const witnesses = reference?.witnesses;
    return {
      publisherKeys,
      ...(keys === undefined ? {} : { registryKeys: parseRegistryKeys(parseJson(await read(keys), keys)) }),
      ...(witnesses === undefined ? {} : { witnesses: parseTlogPolicy(await read(witnesses)) }),
    };
  }

  /** The files beside a root on which verdicts depend. */
  get #keyPublishers(): readonly KeyPublisher[] {
    return [...this.#publishers.values()].filter((publisher) => publisher.kind === 'key');
  }

  async #digest(name: string): Promise<string | undefined> {
    const reference = this.#references.find((candidate) => candidate.name === name);
    if (reference === undefined) return undefined;
    const file = createHash('sha256')
      .update(await this.#read(reference))
      .digest('hex');
    const packages = reference.packages?.map(({ text }) => text);
    const others = [
      reference.registryKeys,
      reference.witnesses,
      ...this.#keyPublishers.map((publisher) => publisher.file),
    ].filter((path) => path !== undefined);
    const hashes = others.map(async (path) =>
      createHash('sha256')
        .update(await readPinned(name, resolve(this.#directory, path), undefined))
        .digest('hex'),
    );
    const keys = this.#keyPublishers.map(({ name: publisher, notAfter }) => [publisher, notAfter]);
    return createHash('sha256')
      .update(JSON.stringify([file, name, packages, reference.issuers, others, await Promise.all(hashes), keys]))
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
