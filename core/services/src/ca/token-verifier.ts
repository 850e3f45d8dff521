import { digest } from '@signet/primitives/crypto';
import { inert, toHex, utf8 } from '@signet/primitives/formats';
import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { checkClaimRules } from './claim-rules.ts';
import { IssuanceError } from './issuance-error.ts';
import type { Issuer } from './issuer.ts';
import { asymmetricAlgorithms, IssuerKeySource, type IssuerKeys, isUnknownKey } from './issuer-keys.ts';
import type { IssuerConfiguration } from './issuers.ts';

/** A token whose signature, issuer, audience, times and required claims were checked. */
export interface VerifiedToken {
  readonly issuer: Issuer;
  readonly subject: string;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly expiresAt: Date;
  /** Names this token among its issuer's and reveals nothing of it. */
  id(): string;
}

const maxTokenLength = 32 * 1024;
/** Concrete issuers behind patterns whose keys are kept. */
const maxMetaIssuers = 100;

/** Verifies OpenID identity tokens of configured issuers (OpenID Connect Core 1.0 §3.1.3.7). */
export class TokenVerifier {
  readonly #issuers: IssuerConfiguration;
  readonly #clock: () => Date;
  readonly #fixed = new Map<string, IssuerKeySource>();
  /** In order of last use. */
  readonly #meta = new Map<string, IssuerKeySource>();

  constructor(issuers: IssuerConfiguration, clock: () => Date = () => new Date()) {
    this.#issuers = issuers;
    this.#clock = clock;
    for (const issuer of issuers.issuers) this.#fixed.set(issuer.url, new IssuerKeySource(issuer));
  }

  /**
   * @param token compact JWS
   * @throws ERR_TOKEN_REJECTED, ERR_TOKEN_ISSUER, ERR_TOKEN_CLAIM, ERR_ISSUER_UNAVAILABLE; none of them quotes the token
   */
  async verify(token: string): Promise<VerifiedToken> {
    const issuer = this.#issuerOf(token);
    const source = this.#keySource(issuer);
    const payload = await this.#verifySignature(token, issuer, source);
    const { sub, exp } = payload;
    if (typeof sub !== 'string' || sub === '' || exp === undefined) {
      throw new IssuanceError('ERR_TOKEN_CLAIM', 'claim-missing', 'The token has no usable claim "sub".', {
        claim: 'sub',
      });
    }
    checkIssuedAt(payload, issuer, this.#clock());
    checkClaimRules(issuer.requiredClaims, payload);
    return {
      issuer,
      subject: sub,
      claims: payload,
      // A far future beyond what Date holds is simply never.
      expiresAt: new Date(Math.min((exp + issuer.clockSkewSeconds) * 1000, 8.64e15)),
      id: () => tokenId(token, payload),
    };
  }

  /** Reads `iss` from the unverified token, only to choose whose keys to verify it with. Nothing is fetched yet. */
  #issuerOf(token: string): Issuer {
    if (token === '') throw rejected('token-missing', 'There is no identity token in the request.');
    if (token.length > maxTokenLength) throw rejected('token-too-large', 'The token is longer than 32 KiB.');
    let iss: unknown;
    try {
      const { alg } = decodeProtectedHeader(token);
      if (!asymmetricAlgorithms.some((known) => known === alg)) throw algorithmRefused(asymmetricAlgorithms);
      ({ iss } = decodeJwt(token));
    } catch (error) {
      if (error instanceof IssuanceError) throw error;
      throw rejected('malformed-token', 'The token is not a JSON Web Token in compact form.');
    }
    const issuer = typeof iss === 'string' ? this.#issuers.find(iss) : undefined;
    if (issuer === undefined) {
      throw new IssuanceError(
        'ERR_TOKEN_ISSUER',
        'issuer-not-trusted',
        'The token is of an issuer that is not configured.',
        {
          claim: 'iss',
          found: typeof iss === 'string' ? inert(iss, { limit: 256 }) : 'no issuer',
        },
      );
    }
    return issuer;
  }

  #keySource(issuer: Issuer): IssuerKeySource {
    if (!issuer.meta) {
      const source = this.#fixed.get(issuer.url);
      if (source !== undefined) return source;
    }
    const source = this.#meta.get(issuer.url) ?? new IssuerKeySource(issuer);
    this.#meta.delete(issuer.url);
    this.#meta.set(issuer.url, source);
    for (const oldest of this.#meta.keys()) {
      if (this.#meta.size <= maxMetaIssuers) break;
      this.#meta.delete(oldest);
    }
    return source;
  }

