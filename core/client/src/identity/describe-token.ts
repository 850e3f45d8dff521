import { inert } from '@signet/primitives/formats';
import { IdentityToken } from './identity-token.ts';

/** What a token says, without the token. All text is inert. */
export interface TokenDescription {
  readonly issuer: string;
  readonly subject: string;
  readonly email?: string;
  readonly audiences: readonly string[];
  readonly expires: string;
  /** The other claims that are plain values, by name. Nothing in them can be replayed. */
  readonly claims: Readonly<Record<string, string | number | boolean>>;
}

/**
 * Describes a token to a person or a log.
 *
 * @param token a compact JWS or a parsed token
 * @throws ERR_IDENTITY_TOKEN
 */
export function describeToken(token: string | IdentityToken): TokenDescription {
  const parsed = typeof token === 'string' ? IdentityToken.parse(token) : token;
  const claims: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(parsed.claims)) {
    // `jti`, `nonce`, `at_hash` and the like say nothing to a reader.
    if (['iss', 'sub', 'aud', 'exp', 'email', 'jti', 'nonce', 'at_hash', 'c_hash', 's_hash', 'sid'].includes(name))
      continue;
    if (typeof value === 'string') claims[inert(name)] = inert(value);
    if (typeof value === 'number' || typeof value === 'boolean') claims[inert(name)] = value;
  }
  return {
    issuer: inert(parsed.issuer),
    subject: inert(parsed.subject),
    ...(parsed.email === undefined ? {} : { email: inert(parsed.email) }),
    audiences: parsed.audiences.map((one) => inert(one)),
    expires: parsed.expires.toISOString(),
    claims,
  };
}
