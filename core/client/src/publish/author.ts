import { SignetError } from '@signet/primitives/formats';
import type { Signer } from '@signet/primitives/keys';
import type { ServiceAccess } from '../http/index.ts';
import type { FoundToken } from '../identity/index.ts';
import {
  type BundleSigner,
  type InstanceDescription,
  keySigner,
  type SigningServices,
  SigningSession,
  type TokenRequirements,
  tokenRequirements,
} from '../sign/index.ts';
import type { TrustMaterial } from '../trust/index.ts';
import type { PublishJob } from './publish-job.ts';
import type { PublishOptions } from './publish-options.ts';

/** Milliseconds that a token or a certificate must still serve to be used for one more package. */
const margin = 60_000;

/** Who a statement of this author is by, as a job keeps it. */
export type AuthorFacts = Pick<PublishJob, 'identity' | 'identitySource' | 'key'>;

/**
 * Who publishes: asked for a token once, and certified once, for all packages of a release that are signed with the same
 * services. Both live in this process alone.
 */
export class Author {
  readonly #options: Pick<PublishOptions, 'findToken' | 'signer' | 'onStep' | 'signal'>;
  readonly #http: ServiceAccess;
  readonly #tokens = new Map<string, Promise<FoundToken>>();
  readonly #sessions = new Map<string, Promise<SigningSession>>();
  readonly #requirements = new Map<string, TokenRequirements>();

  constructor(options: Pick<PublishOptions, 'findToken' | 'signer' | 'onStep' | 'signal'>, http: ServiceAccess) {
    this.#options = options;
    this.#http = http;
  }

  /** The lasting key that this author signs with, if it is one. */
  get signer(): Signer | undefined {
    return this.#options.signer;
  }

  /** What signs with that key. */
  keySigner(signer: Signer, { tsaUrls, logUrls, rekorVersion }: SigningServices, trust: TrustMaterial): BundleSigner {
    const services = { tsaUrls, logUrls, ...(rekorVersion === undefined ? {} : { rekorVersion }) };
    return keySigner({ signer, services, trust, http: this.#http, onStep: this.#options.onStep });
  }

  /**
   * The identity token for a certificate authority.
   *
   * @throws ERR_USAGE when there is neither a key nor a way to obtain one
   */
  async token(services: SigningServices, login: InstanceDescription['login']): Promise<FoundToken> {
    const known = await this.#tokens.get(services.caUrl);
    if (known !== undefined && known.token.expires.getTime() - margin > Date.now()) return known;
    const { findToken, onStep } = this.#options;
    if (findToken === undefined) {
      throw new SignetError('ERR_USAGE', 'nothing says who signs: give findToken for an identity, or signer for a key');
    }
    onStep?.('identity');
    const asking = tokenRequirements(services.caUrl, login, this.#http).then((wanted) => {
      this.#requirements.set(services.caUrl, wanted);
      return findToken(wanted);
    });
    this.#tokens.set(services.caUrl, asking);
    return await asking;
  }

  /** A key with a certificate for this identity. */
  async session(
    services: SigningServices,
    trust: TrustMaterial,
    login: InstanceDescription['login'],
  ): Promise<SigningSession> {
    const known = await this.#sessions.get(services.caUrl);
    if (known !== undefined && known.expires.getTime() - margin > Date.now() && known.isFor(services, trust))
      return known;
    const { token } = await this.token(services, login);
    const { onStep, signal } = this.#options;
    const http = this.#http;
    const opening = SigningSession.open({
      identityToken: token,
      services,
      requirements: this.#requirements.get(services.caUrl),
      trust,
      onStep,
      signal,
      http,
    });
    this.#sessions.set(services.caUrl, opening);
    return await opening;
  }
}
