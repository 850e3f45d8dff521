import type { Release } from './evidence.ts';
import type { RegistrySigner } from './registry-signer.ts';
import type { RegistryClaims } from './storage.ts';

/** Types of predicates that npm calls provenance (SLSA). */
const provenance = /^https:\/\/slsa\.dev\/provenance\/v\d+(?:\.\d+)*$/;

/** What the registry itself says about a version in `dist`: its signature, and where the evidence is. */
export class ClaimsMaker {
  readonly #signer: RegistrySigner | undefined;
  readonly #advertised: string | undefined;

  /**
   * @param signer absent when the registry signs nothing
   * @param advertised public URL of the registry with a slash at the end, when it tells of evidence in `dist.attestations`
   */
  constructor(signer: RegistrySigner | undefined, advertised: string | undefined) {
    this.#signer = signer;
    this.#advertised = advertised;
  }

  /**
   * @param predicateTypes of the evidence that is stored beside the version
   * @throws ERR_REGISTRY_KEY when the key was rotated out while this process ran
   */
  async of(release: Release, predicateTypes: readonly string[]): Promise<RegistryClaims> {
    const { name, version, integrity } = release;
    const attestations = this.attestations(release, predicateTypes);
    return {
      ...(this.#signer === undefined ? {} : { signatures: [await this.#signer.sign(name, version, integrity)] }),
      ...(attestations === undefined ? {} : { attestations }),
    };
  }

  /** `dist.attestations` as npm's default registry writes it; undefined when there is nothing to tell, or no wish to. */
  attestations(
    { name, version }: Pick<Release, 'name' | 'version'>,
    predicateTypes: readonly string[],
  ): object | undefined {
    if (this.#advertised === undefined || predicateTypes.length === 0) return undefined;
    const type = predicateTypes.find((candidate) => provenance.test(candidate));
    return {
      url: `${this.#advertised}-/npm/v1/attestations/${name.replace('/', '%2f')}@${version}`,
      // Clients take its presence for provenance without looking at the evidence (pnpm's trustPolicy).
      ...(type === undefined ? {} : { provenance: { predicateType: type } }),
    };
  }
}
