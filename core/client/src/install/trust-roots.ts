import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { SignetError } from '@signet/primitives/basics';
import type { Policy, TrustRootReference } from '../policy/index.ts';
import type { TrustMaterial } from '../trust/index.ts';

/** The trust roots of a policy, each loaded when a package first needs it. */
export class TrustRoots {
  readonly #directory: string;
  readonly #references: readonly TrustRootReference[];
  readonly #loaded = new Map<string, Promise<TrustMaterial>>();
  readonly #digests = new Map<string, Promise<string | undefined>>();
  readonly #files = new Map<string, Promise<Uint8Array>>();

  /** @param directory the policy file's folder, to which its paths are relative */
  constructor(policy: Policy, directory: string) {
    this.#directory = directory;
    this.#references = policy.trustRoots;
  }

  get names(): readonly string[] {
    return this.#references.map(({ name }) => name);
  }

  /**
   * The material of a root of the policy.
   *
   * @throws ERR_TRUST_FILE, ERR_TRUST_MATERIAL, ERR_TRUSTED_ROOT_FORMAT
   */
  load(name: string): Promise<TrustMaterial> {
    let loading = this.#loaded.get(name);
    if (loading === undefined) {
      const reference = this.#references.find((candidate) => candidate.name === name);
      if (reference === undefined) {
        throw new SignetError('ERR_TRUST_MATERIAL', `the policy has no trust root ${name}`);
      }
      loading = this.#read(reference);
      this.#loaded.set(name, loading);
    }
    return loading;
  }

  /**
   * A digest of a root: of its bytes, its name, the names it owns and the issuers it may vouch for. What was verified under a root with the
   * same digest would verify again.
   *
   * @returns undefined for a root whose bytes are not at hand without asking somebody
   * @throws ERR_TRUST_FILE
   */
  digest(name: string): Promise<string | undefined> {
    let computing = this.#digests.get(name);
    if (computing === undefined) {
      computing = this.#digest(name);
      this.#digests.set(name, computing);
    }
    return computing;
  }

  async #digest(name: string): Promise<string | undefined> {
    const reference = this.#references.find((candidate) => candidate.name === name);
    if (reference?.source.kind !== 'file') return undefined;
    const file = createHash('sha256')
      .update(await this.#file(name, reference.source))
      .digest('hex');
    const packages = reference.packages?.map(({ text }) => text);
    return createHash('sha256')
      .update(JSON.stringify([file, name, packages, reference.issuers]))
      .digest('hex');
  }

  /** The bytes of a root in a file, read once. */
  #file(name: string, source: FileSource): Promise<Uint8Array> {
    let reading = this.#files.get(name);
    if (reading === undefined) {
      reading = readPinned(name, resolve(this.#directory, source.path), source.sha256);
      this.#files.set(name, reading);
    }
    return reading;
  }

  async #read({ name, source, packages, issuers }: TrustRootReference): Promise<TrustMaterial> {
    if (source.kind !== 'file') {
      throw new SignetError(
        'ERR_TRUST_MATERIAL',
        `trust root ${name}: this version of signet cannot fetch trust roots; name a file with trusted_root.json instead`,
        { expected: 'file: ./trust/trusted_root.json', found: source.kind },
      );
    }
    const bytes = await this.#file(name, source);
    const { TrustMaterial } = await import('../trust/index.ts');
    return TrustMaterial.fromTrustedRoot(bytes, {
      name,
      ...(packages === undefined ? {} : { packages: packages.map(({ text }) => text) }),
      ...(issuers === undefined ? {} : { issuers }),
    });
  }
}

type FileSource = Extract<TrustRootReference['source'], { kind: 'file' }>;

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
