import type { InstanceDescription } from '../sign/index.ts';
import type { RegistryClient } from './registry-client.ts';
import type { RegistryPolicy } from './registry-policy.ts';
import type { UploadWay } from './upload-way.ts';

/**
 * What registries say that is the same for every package of a release: who they are, whose credentials these are, by what they
 * judge. Asked once for a release, however many packages it has.
 */
export class ReleaseRegistries {
  readonly #answers = new Map<string, Promise<unknown>>();

  instance(
    registry: string,
    ask: () => Promise<InstanceDescription | undefined>,
  ): Promise<InstanceDescription | undefined> {
    return this.#once(`instance ${registry}`, ask);
  }

  /** A publish token is one package's own, and so is its user. */
  user(registry: RegistryClient): Promise<string | undefined> {
    return registry.hasOwnToken ? registry.user() : this.#once(`user ${registry.url}`, () => registry.user());
  }

  policy(
    registry: RegistryClient,
    ask: () => Promise<RegistryPolicy | undefined>,
  ): Promise<RegistryPolicy | undefined> {
    return this.#once(`policy ${registry.url}`, ask);
  }

  /** What it can do with bundles. */
  upload(registry: RegistryClient, ask: () => Promise<UploadWay>): Promise<UploadWay> {
    return this.#once(`upload ${registry.url}`, ask);
  }

  #once<Answer>(what: string, ask: () => Promise<Answer>): Promise<Answer> {
    const known = this.#answers.get(what) as Promise<Answer> | undefined;
    if (known !== undefined) return known;
    const asking = ask();
    this.#answers.set(what, asking);
    // Who waits for it hears of the failure; the next one asks again.
    asking.catch(() => this.#answers.delete(what));
    return asking;
  }
}
