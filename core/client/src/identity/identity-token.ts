import { inspect } from 'node:util';
import { parseJson, SignetError } from '@signet/primitives/formats';
import { isObject, type JsonObject, textMember } from '../http/index.ts';

/** A token of a CI platform is about 2 kB; nothing that certificates are issued for comes near this. */
const maxLength = 32 * 1024;

/**
 * An OIDC identity token with its claims. The token itself can only be had by {@link IdentityToken.reveal}: printing,
 * inspecting, stringifying or cloning the object shows who it is for and nothing that could be replayed.
 */
export class IdentityToken {
  readonly #token: string;
  /** Issuer (`iss`). */
  readonly issuer: string;
  /** Subject (`sub`). */
  readonly subject: string;
  /** Audiences (`aud`), one or more. */
  readonly audiences: readonly string[];
  /** When the token ceases to be valid (`exp`). */
  readonly expires: Date;
  /** The `email` claim, if any. Fulcio issuers of type email certify it. */
  readonly email: string | undefined;
  /** Every claim. Foreign text: pass through `inert` before showing. */
  readonly claims: JsonObject;

  private constructor(token: string, claims: JsonObject) {
    const issuer = textMember(claims, 'iss');
    const subject = textMember(claims, 'sub');
    const { aud, exp } = claims;
    const audiences =
      typeof aud === 'string' ? [aud] : Array.isArray(aud) ? aud.filter((one) => typeof one === 'string') : [];
    if (issuer === undefined) throw lacks('iss, the issuer');
    if (subject === undefined) throw lacks('sub, the subject');
    if (audiences.length === 0) throw lacks('aud, the audience');
    // Seconds that no date has are no expiry either (ECMA-262, time values).
    if (typeof exp !== 'number' || !(Math.abs(exp) <= 8.64e12)) throw lacks('exp, the expiry');
    this.#token = token;
    this.issuer = issuer;
    this.subject = subject;
    this.audiences = audiences;
    this.expires = new Date(exp * 1000);
    this.email = textMember(claims, 'email');
    this.claims = claims;
  }

  /**
   * Reads a token's claims. Its signature is not checked: that is the certificate authority's part, and the token is
   * the caller's own.
   *
   * @param text a compact JWS (RFC 7515 §7.1); white space around it is ignored, as files end with a line feed
   * @throws ERR_IDENTITY_TOKEN when it is no JSON Web Token or lacks iss, sub, aud or exp
   */
  static parse(text: string): IdentityToken {
    const token = text.trim();
    if (token === '') throw notToken('nothing');
    if (token.length > maxLength) throw notToken(`${token.length} characters`);
    const parts = token.split('.');
    if (parts.length !== 3 || !parts.every((part) => /^[\w-]+$/.test(part))) throw notToken('other text');
    const header = section(parts[0] ?? '', 'header');
    if (header.alg === 'none') throw notToken('an unsigned token');
    return new IdentityToken(token, section(parts[1] ?? '', 'claims'));
  }

  /** The token. For the request to the certificate authority and nowhere else. */
  reveal(): string {
    return this.#token;
  }

  /**
   * Whether the token is still good for a request.
   *
   * @param margin milliseconds that it must still have, so that it does not expire on the way
   * @throws ERR_IDENTITY_TOKEN_EXPIRED
   */
  assertCurrent(now: Date = new Date(), margin = 5_000): void {
    if (this.expires.getTime() - margin > now.getTime()) return;
    throw new SignetError('ERR_IDENTITY_TOKEN_EXPIRED', 'the identity token has expired; obtain a new one', {
      expected: `valid after ${now.toISOString()}`,
      found: `expires ${Number.isNaN(this.expires.getTime()) ? 'at no date' : this.expires.toISOString()}`,
    });
  }

  toString(): string {
    return '[identity token]';
  }

  toJSON(): Readonly<Record<string, string>> {
    return { issuer: this.issuer, subject: this.subject };
  }

  [inspect.custom](): string {
    return `IdentityToken { issuer: ${JSON.stringify(this.issuer)}, subject: ${JSON.stringify(this.subject)} }`;
  }
}

function section(encoded: string, what: string): JsonObject {
  try {
    const value = parseJson(Buffer.from(encoded, 'base64url'), what);
    if (isObject(value)) return value;
  } catch {
    // The cause would quote the token, so it is not kept.
  }
  throw notToken(`text whose ${what} are no JSON object`);
}

function notToken(found: string): SignetError {
  return new SignetError('ERR_IDENTITY_TOKEN', 'the identity token is not a signed JSON Web Token', {
    expected: 'three base64url parts separated by dots',
    found,
  });
}

function lacks(claim: string): SignetError {
  return new SignetError('ERR_IDENTITY_TOKEN', `the identity token lacks the claim ${claim}`);
}
