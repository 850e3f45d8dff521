import { type FulcioClaims, SignetError } from '@signet/primitives/formats';
import { type JsonObject, textMember } from '../http/index.ts';
import type { IdentityToken } from '../identity/index.ts';

/** What is said about how a package came to be. */
export interface ProvenancePredicate {
  readonly predicateType: 'https://slsa.dev/provenance/v1';
  readonly predicate: JsonObject;
}

/** SLSA's build type for GitHub Actions (slsa-framework/github-actions-buildtypes, workflow v1). */
const githubBuildType = 'https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1';

/** Ours, for everybody else: a person at a desk, or a CI platform without a build type of its own. */
export const plainBuildType = 'urn:signet:build-type:npm-publish:v1';

/**
 * SLSA provenance v1 from the claims of the identity token, never from variables of the build's environment, which the
 * build itself can set. What the certificate says of the same things must agree.
 *
 * @param certified claims of the certificate that was issued for the token
 * @throws ERR_PROVENANCE_MISMATCH
 */
export function createProvenance(
  token: IdentityToken,
  certified: FulcioClaims,
  subject: { readonly name: string; readonly version: string },
): ProvenancePredicate {
  const workflow = textMember(token.claims, 'workflow_ref');
  const repository = textMember(token.claims, 'repository');
  const predicate =
    workflow !== undefined && repository !== undefined && textMember(token.claims, 'run_id') !== undefined
      ? githubProvenance(token, certified, workflow, repository)
      : plainProvenance(token, subject);
  return { predicateType: 'https://slsa.dev/provenance/v1', predicate };
}

function githubProvenance(
  token: IdentityToken,
  certified: FulcioClaims,
  workflow: string,
  repository: string,
): JsonObject {
  const claim = (name: string) => textMember(token.claims, name) ?? '';
  const host = certified.sourceRepositoryUri?.endsWith(`/${repository}`)
    ? certified.sourceRepositoryUri.slice(0, -repository.length - 1)
    : 'https://github.com';
  const source = `${host}/${repository}`;
  for (const [what, said, proven] of [
    ['source repository', source, certified.sourceRepositoryUri],
    ['commit', claim('sha'), certified.sourceRepositoryDigest],
    ['ref', claim('ref'), certified.sourceRepositoryRef],
    ['repository id', claim('repository_id'), certified.sourceRepositoryIdentifier],
    ['owner id', claim('repository_owner_id'), certified.sourceRepositoryOwnerIdentifier],
  ] as const) {
    if (proven === undefined || proven === said) continue;
    throw new SignetError(
      'ERR_PROVENANCE_MISMATCH',
      `certificate and identity token disagree about the ${what}; nothing was signed`,
      {
        expected: proven,
        found: said,
      },
    );
  }
  const [path = '', ref = claim('ref')] = workflow.slice(repository.length + 1).split('@');
  return {
    buildDefinition: {
      buildType: githubBuildType,
      externalParameters: { workflow: { ref, repository: source, path } },
      internalParameters: {
        github: {
          event_name: claim('event_name'),
          repository_id: claim('repository_id'),
          repository_owner_id: claim('repository_owner_id'),
        },
      },
      resolvedDependencies: [{ uri: `git+${source}@${claim('ref')}`, digest: { gitCommit: claim('sha') } }],
    },
    runDetails: {
      builder: { id: `https://github.com/actions/runner/${claim('runner_environment') || 'self-hosted'}` },
      metadata: { invocationId: `${source}/actions/runs/${claim('run_id')}/attempts/${claim('run_attempt') || '1'}` },
    },
  };
}

/** Says who published what, and claims nothing about a build that nobody witnessed. */
function plainProvenance(
  token: IdentityToken,
  { name, version }: { readonly name: string; readonly version: string },
): JsonObject {
  return {
    buildDefinition: { buildType: plainBuildType, externalParameters: { package: { name, version } } },
    runDetails: { builder: { id: token.issuer } },
  };
}
