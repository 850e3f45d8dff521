import { type Certificate, fulcioClaims, fulcioIssuer, SignetError } from '@signet/primitives/formats';
import { isObject, textMember } from '../http/index.ts';
import type { IdentityToken } from '../identity/index.ts';

/** Whom a certificate names, exactly. */
export interface CertificateIdentity {
  readonly issuer: string;
  readonly subject: string;
}

/**
 * The identity in a certificate, after it has been compared with the token that the certificate was issued for.
 *
 * A certificate in somebody else's name would be logged under that name, so nothing is signed with it. The issuer must be
 * the token's (or, behind Dex, the connector that the token names); the subject must be its email, its subject, the
 * workflow that its claims name, or else the certificate must carry the token's subject as a claim.
 *
 * @throws ERR_CA_IDENTITY_MISMATCH
 */
export function identityOf(certificate: Certificate, token: IdentityToken): CertificateIdentity {
  const claims = fulcioClaims(certificate);
  const issuer = fulcioIssuer(claims);
  const issuers = acceptedIssuers(token);
  if (issuer === undefined || !issuers.includes(issuer)) {
    throw mismatch('issuer', issuers.join(' or '), issuer ?? 'none');
  }
  const names = certificate.subjectAlternativeNames;
  const [name] = names;
  if (names.length !== 1 || name === undefined || name.value === '') {
    throw mismatch('subject', 'exactly one subject alternative name', `${names.length}`);
  }
  const accepted = expectedNames(token, name.type);
  const bySubjectClaim =
    claims.tokenSubject !== undefined && claims.tokenSubject === token.subject && name.type !== 'email';
  if (!accepted.includes(name.value) && !bySubjectClaim) {
    throw mismatch('subject', accepted.join(' or ') || `a name for ${token.subject}`, name.value);
  }
  if (claims.tokenSubject !== undefined && claims.tokenSubject !== token.subject) {
    throw mismatch('token subject', token.subject, claims.tokenSubject);
  }
  return { issuer, subject: name.value };
}

/** The issuers that a certificate for this token may name. */
export function acceptedIssuers(token: IdentityToken): readonly string[] {
  return [token.issuer, federatedIssuer(token)].filter((one) => one !== undefined);
}

/** What Fulcio's issuer types make of a token's claims (notes/ca.md §1.4). */
export function expectedNames(token: IdentityToken, type: string): readonly string[] {
  if (type === 'email') return token.email === undefined ? [] : [token.email];
  if (type === 'otherName') {
    // username: `sub!domain`; the domain is the authority's configuration, bounded here to the issuer's own.
    const host = URL.canParse(token.issuer) ? new URL(token.issuer).hostname : '';
    return host.split('.').map((_, index, labels) => `${token.subject}!${labels.slice(index).join('.')}`);
  }
  if (type !== 'uri') return [];
  return [token.subject, `${token.issuer}/${token.subject}`, ...platformNames.flatMap((name) => name(token) ?? [])];
}

/**
 * Names that Fulcio gives to jobs (sigstore/fulcio, ci-provider templates), for authorities that do not put the token's
 * subject into the certificate. A platform whose claims the token lacks gives none.
 */
const platformNames: readonly ((token: IdentityToken) => string | undefined)[] = [
  // GitHub, on its own host or the issuer's
  fromClaims(['job_workflow_ref'], (workflow) => `https://github.com/${workflow}`),
  (token) => fromClaims(['job_workflow_ref'], (workflow) => `${new URL(token.issuer).origin}/${workflow}`)(token),
  // GitLab
  fromClaims(['ci_config_ref_uri'], (pipeline) => `https://${pipeline}`),
  // Buildkite
  fromClaims(['organization_slug', 'pipeline_slug'], (owner, pipeline) => `https://buildkite.com/${owner}/${pipeline}`),
  // Codefresh
  fromClaims(
    ['platform_url', 'account_name', 'pipeline_name', 'account_id', 'pipeline_id'],
    (url, account, pipeline, accountId, id) => `${url}/${account}/${pipeline}:${accountId}/${id}`,
  ),
  // CircleCI
  fromClaims(
    ['oidc.circleci.com/project-id', 'oidc.circleci.com/pipeline-definition-id'],
    (project, id) => `https://circleci.com/api/v2/projects/${project}/pipeline-definitions/${id}`,
  ),
];

function fromClaims(
  names: readonly string[],
  make: (...values: string[]) => string,
): (token: IdentityToken) => string | undefined {
  return (token) => {
    const values = names.map((name) => textMember(token.claims, name)).filter((value) => value !== undefined);
    return values.length === names.length && URL.canParse(token.issuer) ? make(...values) : undefined;
  };
}

/** Dex says in `federated_claims.connector_id` through whom the person logged in; the public good instance certifies that. */
function federatedIssuer(token: IdentityToken): string | undefined {
  const federated = token.claims.federated_claims;
  return isObject(federated) ? textMember(federated, 'connector_id') : undefined;
}

function mismatch(what: string, expected: string, found: string): SignetError {
  return new SignetError(
    'ERR_CA_IDENTITY_MISMATCH',
    `the certificate names another ${what} than the identity token; nothing was signed with it`,
    { expected, found },
  );
}
