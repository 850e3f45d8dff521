import { digest } from '@signet/primitives/crypto';
import { type FulcioClaims, SignetError, toHex } from '@signet/primitives/formats';
import { type JsonObject, textMember } from '../http/index.ts';
import type { IdentityToken } from '../identity/index.ts';

/** What is said about how a package came to be. */
export interface ProvenancePredicate {
  readonly predicateType: typeof provenanceType;
  readonly predicate: JsonObject;
}

/** SLSA provenance v1. */
export const provenanceType = 'https://slsa.dev/provenance/v1';

/** SLSA's build type for GitHub Actions (slsa-framework/github-actions-buildtypes, workflow v1). */
const githubBuildType = 'https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1';

/** GitLab's (docs.gitlab.com, SLSA provenance specification). Its variables are left out: a public log is no place for them. */
const gitlabBuildType = 'https://docs.gitlab.com/ci/pipeline_security/slsa/provenance_v1';

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
  return { predicateType: provenanceType, predicate: predicateOf(token, certified, subject) };
}

/**
 * What a lasting key says of a package: who holds it published these bytes. The builder is the key, by the SHA-256 of its
 * SubjectPublicKeyInfo.
 */
export function createKeyProvenance(
  publicKey: Uint8Array,
  { name, version }: { readonly name: string; readonly version: string },
): ProvenancePredicate {
  const predicate = {
    buildDefinition: { buildType: plainBuildType, externalParameters: { package: { name, version } } },
    runDetails: { builder: { id: `urn:signet:key:sha256:${toHex(digest('sha256', publicKey))}` } },
  };
  return { predicateType: provenanceType, predicate };
}

function predicateOf(
  token: IdentityToken,
  certified: FulcioClaims,
  subject: { readonly name: string; readonly version: string },
): JsonObject {
  const claim = (name: string) => textMember(token.claims, name);
  const [workflow, repository] = [claim('workflow_ref'), claim('repository')];
  if (
    workflow !== undefined &&
    repository !== undefined &&
    claim('run_id') !== undefined &&
    isGithub(token, certified)
  ) {
    return githubProvenance(token, certified, workflow, repository);
  }
  const [project, job] = [claim('project_path'), claim('job_id')];
  if (project !== undefined && job !== undefined && claim('pipeline_id') !== undefined) {
    return gitlabProvenance(token, certified, project, job);
  }
  return plainProvenance(token, certified, subject);
}

/**
 * Others make tokens with GitHub's claims (Forgejo, whose issuer ends so), and a repository of the same name on GitHub is another. Where
 * the certificate does not say on which host it is, only GitHub's own issuer does.
 */
function isGithub({ issuer }: IdentityToken, { sourceRepositoryUri }: FulcioClaims): boolean {
  if (/\/api\/actions\/?$/.test(issuer)) return false;
  return sourceRepositoryUri !== undefined || issuer === 'https://token.actions.githubusercontent.com';
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
  assertAgreement([
    ['source repository', source, certified.sourceRepositoryUri],
    ['commit', claim('sha'), certified.sourceRepositoryDigest],
    ['ref', claim('ref'), certified.sourceRepositoryRef],
    ['repository id', claim('repository_id'), certified.sourceRepositoryIdentifier],
    ['owner id', claim('repository_owner_id'), certified.sourceRepositoryOwnerIdentifier],
  ]);
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

function gitlabProvenance(token: IdentityToken, certified: FulcioClaims, project: string, job: string): JsonObject {
  const claim = (name: string) => textMember(token.claims, name) ?? '';
  const source = certified.sourceRepositoryUri ?? `${new URL(token.issuer).origin}/${project}`;
  // Tokens name the ref short and beside it, since GitLab 16.0, long.
  const ref = claim('ref_path') || `refs/${claim('ref_type') === 'branch' ? 'heads' : 'tags'}/${claim('ref')}`;
  assertAgreement([
    ['source repository', `${new URL(source).origin}/${project}`, certified.sourceRepositoryUri],
    ['commit', claim('sha'), certified.sourceRepositoryDigest],
    ['ref', ref, certified.sourceRepositoryRef],
    ['project id', claim('project_id'), certified.sourceRepositoryIdentifier],
    ['namespace id', claim('namespace_id'), certified.sourceRepositoryOwnerIdentifier],
  ]);
  const runner = textMember(token.claims, 'runner_id') ?? claimNumber(token, 'runner_id');
  return {
    buildDefinition: {
      buildType: gitlabBuildType,
      externalParameters: { source, pipeline: claim('ci_config_ref_uri') },
      internalParameters: { job, pipeline: claim('pipeline_id'), trigger: claim('pipeline_source') },
      resolvedDependencies: [{ uri: `git+${source}@${ref}`, digest: { gitCommit: claim('sha') } }],
    },
    runDetails: {
      builder: { id: runner === undefined ? `${source}/-/runners` : `${source}/-/runners/${runner}` },
      metadata: { invocationId: `${source}/-/jobs/${job}` },
    },
  };
}

function claimNumber(token: IdentityToken, name: string): string | undefined {
  const value = token.claims[name];
  return typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : undefined;
}

/** What the certificate does not say, it does not contradict. */
function assertAgreement(pairs: readonly (readonly [what: string, said: string, proven: string | undefined])[]): void {
  for (const [what, said, proven] of pairs) {
    if (proven === undefined || proven === said) continue;
    throw new SignetError(
      'ERR_PROVENANCE_MISMATCH',
      `certificate and identity token disagree about the ${what}; nothing was signed`,
      { expected: proven, found: said },
    );
  }
}

/**
 * Says who published what and, where the certificate does, from which source; claims nothing about a build that nobody witnessed
 * (docs/author/build-type.md).
 */
function plainProvenance(
  token: IdentityToken,
  certified: FulcioClaims,
  { name, version }: { readonly name: string; readonly version: string },
): JsonObject {
  const { sourceRepositoryUri: source, sourceRepositoryRef: ref, sourceRepositoryDigest: commit } = certified;
  const uri = source === undefined ? undefined : `git+${source}${ref?.startsWith('refs/') ? `@${ref}` : ''}`;
  return {
    buildDefinition: {
      buildType: plainBuildType,
      externalParameters: { package: { name, version } },
      ...(uri === undefined
        ? {}
        : { resolvedDependencies: [{ uri, ...(commit === undefined ? {} : { digest: { gitCommit: commit } }) }] }),
    },
    runDetails: {
      builder: { id: token.issuer },
      ...(certified.runInvocationUri === undefined ? {} : { metadata: { invocationId: certified.runInvocationUri } }),
    },
  };
}