  async #verifySignature(token: string, issuer: Issuer, source: IssuerKeySource): Promise<JWTPayload> {
    let keys = await source.keys();
    try {
      return await this.#verifyWith(token, issuer, keys);
    } catch (error) {
      if (!keyMayBeNewer(error, token)) throw explained(error, issuer, keys);
      const newer = await source.newerKeys(keys);
      if (newer === undefined) throw explained(error, issuer, keys);
      keys = newer;
    }
    try {
      return await this.#verifyWith(token, issuer, keys);
    } catch (error) {
      throw explained(error, issuer, keys);
    }
  }

  async #verifyWith(token: string, issuer: Issuer, keys: IssuerKeys): Promise<JWTPayload> {
    const verify = async (keySet: JWTVerifyGetKey) => {
      const { payload } = await jwtVerify(token, keySet, {
        issuer: issuer.url,
        audience: [...issuer.audiences],
        algorithms: [...keys.algorithms],
        clockTolerance: issuer.clockSkewSeconds,
        currentDate: this.#clock(),
        requiredClaims: ['sub', 'exp'],
      });
      return payload;
    };
    try {
      return await verify(keys.keySet);
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      // No key id, and several keys that fit: the token is good if one of them verifies it.
      for await (const key of error) {
        try {
          return await verify(() => key);
        } catch (failure) {
          if (!(failure instanceof errors.JWSSignatureVerificationFailed)) throw failure;
        }
      }
      throw new errors.JWSSignatureVerificationFailed();
    }
  }
}

/** An unknown key id, or a bad signature of a token without key id: both are what a rotation looks like. */
function keyMayBeNewer(error: unknown, token: string): boolean {
  if (isUnknownKey(error)) return true;
  return error instanceof errors.JWSSignatureVerificationFailed && decodeProtectedHeader(token).kid === undefined;
}

function checkIssuedAt(payload: JWTPayload, issuer: Issuer, now: Date): void {
  if (payload.iat === undefined) return;
  if (typeof payload.iat !== 'number' || payload.iat > now.getTime() / 1000 + issuer.clockSkewSeconds) {
    throw new IssuanceError('ERR_TOKEN_REJECTED', 'token-from-the-future', 'The token was issued in the future.', {
      claim: 'iat',
      expected: `a time before ${now.toISOString()}`,
    });
  }
}

/**
 * `jti` where there is one; else the bytes that were signed. Never the signature: from one ECDSA signature another valid
 * one can be made, and the token would count as new.
 */
function tokenId(token: string, payload: JWTPayload): string {
  const name =
    typeof payload.jti === 'string' ? ['jti', payload.jti] : ['signed', token.slice(0, token.lastIndexOf('.'))];
  return toHex(digest('sha256', utf8(JSON.stringify([payload.iss, ...name]))));
}

function explained(error: unknown, issuer: Issuer, keys: IssuerKeys): Error {
  if (error instanceof IssuanceError) return error;
  // jose's errors carry the whole payload; they are put into words here and not kept as a cause.
  if (error instanceof errors.JWTExpired) {
    return rejected('token-expired', 'The token has expired.', { claim: 'exp' });
  }
  if (error instanceof errors.JWTClaimValidationFailed) return claimFailed(error, issuer);
  if (error instanceof errors.JOSEAlgNotAllowed) return algorithmRefused(keys.algorithms);
  if (error instanceof errors.JWKSNoMatchingKey) {
    return rejected('unknown-key', `The token is signed with a key that ${issuer.url} does not publish.`);
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return rejected('bad-signature', `The token's signature is not one of ${issuer.url}.`);
  }
  if (error instanceof errors.JOSEError)
    return rejected('malformed-token', `The token cannot be verified (${error.code}).`);
  return rejected('malformed-token', 'The token cannot be verified.');
}

function claimFailed(error: errors.JWTClaimValidationFailed, issuer: Issuer): IssuanceError {
  const { claim } = error;
  if (claim === 'aud') {
    return rejected('wrong-audience', 'The token is not meant for this authority.', {
      claim,
      expected: issuer.audiences.join(' or '),
    });
  }
  if (claim === 'iss')
    return rejected('wrong-issuer', 'The token is of another issuer.', { claim, expected: issuer.url });
  if (claim === 'nbf') return rejected('token-not-yet-valid', 'The token is not valid yet.', { claim });
  const reason = error.reason === 'missing' ? 'claim-missing' : 'claim-unusable';
  return rejected(reason, `The token's claim "${claim}" is ${error.reason === 'missing' ? 'missing' : 'unusable'}.`, {
    claim,
  });
}

function algorithmRefused(allowed: readonly string[]): IssuanceError {
  return rejected('algorithm-not-allowed', 'The token is not signed with an algorithm that its issuer announces.', {
    expected: allowed.join(', '),
  });
}

function rejected(reason: string, message: string, details: { claim?: string; expected?: string } = {}): IssuanceError {
  return new IssuanceError('ERR_TOKEN_REJECTED', reason, message, details);
}
