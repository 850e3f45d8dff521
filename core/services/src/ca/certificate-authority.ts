import { digest, importPublicKey, type VerificationKey } from '@signet/primitives/crypto';
import { type Certificate, SignetError } from '@signet/primitives/formats';
import type { Signer } from '@signet/primitives/keys';
import { readAuthorityChain } from './authority-chain.ts';
import { IssuanceError } from './issuance-error.ts';
import type { IssuerConfiguration } from './issuers.ts';
import { type Leaf, type LeafIssuer, layOutLeaf, leafIssuer } from './leaf-certificate.ts';
import { checkSct, type PrecertificateLog } from './precertificate-log.ts';
import { type Principal, principalOf } from './principal.ts';
import { checkKeyPolicy, checkProofOfPossession, readPublicKey } from './requested-key.ts';
import { readSigningRequest } from './signing-request.ts';
import { TokenVerifier, type VerifiedToken } from './token-verifier.ts';
import { MemoryUsedTokens, type UsedTokens } from './used-tokens.ts';

/** What an authority is made of. */
export interface CertificateAuthorityOptions {
  /** Holds the private key of the first certificate of `chain`. */
  readonly signer: Signer;
  /** DER, issuing certificate first, root last. */
  readonly chain: readonly Uint8Array[];
  readonly issuers: IssuerConfiguration;
  readonly certificateLog: PrecertificateLog;
  /** DER of the log's SubjectPublicKeyInfo; with it every SCT is verified before it is embedded. */
  readonly certificateLogKey?: Uint8Array;
  /**
   * The log signs in this process, with the same library that would check it. Then the first promise and one of every hundred is
   * verified, and all of them once one did not hold. Default: all of them always.
   */
  readonly certificateLogIsHere?: boolean;
  readonly clock?: () => Date;
  /** Where used tokens of issuers with `single-use-tokens` are remembered. Default: in memory. */
  readonly usedTokens?: UsedTokens;
  /** Told of every certificate that was issued. */
  readonly onIssued?: ((principal: Principal, time: Date) => void) | undefined;
  /** Default 600: what every Sigstore client expects to be short. */
  readonly lifetimeSeconds?: number;
  /** How far certificates reach back, for timestamp authorities whose clock is behind (notes/ca.md P8). Default 0. */
  readonly backdateSeconds?: number;
}

/** A token, and a key with the proof that the requester holds it. */
export type SigningCertificateRequest = { readonly token: string } & (
  | {
      /** PEM, or DER of SubjectPublicKeyInfo. */
      readonly publicKey: string | Uint8Array;
      /** Signature over the token's challenge claim. */
      readonly proofOfPossession: Uint8Array;
    }
  | {
      /** PKCS #10, PEM or DER. */
      readonly csr: Uint8Array;
    }
);

/** A certificate that was issued, and who it is for. */
export interface IssuedCertificate {
  /** DER, with the log's SCT embedded. */
  readonly certificate: Uint8Array;
  /** DER, issuing certificate first, root last. */
  readonly chain: readonly Uint8Array[];
  readonly principal: Principal;
}

const defaultLifetimeSeconds = 600;

/**
 * Issues short-lived code signing certificates for verified identities, each entered into a certificate log before it
 * exists (sigstore/architecture-docs, fulcio-spec.md).
 */
export class CertificateAuthority {
  readonly issuers: IssuerConfiguration;
  /** DER, issuing certificate first, root last. */
  readonly chain: readonly Uint8Array[];
  readonly #options: CertificateAuthorityOptions;
  readonly #clock: () => Date;
  readonly #issuing: Certificate;
  readonly #leafIssuer: LeafIssuer;
  readonly #issuerKeyHash: Uint8Array;
  readonly #logKey: VerificationKey | undefined;
  /** Promises that are taken unverified before the next is. */
  #unverified = 0;
  readonly #maxUnverified: number;
  readonly #tokens: TokenVerifier;
  readonly #usedTokens: UsedTokens;

