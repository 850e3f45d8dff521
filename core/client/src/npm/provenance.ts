import { type FulcioClaims, SignetError } from '@signet/primitives/formats';
import { isJsonObject, type JsonObject, own } from '../npm/lockfile/index.ts';

/** Where a build came from, as a predicate or a certificate tells it; what one does not tell is absent. */
interface Source {
  readonly repository?: string | undefined;
  readonly commit?: string | undefined;
  readonly ref?: string | undefined;
  readonly repositoryId?: string | undefined;
  readonly ownerId?: string | undefined;
  /** URL of the workflow without its ref. */
  readonly workflow?: string | undefined;
  readonly trigger?: string | undefined;
  readonly invocation?: string | undefined;
  readonly runner?: string | undefined;
}

/** Names of repositories and owners know no case; everything else does. */
const withoutCase: ReadonlySet<keyof Source> = new Set(['repository', 'workflow', 'invocation']);

/**
 * Compares SLSA provenance with the certificate that signed it, field by field where both tell.
 *
 * The predicate is written by the build job, out of environment variables that the job can set; the certificate's claims come from the
 * identity provider. Where they differ, the job lies about its source (notes on npm, predicates).
 *
 * @param predicateType v1 or v0.2; others are not provenance and pass
 * @throws ERR_PROVENANCE_MISMATCH
 */
export function checkProvenance(predicateType: string, predicate: JsonObject, claims: FulcioClaims): void {
  const read = readers.get(predicateType);
  if (read === undefined) return;
  const certified = certifiedSource(claims);
  // A person's certificate has no claims about a source, so that there is nothing to compare; policy decides what it is worth.
  if (certified.repository === undefined) return;
  for (const stated of read(predicate)) {
    for (const field of Object.keys(stated) as (keyof Source)[]) {
      const [a, b] = [certified[field], stated[field]];
      if (a === undefined || b === undefined) continue;
      const equal = withoutCase.has(field) ? a.toLowerCase() === b.toLowerCase() : a === b;
      if (!equal) {
        throw new SignetError('ERR_PROVENANCE_MISMATCH', `certificate and provenance disagree about the ${field}`, {
          expected: `${a} (certificate)`,
          found: `${b} (provenance)`,
        });
      }
    }
  }
}

function certifiedSource(claims: FulcioClaims): Source {
  const legacy = claims.githubWorkflowRepository;
  return {
    repository: claims.sourceRepositoryUri ?? (legacy === undefined ? undefined : `https://github.com/${legacy}`),
    commit: claims.sourceRepositoryDigest ?? claims.githubWorkflowSha,
    ref: claims.sourceRepositoryRef ?? claims.githubWorkflowRef,
    repositoryId: claims.sourceRepositoryIdentifier,
    ownerId: claims.sourceRepositoryOwnerIdentifier,
    workflow: claims.buildConfigUri?.replace(/@refs\/.*$/, ''),
    trigger: claims.buildTrigger ?? claims.githubWorkflowTrigger,
    invocation: claims.runInvocationUri,
    runner: claims.runnerEnvironment,
  };
}

const readers: ReadonlyMap<string, (predicate: JsonObject) => Source[]> = new Map([
  ['https://slsa.dev/provenance/v1', sourcesOfV1],
  ['https://slsa.dev/provenance/v0.2', sourcesOfV02],
]);

/** https://slsa.dev/provenance/v1 with GitHub's build type for workflows. */
function sourcesOfV1(predicate: JsonObject): Source[] {
  const definition = member(predicate, 'buildDefinition');
  const workflow = member(member(definition, 'externalParameters'), 'workflow');
  const github = member(member(definition, 'internalParameters'), 'github');
  const run = member(predicate, 'runDetails');
  const repository = text(workflow, 'repository');
  const path = text(workflow, 'path');
  const builder = text(member(run, 'builder'), 'id');
  return [
    {
      repository,
      ref: text(workflow, 'ref'),
      workflow: repository === undefined || path === undefined ? undefined : `${repository}/${path}`,
      repositoryId: text(github, 'repository_id'),
      ownerId: text(github, 'repository_owner_id'),
      trigger: text(github, 'event_name'),
      runner: builder?.startsWith(hostedRunner) ? builder.slice(hostedRunner.length) : undefined,
      invocation: text(member(run, 'metadata'), 'invocationId'),
    },
    ...firstSource(own(definition, 'resolvedDependencies'), 'gitCommit'),
  ];
}

const hostedRunner = 'https://github.com/actions/runner/';

/** https://slsa.dev/provenance/v0.2 as npm writes it for GitHub and GitLab. */
function sourcesOfV02(predicate: JsonObject): Source[] {
  const invocation = member(predicate, 'invocation');
  const environment = member(invocation, 'environment');
  const slug = text(environment, 'GITHUB_REPOSITORY');
  return [
    ...firstSource([own(invocation, 'configSource')], 'sha1'),
    ...firstSource(own(predicate, 'materials'), 'sha1'),
    {
      repository: slug === undefined ? undefined : `https://github.com/${slug}`,
      commit: text(environment, 'GITHUB_SHA'),
      ref: text(environment, 'GITHUB_REF'),
      repositoryId: text(environment, 'GITHUB_REPOSITORY_ID'),
      ownerId: text(environment, 'GITHUB_REPOSITORY_OWNER_ID'),
      trigger: text(environment, 'GITHUB_EVENT_NAME'),
    },
  ];
}

/** The first of a list of resources is the source, `git+https://host/owner/name@ref`; builders may append others. */
function firstSource(resources: unknown, digestName: string): Source[] {
  const resource = Array.isArray(resources) && isJsonObject(resources[0]) ? resources[0] : {};
  const uri = text(resource, 'uri');
  if (!uri?.startsWith('git+')) return [];
  const at = uri.indexOf('@refs/');
  return [
    {
      repository: uri.slice('git+'.length, at === -1 ? undefined : at),
      ref: at === -1 ? undefined : uri.slice(at + 1),
      commit: text(member(resource, 'digest'), digestName),
    },
  ];
}

function member(object: JsonObject, key: string): JsonObject {
  const value = own(object, key);
  return isJsonObject(value) ? value : {};
}

function text(object: JsonObject, key: string): string | undefined {
  const value = own(object, key);
  return typeof value === 'string' ? value : undefined;
}
