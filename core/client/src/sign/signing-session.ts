import { type FulcioClaims, fulcioClaims, type KeyDetails } from '@signet/primitives/formats';
import { generateSigner, type Signer } from '@signet/primitives/keys';
import type { ServiceAccess } from '../http/index.ts';
import { IdentityToken } from '../identity/index.ts';
import { rememberLastSigned, type TrustMaterial } from '../trust/index.ts';
import { checkOwnedIssuer, readIdentity, verifyCertificatePath, verifyScts } from '../verify/index.ts';
import { BundleSigner } from './bundle-signer.ts';
import { type IssuedCertificate, requestCertificate } from './certificate.ts';
import type { WitnessStep } from './complete-bundle.ts';
import type { TokenRequirements } from './possession.ts';
import type { SigningServices } from './signing-services.ts';

/** What a signature is made with. */
export interface SigningOptions {
  /** Who signs: a compact JWS or a parsed token. */
  readonly identityToken: string | IdentityToken;
  readonly services: SigningServices;
  /** What `tokenRequirements` answered for this authority, so that it is not asked twice. */
  readonly requirements?: TokenRequirements | undefined;
  /** What the consumer trusts: every answer and the finished bundle must verify with it. */
  readonly trust: TrustMaterial;
  /** Algorithm of the ephemeral key. Default ECDSA P-256 with SHA-256. */
  readonly keyDetails?: KeyDetails;
  /** A key to certify and sign with instead of an ephemeral one, for example in a device. */
  readonly signer?: Signer;
  /** Called before each step that may take time. */
  readonly onStep?: ((step: SigningStep) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Bounds of trying again and what carries requests, for all services. */
  readonly http?: Omit<ServiceAccess, 'signal'>;
}

export type SigningStep = 'certificate' | WitnessStep;

/**
 * An ephemeral key with its certificate: signs as many statements and files as are to be signed now, each with its own
 * timestamp and log entry. The private key lives in this process alone and is never written.
 */
export class SigningSession extends BundleSigner {
  readonly #options: SigningOptions;
  readonly #issued: IssuedCertificate;

  private constructor(options: SigningOptions, signer: Signer, issued: IssuedCertificate) {
    const { services, trust, onStep } = options;
    const material = { kind: 'certificate', certificate: issued.certificate.bytes, chain: [] } as const;
    super({
      signer,
      material,
      expected: { identity: issued.identity },
      services,
      trust,
      onStep,
      http: httpOf(options),
    });
    this.#options = options;
    this.#issued = issued;
  }

  /** Makes the key, obtains the certificate and checks it as the consumer will: path, purpose, certificate timestamps. */
  static async open(options: SigningOptions): Promise<SigningSession> {
    const { services, trust, identityToken, onStep } = options;
    const token = typeof identityToken === 'string' ? IdentityToken.parse(identityToken) : identityToken;
    const signer = options.signer ?? generateSigner(options.keyDetails ?? 'PKIX_ECDSA_P256_SHA_256');
    onStep?.('certificate');
    const issued = await requestCertificate({
      caUrl: services.caUrl,
      token,
      signer,
      trust,
      http: httpOf(options),
      issuers: options.requirements?.issuers,
    });
    const { certificate } = issued;
    // The time of a signature to be made is any time at which the certificate is valid.
    const assumed = [{ source: 'tsa', time: certificate.notBefore, authority: services.caUrl }] as const;
    rememberLastSigned(trust);
    const issuer = verifyCertificatePath(certificate, assumed, trust);
    verifyScts(certificate, issuer, trust, 1);
    // The trusted root may vouch for some issuers only; a signature in another's name would verify nowhere.
    checkOwnedIssuer(readIdentity(certificate), trust);
    return new SigningSession(options, signer, issued);
  }

  /** Whom the certificate names. */
  get identity(): IssuedCertificate['identity'] {
    return this.#issued.identity;
  }

  /** What the certificate says beyond issuer and subject: repository, commit, workflow. */
  get claims(): FulcioClaims {
    return fulcioClaims(this.#issued.certificate);
  }

  /** Whether a signature of this session is made with these services for those who trust this. */
  isFor(services: SigningServices, trust: TrustMaterial): boolean {
    return this.#options.trust === trust && JSON.stringify(this.#options.services) === JSON.stringify(services);
  }

  /** Until when the certificate can be signed with. */
  get expires(): Date {
    return this.#issued.certificate.notAfter;
  }
}

function httpOf(options: SigningOptions): ServiceAccess {
  return { ...options.http, signal: options.signal };
}