  /** @throws ERR_AUTHORITY_CHAIN when clients would not accept what this authority issues */
  constructor(options: CertificateAuthorityOptions) {
    this.#options = options;
    this.#clock = options.clock ?? (() => new Date());
    const [issuing] = readAuthorityChain(options.chain, options.signer, this.#clock());
    this.#issuing = issuing;
    this.#leafIssuer = leafIssuer(issuing, options.signer);
    this.#issuerKeyHash = digest('sha256', issuing.publicKey.spki);
    this.#logKey = options.certificateLogKey === undefined ? undefined : importPublicKey(options.certificateLogKey);
    this.#maxUnverified = options.certificateLogIsHere ? 99 : 0;
    this.#tokens = new TokenVerifier(options.issuers, this.#clock);
    this.#usedTokens = options.usedTokens ?? new MemoryUsedTokens(this.#clock);
    this.issuers = options.issuers;
    this.chain = options.chain;
  }

  /** Until when certificates can be issued: after it they would outlive the issuing certificate. */
  get servingUntil(): Date {
    const lifetimeSeconds = this.#options.lifetimeSeconds ?? defaultLifetimeSeconds;
    return new Date(this.#issuing.notAfter.getTime() - lifetimeSeconds * 1000);
  }

  /** Whether certificates can be issued now. */
  get isServing(): boolean {
    const now = this.#clock();
    return now >= this.#issuing.notBefore && now <= this.servingUntil;
  }

  /**
   * @throws IssuanceError when the request is refused: ERR_TOKEN_*, ERR_ISSUER_UNAVAILABLE, ERR_KEY_UNSUPPORTED,
   *   ERR_KEY_WEAK, ERR_CSR_FORMAT, ERR_PROOF_OF_POSSESSION; ERR_CT_LOG or ERR_AUTHORITY_CHAIN when this side fails
   */
  async issue(request: SigningCertificateRequest): Promise<IssuedCertificate> {
    const token = await this.#tokens.verify(request.token);
    const principal = principalOf(token);
    const key = await provenKey(request, token, principal);
    const release = this.#takeToken(token);
    try {
      const leaf = this.#layOut(key, principal);
      const certificate = await this.#enterAndSign(leaf);
      this.#options.onIssued?.(principal, this.#clock());
      return { certificate, chain: this.chain, principal };
    } catch (error) {
      release();
      throw error;
    }
  }

  #takeToken(token: VerifiedToken): () => void {
    if (!token.issuer.singleUseTokens) return () => undefined;
    const id = token.id();
    if (!this.#usedTokens.take(id, token.expiresAt)) {
      throw new IssuanceError('ERR_TOKEN_REPLAYED', 'token-used', 'The token was used for a certificate before.', {
        claim: 'jti',
        expected: 'a token that was not used yet',
      });
    }
    return () => this.#usedTokens.giveBack(id);
  }

  #layOut(key: VerificationKey, principal: Principal): Leaf {
    const now = this.#clock();
    const seconds = Math.floor(now.getTime() / 1000);
    const notBefore = new Date((seconds - (this.#options.backdateSeconds ?? 0)) * 1000);
    const notAfter = new Date((seconds + (this.#options.lifetimeSeconds ?? defaultLifetimeSeconds)) * 1000);
    if (notBefore < this.#issuing.notBefore || notAfter > this.#issuing.notAfter) {
      throw new SignetError('ERR_AUTHORITY_CHAIN', 'The issuing certificate ends before a certificate of now would.', {
        expected: `a time until ${this.#issuing.notAfter.toISOString()}`,
        found: now.toISOString(),
      });
    }
    return layOutLeaf(this.#leafIssuer, { principal, publicKey: key.info, notBefore, notAfter });
  }

  /** The log's promise comes first: a certificate that no log has seen never exists. */
  async #enterAndSign(leaf: Leaf): Promise<Uint8Array> {
    const precertificate = await leaf.precertificate();
    const sct = await this.#addPreChain(precertificate);
    if (this.#logKey !== undefined && --this.#unverified < 0) {
      const { bareTbs: tbs } = leaf;
      // Again with the next one, unless this one holds.
      this.#unverified = 0;
      await checkSct(sct, { logKey: this.#logKey, issuerKeyHash: this.#issuerKeyHash, tbs, now: this.#clock() });
      this.#unverified = this.#maxUnverified;
    }
    return leaf.certificate([sct]);
  }

  async #addPreChain(precertificate: Uint8Array) {
    try {
      return await this.#options.certificateLog.addPreChain([precertificate, ...this.chain]);
    } catch (cause) {
      throw new SignetError('ERR_CT_LOG', 'The certificate log did not accept a precertificate.', { cause });
    }
  }
}

async function provenKey(
  request: SigningCertificateRequest,
  token: VerifiedToken,
  principal: Principal,
): Promise<VerificationKey> {
  if ('csr' in request) {
    const signingRequest = await readSigningRequest(request.csr);
    checkKeyPolicy(signingRequest.key.info);
    if (await signingRequest.verify()) return signingRequest.key;
    throw new IssuanceError('ERR_PROOF_OF_POSSESSION', 'csr-signature', 'The request is not signed by its own key.', {
      expected: 'a certificate signing request signed by the key in it',
    });
  }
  const key = readPublicKey(request.publicKey);
  checkKeyPolicy(key.info);
  await checkProofOfPossession(key, request.proofOfPossession, principal.challenges, token.issuer.challengeClaim);
  return key;
}
