import { inert } from '@signet/primitives/formats';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { IssuanceError } from './issuance-error.ts';
import type { IssuerConfiguration } from './issuers.ts';
import { principalOf, type SubjectName } from './principal.ts';
import { TokenVerifier } from './token-verifier.ts';

/** Why a token is or is not accepted; holds nothing of which the token could be made again. */
export interface TokenExplanation {
  readonly accepted: boolean;
  /** What was refused, in words. */
  readonly problem?: string;
  /** As in {@link IssuanceError}. */
  readonly reason?: string;
  readonly claim?: string;
  readonly expected?: string;
  /** What the token says of itself, verified or not; names and values are inert text. */
  readonly header: Readonly<Record<string, string>>;
  readonly claims: Readonly<Record<string, string>>;
  /** The configured issuer that its `iss` names. */
  readonly issuer?: { readonly url: string; readonly type: string; readonly requiredClaims: readonly string[] };
  /** What a certificate would say. */
  readonly certificate?: { readonly subject: SubjectName; readonly extensions: Readonly<Record<string, string>> };
  /** What clients may sign as proof of possession. */
  readonly challenges?: readonly string[];
}

const maxShownLength = 300;

/**
 * Explains to an operator what the authority makes of a token: for `signet ca token explain` and `config test --token`.
 * The token is verified as for a certificate, but not used up.
 *
 * @param token compact JWS
 */
export async function explainToken(
  issuers: IssuerConfiguration,
  token: string,
  clock: () => Date = () => new Date(),
): Promise<TokenExplanation> {
  const shown = {
    header: shownMembers(() => decodeProtectedHeader(token)),
    claims: shownMembers(() => decodeJwt(token)),
  };
  const issuer = issuers.find(shown.claims.iss ?? '');
  const facts = {
    ...shown,
    ...(issuer === undefined
      ? {}
      : {
          issuer: {
            url: issuer.url,
            type: issuer.declaredType,
            requiredClaims: issuer.requiredClaims.map(({ claim, description }) => `${claim}: ${description}`),
          },
        }),
  };
  try {
    const principal = principalOf(await new TokenVerifier(issuers, clock).verify(token));
    const { subject, claims: extensions, challenges } = principal;
    return { accepted: true, ...facts, certificate: { subject, extensions }, challenges };
  } catch (error) {
    if (!(error instanceof IssuanceError)) throw error;
    return { accepted: false, problem: error.message, ...error.details(), ...facts };
  }
}

/** Members of a part of the token as inert text; none when it cannot be read, which the verification explains. */
function shownMembers(read: () => object): Record<string, string> {
  let members: object;
  try {
    members = read();
  } catch {
    return {};
  }
  const entries = Object.entries(members).map(([name, value]) => [
    inert(name, { limit: maxShownLength }),
    inert(typeof value === 'string' ? value : JSON.stringify(value), { limit: maxShownLength }),
  ]);
  return Object.fromEntries(entries);
}
