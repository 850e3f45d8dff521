import type { FulcioClaims } from '@signet/primitives/formats';
import { textMember } from '../http/index.ts';
import type { IdentityToken } from '../identity/index.ts';
import { acceptedIssuers, expectedNames } from './certificate-identity.ts';

/** What a certificate for a token will say, as far as the token tells. */
export interface ExpectedCertificate {
  /** The issuers that it may name: the token's, or the one that a federating issuer names. */
  readonly issuers: readonly string[];
  /** The subjects that it may name; which one is the authority's configuration. */
  readonly subjects: readonly { readonly type: 'email' | 'uri'; readonly value: string }[];
  /** What it will claim beyond that; undefined for tokens of platforms whose claims are not known here. */
  readonly claims: FulcioClaims | undefined;
}

/**
 * What Fulcio makes of a token (sigstore/fulcio, docs/oid-info.md), for questions that are to be answered before a certificate
 * is asked for. What the certificate then says is compared with the token all the same.
 */
export function expectedCertificate(token: IdentityToken): ExpectedCertificate {
  const subjects = (['email', 'uri'] as const).flatMap((type) =>
    expectedNames(token, type).map((value) => ({ type, value })),
  );
  return { issuers: acceptedIssuers(token), subjects, claims: expectedClaims(token) };
}

function expectedClaims(token: IdentityToken): FulcioClaims | undefined {
  const claim = (name: string) => textMember(token.claims, name);
  const host = URL.canParse(token.issuer) ? new URL(token.issuer).origin : '';
  const [repository, workflow] = [claim('repository'), claim('workflow_ref')];
  if (repository !== undefined && workflow !== undefined) {
    const url = 'https://github.com';
    return present({
      sourceRepositoryUri: `${url}/${repository}`,
      sourceRepositoryDigest: claim('sha'),
      sourceRepositoryRef: claim('ref'),
      sourceRepositoryIdentifier: claim('repository_id'),
      sourceRepositoryOwnerIdentifier: claim('repository_owner_id'),
      buildConfigUri: `${url}/${workflow}`,
      buildTrigger: claim('event_name'),
      runnerEnvironment: claim('runner_environment'),
      deploymentEnvironment: claim('environment'),
    });
  }
  const [project, pipeline] = [claim('project_path'), claim('ci_config_ref_uri')];
  if (project !== undefined && pipeline !== undefined) {
    return present({
      sourceRepositoryUri: `${host}/${project}`,
      sourceRepositoryDigest: claim('sha'),
      sourceRepositoryRef: `refs/${claim('ref_type') === 'branch' ? 'heads' : 'tags'}/${claim('ref')}`,
      sourceRepositoryIdentifier: claim('project_id'),
      sourceRepositoryOwnerIdentifier: claim('namespace_id'),
      buildConfigUri: `https://${pipeline}`,
      buildTrigger: claim('pipeline_source'),
      runnerEnvironment: claim('runner_environment'),
      deploymentEnvironment: claim('environment'),
    });
  }
  // A person has an address and no build.
  return token.email === undefined ? undefined : {};
}

function present(claims: Readonly<Record<string, string | undefined>>): FulcioClaims {
  return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));
}
