import { digest } from '@signet/primitives/crypto';
import {
  type BundleHashAlgorithm,
  bundleMediaType,
  bundleToJson,
  type EntrySignature,
  type FulcioClaims,
  fulcioClaims,
  inTotoPayloadType,
  type KeyDetails,
  keyDetailsHash,
  preAuthenticationEncoding,
  SignetError,
  type statementV1,
  utf8,
} from '@signet/primitives/formats';
import { generateSigner, type Signer } from '@signet/primitives/keys';
import type { ServiceRequest } from '../http/index.ts';
import { IdentityToken } from '../identity/index.ts';
import type { TrustMaterial } from '../trust/index.ts';
import {
  type VerifiedBundle,
  verifyBundle,
  verifyCertificatePath,
  verifyScts,
  verifyTimestamp,
} from '../verify/index.ts';
import { type IssuedCertificate, requestCertificate } from './certificate.ts';
import { logSignature } from './log-entry.ts';
import type { SigningServices } from './signing-services.ts';
import { requestTimestamp } from './timestamp.ts';

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
  readonly http?: Pick<ServiceRequest, 'transport' | 'retry'>;
}

export type SigningStep = 'certificate' | 'timestamp' | 'log entry' | 'verification';

/** A bundle that the consumer's verifier has accepted. */
export interface SignedBundle {
  /** JSON value of a Sigstore bundle v0.3. */
  readonly bundle: Readonly<Record<string, unknown>>;
  readonly verified: VerifiedBundle;
}

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

  /** Until when the certificate can be signed with. */
  get expires(): Date {
    return this.#issued.certificate.notAfter;
  }

  /** Signs an in-toto statement in a DSSE envelope. */
  async signStatement(statement: ReturnType<typeof statementV1>): Promise<SignedBundle> {
    return await this.signPayload(inTotoPayloadType, utf8(JSON.stringify(statement)));
  }

  /** Signs any payload in a DSSE envelope. */
  async signPayload(payloadType: string, payload: Uint8Array): Promise<SignedBundle> {
    const message = preAuthenticationEncoding(payloadType, payload);
    const algorithm = this.#hash();
    const signature = await this.#signer.sign(message);
    const envelope = { payloadType, payload, signatures: [{ keyid: '', sig: signature }] };
    return await this.#witness({ kind: 'dsse', envelope }, signature, algorithm, digest(algorithm, message));
  }

  /** Signs the bytes of a file as they are. */
  async signMessage(message: Uint8Array): Promise<SignedBundle> {
    const algorithm = this.#hash();
    const value = digest(algorithm, message);
    const signature = await this.#signer.sign(message);
    const content = { kind: 'message', messageDigest: { algorithm, digest: value }, signature } as const;
    return await this.#witness(content, signature, algorithm, value, message);
  }

  /** Timestamps, logs, assembles and verifies. */
  async #witness(
    content: Parameters<typeof bundleToJson>[0]['content'],
    signature: Uint8Array,
    algorithm: BundleHashAlgorithm,
    value: Uint8Array,
    artifact?: Uint8Array,
  ): Promise<SignedBundle> {
    const { services, trust, onStep } = this.#options;
    const { certificate, identity } = this.#issued;
    const http = httpOf(this.#options);
    onStep?.('timestamp');
    const timestamps = await Promise.all(
      services.tsaUrls.map(async (tsaUrl) => {
        const { response } = await requestTimestamp(tsaUrl, signature, http);
        verifyTimestamp(response, signature, trust);
        return response;
      }),
    );
    // The log comes last: what it takes is public for ever, so everything before it must be right.
    onStep?.('log entry');
    const submission: EntrySignature = {
      signature,
      verifier: { kind: 'certificate', bytes: certificate.bytes, keyDetails: this.#signer.keyDetails },
    };
    const tlogEntries = await Promise.all(
      services.logUrls.map((logUrl) =>
        logSignature({ logUrl, digest: value, digestAlgorithm: algorithm, signature: submission, http }),
      ),
    );
    onStep?.('verification');
    const bundle = bundleToJson({
      mediaType: bundleMediaType,
      version: '0.3',
      key: { kind: 'certificate', certificate: certificate.bytes, chain: [] },
      tlogEntries,
      timestamps,
      content,
    });
    const verified = verifyBundle(bundle, {
      trust,
      identities: [identity],
      ...(artifact === undefined ? {} : { artifact }),
    });
    return { bundle, verified };
  }

  #hash(): BundleHashAlgorithm {
    const algorithm = keyDetailsHash(this.#signer.keyDetails);
    if (algorithm === 'sha256' || algorithm === 'sha384' || algorithm === 'sha512') return algorithm;
    throw new SignetError(
      'ERR_KEY_UNSUPPORTED',
      `signatures by ${this.#signer.keyDetails} are not logged: they have no digest`,
    );
  }
}

function httpOf(options: SigningOptions): Pick<ServiceRequest, 'signal' | 'transport' | 'retry'> {
  return { ...options.http, signal: options.signal };
}
