import type { FulcioClaimName, FulcioClaims } from '@signet/primitives/formats';
import { checkText, claimText, plainText, unusable } from './claim-text.ts';
import { MissingValueError, type Template } from './go-template.ts';
import { IssuanceError } from './issuance-error.ts';
import type { CiProvider } from './providers.ts';
import type { VerifiedToken } from './token-verifier.ts';

/** The one name in a certificate's subjectAltName. */
export interface SubjectName {
  readonly type: 'email' | 'uri' | 'otherName';
  readonly value: string;
}

/** Who a verified token speaks for, as a certificate says it. */
export interface Principal {
  readonly subject: SubjectName;
  readonly claims: FulcioClaims;
  /** A proof of possession is a signature over one of these, the first being what the issuer's challenge claim says. */
  readonly challenges: readonly string[];
}

/**
 * Maps a verified token to subject name and extensions by its issuer's type (sigstore/fulcio, docs/oidc.md).
 *
 * @throws ERR_TOKEN_CLAIM
 */
export function principalOf(token: VerifiedToken): Principal {
  const { issuer, subject } = token;
  const claims: FulcioClaims = { issuer: issuer.url, issuerV1: issuer.url };
  const challenges = challengesOf(token);
  const uri = (value: string, more: FulcioClaims = {}): Principal => ({
    subject: { type: 'uri', value: uriText(value, 'sub') },
    claims: { ...claims, ...more },
    challenges,
  });
  switch (issuer.type) {
    case 'email':
      return { ...emailPrincipal(token), challenges };
    case 'ci-provider':
      if (issuer.provider === undefined) break;
      return { ...ciPrincipal(token, issuer.provider), challenges };
    case 'kubernetes':
      return uri(kubernetesUri(token));
    case 'spiffe':
      return uri(spiffeId(subject, issuer.spiffeTrustDomain));
    case 'uri':
      return uri(subjectUri(subject, issuer.subjectDomain));
    case 'username':
      return {
        subject: { type: 'otherName', value: username(subject, issuer.subjectDomain) },
        claims,
        challenges,
      };
    case 'chainguard-identity':
      return uri(`${issuer.url.replace(/\/$/, '')}/${claimText(subject, 'sub')}`, { tokenSubject: subject });
  }
  throw new IssuanceError('ERR_TOKEN_CLAIM', 'issuer-type-unknown', `The issuer ${issuer.url} has no usable type.`);
}

/**
 * Stock clients sign `email` whenever a token has one, whatever the issuer's type demands (notes/ca.md P3); so the other
 * of the two claims is accepted too. Who is certified never depends on it. An address that the issuer says is unverified
 * may be anybody's and is no challenge.
 */
function challengesOf({ issuer, subject, claims }: VerifiedToken): readonly string[] {
  const { email } = claims;
  const usableEmail = typeof email === 'string' && email !== '' && !isFalse(claims.email_verified) ? [email] : [];
  if (issuer.type === 'email' && typeof email === 'string') return [email, subject];
  return issuer.challengeClaim === 'email' ? [...usableEmail, subject] : [subject, ...usableEmail];
}

function isFalse(value: unknown): boolean {
  return value === false || (typeof value === 'string' && value.toLowerCase() === 'false');
}

