import { digest } from '@signet/primitives/crypto';
import {
  type Bundle,
  bundleMediaType,
  type FulcioClaims,
  fulcioClaims,
  inTotoPayloadType,
  type KeyDetails,
  preAuthenticationEncoding,
  type statementV1,
  utf8,
} from '@signet/primitives/formats';
import { generateSigner, type Signer } from '@signet/primitives/keys';
import type { ServiceAccess } from '../http/index.ts';
import { IdentityToken } from '../identity/index.ts';
import type { TrustMaterial } from '../trust/index.ts';
import { checkOwnedIssuer, readIdentity, verifyCertificatePath, verifyScts } from '../verify/index.ts';
import { type IssuedCertificate, requestCertificate } from './certificate.ts';
import {
  type CompletionOptions,
  completeBundle,
  loggedDigest,
  type SignedBundle,
  type WitnessStep,
} from './complete-bundle.ts';
import type { SigningServices } from './signing-services.ts';

/** What a signature is made with. */
export interface SigningOptions {
  /** Who signs: a compact JWS or a parsed token. */
  readonly identityToken: string | IdentityToken;
  readonly services: SigningServices;
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
export class SigningSession {
  readonly #options: SigningOptions;
  readonly #signer: Signer;
  readonly #issued: IssuedCertificate;

  private constructor(options: SigningOptions, signer: Signer, issued: IssuedCertificate) {
    this.#options = options;
    this.#signer = signer;
    this.#issued = issued;
  }

  /** Makes the key, obtains the certificate and checks it as the consumer will: path, purpose, certificate timestamps. */
  static async open(options: SigningOptions): Promise<SigningSession> {
    const { services, trust, identityToken, onStep } = options;
    const token = typeof identityToken === 'string' ? IdentityToken.parse(identityToken) : identityToken;
    const signer = options.signer ?? generateSigner(options.keyDetails ?? 'PKIX_ECDSA_P256_SHA_256');
    onStep?.('certificate');
    const issued = await requestCertificate({ caUrl: services.caUrl, token, signer, trust, http: httpOf(options) });
    const { certificate } = issued;
    // The time of a signature to be made is any time at which the certificate is valid.
    const assumed = [{ source: 'tsa', time: certificate.notBefore, authority: services.caUrl }] as const;
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

  /** Signs an in-toto statement in a DSSE envelope. */
  async signStatement(statement: ReturnType<typeof statementV1>): Promise<SignedBundle> {
    return await this.complete(await this.beginStatement(statement));
  }

  /** Signs any payload in a DSSE envelope. */
  async signPayload(payloadType: string, payload: Uint8Array): Promise<SignedBundle> {
    return await this.complete(await this.#beginPayload(payloadType, payload));
  }

  /** Signs the bytes of a file as they are. */
  async signMessage(message: Uint8Array): Promise<SignedBundle> {
    const algorithm = loggedDigest(this.#signer.keyDetails);
    const messageDigest = { algorithm, digest: digest(algorithm, message) };
    const signature = await this.#signer.sign(message);
    return await this.complete(this.#begin({ kind: 'message', messageDigest, signature }), { artifact: message });
  }

  /**
   * Signs a statement and nothing more: the result holds certificate and signature, and is public. It becomes a bundle by
   * {@link SigningSession.complete} or, in another process, by `completeBundle`.
   */
  async beginStatement(statement: ReturnType<typeof statementV1>): Promise<Bundle> {
    return await this.#beginPayload(inTotoPayloadType, utf8(JSON.stringify(statement)));
  }

  /** Has a signature of this session timestamped and logged, and verifies the bundle. */
  async complete(begun: Bundle, more: Pick<CompletionOptions, 'artifact' | 'onProgress'> = {}): Promise<SignedBundle> {
    const { services, trust, onStep } = this.#options;
    const { keyDetails } = this.#signer;
    const http = httpOf(this.#options);
    return await completeBundle(begun, { services, trust, identity: this.identity, keyDetails, http, onStep, ...more });
  }

  async #beginPayload(payloadType: string, payload: Uint8Array): Promise<Bundle> {
    // Before anything is signed: what no log takes is not worth a signature.
    loggedDigest(this.#signer.keyDetails);
    const sig = await this.#signer.sign(preAuthenticationEncoding(payloadType, payload));
    return this.#begin({ kind: 'dsse', envelope: { payloadType, payload, signatures: [{ keyid: '', sig }] } });
  }

  #begin(content: Bundle['content']): Bundle {
    return {
      mediaType: bundleMediaType,
      version: '0.3',
      key: { kind: 'certificate', certificate: this.#issued.certificate.bytes, chain: [] },
      tlogEntries: [],
      timestamps: [],
      content,
    };
  }
}

function httpOf(options: SigningOptions): ServiceAccess {
  return { ...options.http, signal: options.signal };
}
