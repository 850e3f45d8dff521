import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { SignetError } from '@signet/primitives/formats';
import type { Policy, TrustRootReference } from '../policy/index.ts';
import { TrustMaterial } from '../trust/index.ts';

/** The trust roots of a policy, each loaded when a package first needs it. */
export class TrustRoots {
  readonly #directory: string;
  readonly #references: readonly TrustRootReference[];
  readonly #loaded = new Map<string, Promise<TrustMaterial>>();

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

  async #read({ name, source, packages, issuers }: TrustRootReference): Promise<TrustMaterial> {
    if (source.kind !== 'file') {
      throw new SignetError(
        'ERR_TRUST_MATERIAL',
        `trust root ${name}: this version of signet cannot fetch trust roots; name a file with trusted_root.json instead`,
        { expected: 'file: ./trust/trusted_root.json', found: source.kind },
      );
    }
    const path = resolve(this.#directory, source.path);
    let bytes: Uint8Array;
    try {
      bytes = await readFile(path);
    } catch (cause) {
      const problem = (cause as NodeJS.ErrnoException).code ?? String(cause);
      throw new SignetError('ERR_TRUST_FILE', `trust root ${name}: ${path} cannot be read (${problem})`, { cause });
    }
    const found = createHash('sha256').update(bytes).digest('hex');
    if (source.sha256 !== undefined && source.sha256 !== found) {
      throw new SignetError('ERR_TRUST_FILE', `trust root ${name}: ${path} is not the file that the policy pins`, {
        expected: source.sha256,
        found,
      });
    }
    return TrustMaterial.fromTrustedRoot(bytes, {
      name,
      ...(packages === undefined ? {} : { packages: packages.map(({ text }) => text) }),
      ...(issuers === undefined ? {} : { issuers }),
    });
  }
}
