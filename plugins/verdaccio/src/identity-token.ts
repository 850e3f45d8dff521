import { inert, parseJson } from '@signet/primitives/formats';
import { createRemoteJWKSet, decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose';
import { Refusal } from './refusal.ts';

/** Signature algorithms of identity tokens: public keys only, as a shared secret would be nobody's identity. */
const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
const maximumLength = 32 * 1024;
const maximumDocument = 256 * 1024;
const patience = 5000;

/** Verifies identity tokens of issuers that the operator named (OpenID Connect Core 1.0 §3.1.3.7, Discovery 1.0 §4). */
export class IdentityTokens {
  readonly #audience: string;
  readonly #keys = new Map<string, Promise<ReturnType<typeof createRemoteJWKSet>>>();

  /** @param audience that tokens must be made out for */
  constructor(audience: string) {
    this.#audience = audience;
  }

  /** Who says to have issued the token. Nothing about it is verified. @throws a refusal with status 401 */
  issuerOf(token: string): string {
    if (token.length > maximumLength) throw refused('it is too long');
    try {
      return String(decodeJwt(token).iss ?? '');
    } catch {
      throw refused('it is not a JSON Web Token');
    }
  }

  /**
   * @param issuer one whom the operator named; its keys are fetched from where its discovery document says
   * @returns the claims
   * @throws a refusal: 401 when the token does not verify, 503 when the issuer cannot be reached. None quotes the token.
   */
  async verify(token: string, issuer: string): Promise<JWTPayload> {
    const keys = await this.#keysOf(issuer);
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer,
        audience: this.#audience,
        algorithms,
        requiredClaims: ['sub', 'exp', 'iat'],
        clockTolerance: 60,
        maxTokenAge: '1h',
      });
      return payload;
    } catch (error) {
      if (error instanceof errors.JWTClaimValidationFailed) {
        throw refused(
          `its claim ${error.claim} is not acceptable; it must be issued by ${issuer} for ${this.#audience}`,
        );
      }
      if (error instanceof errors.JWTExpired) throw refused('it has expired');
      if (error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError)) throw unreachable(issuer, error);
      throw refused('its signature does not verify');
    }
  }

  #keysOf(issuer: string): Promise<ReturnType<typeof createRemoteJWKSet>> {
    const known = this.#keys.get(issuer);
    if (known !== undefined) return known;
    const found = discover(issuer);
    this.#keys.set(issuer, found);
    found.catch(() => this.#keys.delete(issuer));
    return found;
  }
}

async function discover(issuer: string): Promise<ReturnType<typeof createRemoteJWKSet>> {
  let document: { readonly issuer?: unknown; readonly jwks_uri?: unknown };
  try {
    const answer = await fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, {
      redirect: 'error',
      signal: AbortSignal.timeout(patience),
    });
    const text = await answer.text();
    if (!answer.ok || text.length > maximumDocument) throw new Error(`status ${answer.status}`);
    document = parseJson(text, 'the discovery document') as typeof document;
  } catch (error) {
    throw unreachable(issuer, error);
  }
  const url = typeof document.jwks_uri === 'string' ? URL.parse(document.jwks_uri) : null;
  // Keys that come unprotected are anybody's, unless the issuer itself is on this machine.
  if (document.issuer !== issuer || url === null || url.protocol !== new URL(issuer).protocol) {
    throw unreachable(issuer, new Error('its discovery document is another issuer’s, or names no usable jwks_uri'));
  }
  return createRemoteJWKSet(url, { timeoutDuration: patience, cooldownDuration: 30_000, cacheMaxAge: 600_000 });
}

function refused(reason: string): Refusal {
  return new Refusal(401, 'ERR_TOKEN_REJECTED', `The identity token is refused: ${reason}`);
}

function unreachable(issuer: string, cause: unknown): Refusal {
  const reason = cause instanceof Error ? inert(cause.message, { limit: 200 }) : 'unknown';
  return new Refusal(503, 'ERR_ISSUER_UNAVAILABLE', `The keys of ${issuer} cannot be had now: ${reason}`, cause);
}
