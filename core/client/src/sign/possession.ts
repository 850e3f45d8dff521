import { SignetError } from '@signet/primitives/formats';
import { HttpStatusError, isObject, jsonObject, request, type ServiceAccess, textMember } from '../http/index.ts';
import type { IdentityToken } from '../identity/index.ts';
import { endpoint } from './signing-services.ts';

/** What a certificate authority says of one issuer of identity tokens (Fulcio's `/api/v2/configuration`). */
export interface AcceptedIssuer {
  /** The audience that tokens must have. */
  readonly audience: string | undefined;
  /** The claim whose value is signed to prove possession of the key. */
  readonly challengeClaim: string | undefined;
}

/**
 * What the authority says of `issuer`, or undefined where it publishes no configuration.
 *
 * @throws ERR_CA_REFUSED when it publishes one in which the issuer does not stand
 */
export async function acceptedIssuer(
  caUrl: string,
  issuer: string,
  options: ServiceAccess = {},
): Promise<AcceptedIssuer | undefined> {
  const issuers = await publishedIssuers(caUrl, options);
  return acceptedAmong(issuers, issuer);
}

/** As {@link acceptedIssuer}, in a configuration that was fetched already. @throws ERR_CA_REFUSED */
export function acceptedAmong(issuers: TokenRequirements['issuers'], issuer: string): AcceptedIssuer | undefined {
  if (issuers === undefined) return undefined;
  const found = issuers.find((entry) => names(entry, issuer));
  if (found === undefined) {
    throw new SignetError(
      'ERR_CA_REFUSED',
      'the certificate authority does not accept identity tokens of this issuer',
      {
        expected: issuers
          .map((entry) => textMember(entry, 'issuerUrl') ?? textMember(entry, 'wildcardIssuerUrl'))
          .join(' or '),
        found: issuer,
      },
    );
  }
  return { audience: textMember(found, 'audience'), challengeClaim: textMember(found, 'challengeClaim') };
}

/** What a token for a certificate authority must be, and where a person can get one. */
export interface TokenRequirements {
  /** The audience that all issuers of the authority share, else Sigstore's own. */
  readonly audience: string;
  /** Where to log in, once the authority has confirmed it. */
  readonly login?: { readonly issuer: string; readonly clientId: string };
  /** What the authority publishes of its issuers, so that it need not be asked again for the certificate. */
  readonly issuers?: readonly Readonly<Record<string, unknown>>[] | undefined;
}

/**
 * Asks a certificate authority what tokens it takes.
 *
 * @param login where somebody says that people log in. It is kept only if the authority accepts this issuer: a registry
 * that could send people to a login page of its own choice would collect their passwords.
 */
export async function tokenRequirements(
  caUrl: string,
  login: { readonly issuer: string; readonly clientId?: string } | undefined,
  options: ServiceAccess = {},
): Promise<TokenRequirements> {
  const issuers = await publishedIssuers(caUrl, options);
  const audiences = new Set(issuers?.map((entry) => textMember(entry, 'audience')));
  const [only] = audiences;
  const audience = audiences.size === 1 && only !== undefined ? only : 'sigstore';
  const accepted =
    login === undefined ? undefined : issuers?.find((entry) => textMember(entry, 'issuerUrl') === login.issuer);
  if (login === undefined || accepted === undefined) return { audience, issuers };
  const ofIssuer = textMember(accepted, 'audience') ?? audience;
  return { audience: ofIssuer, issuers, login: { issuer: login.issuer, clientId: login.clientId ?? ofIssuer } };
}

type Entry = Readonly<Record<string, unknown>>;

async function publishedIssuers(caUrl: string, options: ServiceAccess): Promise<readonly Entry[] | undefined> {
  const url = endpoint(caUrl, '/api/v2/configuration');
  try {
    const { body } = await request(url, {
      service: 'the certificate authority',
      headers: { accept: 'application/json' },
      ...options,
    });
    const { issuers } = jsonObject(body, 'the configuration of the certificate authority', 'ERR_CA_RESPONSE');
    return Array.isArray(issuers) ? issuers.filter(isObject) : undefined;
  } catch (thrown) {
    // Authorities from before v2, and small doubles, have no such page.
    if (thrown instanceof HttpStatusError && thrown.status < 500) return undefined;
    throw thrown;
  }
}

/** Fulcio's meta issuers: `*` stands for one or more letters, digits, `_` and `-`, and the whole URL must match. */
function names(entry: Entry, issuer: string): boolean {
  if (textMember(entry, 'issuerUrl') === issuer) return true;
  const wildcard = textMember(entry, 'wildcardIssuerUrl');
  if (wildcard === undefined || wildcard.length > 512) return false;
  const pattern = wildcard
    .split('*')
    .map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
    .join('[-_a-zA-Z0-9]+');
  return new RegExp(`^${pattern}$`).test(issuer);
}

/**
 * The text to sign for proof of possession: the challenge claim of the authority's configuration. Without configuration
 * the rule of the stock clients: `email` if the token has one, else `sub`, which fails at issuers that challenge `sub`
 * and put an email into their tokens (notes/ca.md P3), so that the configuration is asked first.
 *
 * @throws ERR_IDENTITY_TOKEN when the token lacks the claim
 */
export function possessionChallenge(token: IdentityToken, accepted: AcceptedIssuer | undefined): string {
  const claim = accepted?.challengeClaim ?? (token.email === undefined ? 'sub' : 'email');
  const value = textMember(token.claims, claim);
  if (value === undefined) {
    throw new SignetError(
      'ERR_IDENTITY_TOKEN',
      `the certificate authority asks for the claim ${claim}, which the identity token lacks`,
    );
  }
  return value;
}