/** RFC 5321 §4.1.2 without quoted local parts, in ASCII: what an rfc822Name can hold (RFC 5280 §4.2.1.6). */
const emailPattern =
  /^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?=.{1,253}$)[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$/;

function emailPrincipal({ issuer, claims }: VerifiedToken): Omit<Principal, 'challenges'> {
  const email = claimText(claims.email, 'email');
  if (!emailPattern.test(email)) throw unusable('email', 'an e-mail address in ASCII');
  const verified = claims.email_verified;
  const isVerified = verified === true || (typeof verified === 'string' && verified.toLowerCase() === 'true');
  if (!issuer.skipEmailVerification && !isVerified) {
    throw new IssuanceError(
      'ERR_TOKEN_CLAIM',
      'email-not-verified',
      'The issuer does not say that the e-mail is verified.',
      {
        claim: 'email_verified',
        expected: 'true',
      },
    );
  }
  const from = issuer.issuerClaim === undefined ? issuer.url : federatedIssuer(claims, issuer.issuerClaim);
  return { subject: { type: 'email', value: email }, claims: { issuer: from, issuerV1: from } };
}

function federatedIssuer(claims: Readonly<Record<string, unknown>>, path: readonly string[]): string {
  let value: unknown = claims;
  for (const name of path) {
    value =
      typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
  }
  const text = claimText(value, path.join('.'));
  if (!/^[\x21-\x7e]+$/.test(text)) throw unusable(path.join('.'), 'an issuer in ASCII');
  return text;
}

function ciPrincipal(token: VerifiedToken, provider: CiProvider): Omit<Principal, 'challenges'> {
  const values = new Map(provider.defaults);
  for (const [name, value] of Object.entries(token.claims)) {
    const text = plainText(value);
    if (text !== undefined) values.set(name, text);
  }
  const subject = rendered(provider.subjectAlternativeName, values, 'subject alternative name');
  const claims: { [Name in FulcioClaimName]?: string } = { issuer: token.issuer.url, issuerV1: token.issuer.url };
  for (const [name, template] of provider.extensions) claims[name] = rendered(template, values, name);
  claims.tokenSubject = claimText(token.subject, 'sub');
  return { subject: { type: 'uri', value: uriText(subject, 'subject alternative name') }, claims };
}

function rendered(template: Template, values: ReadonlyMap<string, string>, what: string): string {
  try {
    return checkText(template.render(values), what);
  } catch (error) {
    if (!(error instanceof MissingValueError)) throw error;
    throw new IssuanceError(
      'ERR_TOKEN_CLAIM',
      'claim-missing',
      `The token has no claim "${error.field}" for ${what}.`,
      {
        claim: error.field,
      },
    );
  }
}

function kubernetesUri({ claims }: VerifiedToken): string {
  const cluster = claims['kubernetes.io'];
  const namespace = nested(cluster, 'namespace');
  const account = nested(nested(cluster, 'serviceaccount'), 'name');
  // RFC 1123 names, as the API server enforces; anything else could add path segments to the identity.
  for (const [name, value] of [['namespace', namespace] as const, ['serviceaccount.name', account] as const]) {
    if (typeof value !== 'string' || !/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(value)) {
      throw unusable(`kubernetes.io.${name}`, 'a name of lower-case letters, digits, "-" and "."');
    }
  }
  return `https://kubernetes.io/namespaces/${namespace}/serviceaccounts/${account}`;
}

function nested(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
}

/** SPIFFE-ID §2: the trust domain is compared whole, path segments are of the permitted characters. */
function spiffeId(subject: string, trustDomain: string | undefined): string {
  const match = /^spiffe:\/\/([a-z0-9._-]{1,255})((?:\/[a-zA-Z0-9._-]+)*)$/.exec(subject);
  if (match === null || match[2]?.split('/').some((segment) => segment === '.' || segment === '..')) {
    throw unusable('sub', 'a SPIFFE ID');
  }
  if (match[1] !== trustDomain) throw unusable('sub', `a SPIFFE ID of the trust domain ${trustDomain}`);
  return subject;
}

/**
 * The parts are taken by an expression that knows neither user information nor backslashes, so that no two readers of
 * the certificate can see two hosts.
 */
function subjectUri(subject: string, domain: string | undefined): string {
  const match = /^([a-z][a-z0-9+.-]*:\/\/[a-z0-9.-]+(?::\d{1,5})?)(?:[/?#]|$)/i.exec(claimText(subject, 'sub'));
  if (match === null || match[1]?.toLowerCase() !== domain?.toLowerCase().replace(/\/$/, '')) {
    throw unusable('sub', `a URI that begins with ${domain}`);
  }
  return subject;
}

function username(subject: string, domain: string | undefined): string {
  const name = claimText(subject, 'sub');
  if (name.includes('!')) throw unusable('sub', 'a name without "!"');
  if (name.includes('@')) throw unusable('sub', 'a name that is not an e-mail address');
  return `${name}!${domain}`;
}

/**
 * A URI as an IA5String: what RFC 3986 allows stays as it is, the bytes of anything else are percent-encoded, as Go's
 * net/url does for Fulcio. So a branch named in Greek can still sign.
 */
function uriText(value: string, claim: string): string {
  const checked = checkText(value, claim);
  if (!/^[a-zA-Z][a-zA-Z0-9+.-]*:./.test(checked)) throw unusable(claim, 'an absolute URI');
  return checked.replace(/%(?![0-9a-fA-F]{2})|[^a-zA-Z0-9\-._~:/?#[\]@!$&'()*+,;=%]/gu, (character) =>
    encodeURIComponent(character),
  );
}
