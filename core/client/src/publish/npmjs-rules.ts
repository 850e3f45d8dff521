import { inert, SignetError } from '@signet/primitives/formats';
import { isObject, type JsonObject, textMember } from '../http/index.ts';
import type { IdentityToken } from '../identity/index.ts';

/** Whether a registry is npm's own, by npm's own default; its host stands nowhere here. */
export async function isNpmjs(registry: string): Promise<boolean> {
  const { default: npm } = await import('@npmcli/config/lib/definitions/index.js');
  const { registry: definition } = npm.definitions;
  const standard: unknown = definition?.default;
  if (typeof standard !== 'string' || !URL.canParse(registry)) return false;
  return new URL(registry).host === new URL(standard).host;
}

/** A build as its identity token describes it. */
interface Build {
  readonly repository: string;
  readonly visibility: string | undefined;
  readonly runner: string | undefined;
  readonly hostedRunner: string;
  /** The line that asks for a hosted runner. */
  readonly runnerLine: string;
}

/**
 * The rules by which npm's registry takes provenance, asked before anything is signed: by GitHub Actions or GitLab, on a hosted
 * runner, from a public repository, which package.json names, and for a package that everybody may read. The registry gives
 * each as a refusal (status 422) only after the signature stands in the public log.
 *
 * Sources: npm documentation, "Generating provenance statements"; libnpmpublish 12; refusals in public (notes on npm, §1.6).
 *
 * @param manifest package.json as it is published
 * @param access the access asked for, and whether the package is there already
 * @throws ERR_PUBLISH_FORBIDDEN naming the line to change
 */
export function assertNpmjsTakes(
  token: IdentityToken,
  manifest: JsonObject,
  access: { readonly asked: 'public' | 'restricted' | undefined; readonly isNewPackage: boolean },
): void {
  const build = buildOf(token);
  if (build === undefined) {
    throw refuse(
      'takes provenance from GitHub Actions and GitLab CI alone; publish from a workflow there, or to another registry',
      'a token of GitHub Actions or GitLab CI',
      inert(token.issuer),
    );
  }
  const { repository, visibility, runner, hostedRunner, runnerLine } = build;
  if (runner !== undefined && runner !== hostedRunner) {
    throw refuse(
      `takes no provenance from runners of one’s own; change the job to: ${runnerLine}`,
      hostedRunner,
      inert(runner),
    );
  }
  if (visibility !== 'public') {
    throw refuse(
      `takes provenance from public repositories alone; make ${inert(repository)} public, or publish without provenance`,
      'public',
      inert(visibility ?? 'a token that does not say'),
    );
  }
  assertRepository(manifest, repository);
  const scoped = textMember(manifest, 'name')?.startsWith('@') === true;
  if (access.asked === 'restricted' || (access.asked === undefined && scoped && access.isNewPackage)) {
    throw refuse(
      'takes provenance for public packages alone; add to package.json: "publishConfig": { "access": "public" }',
      'access public',
      access.asked ?? 'a new scoped package, which is restricted unless it says otherwise',
    );
  }
}

/** The registry compares with case, and does not follow renames (features notes §7, row 5). */
function assertRepository(manifest: JsonObject, repository: string): void {
  const declared = repositoryUrl(manifest);
  if (declared !== undefined && plainUrl(declared) === repository) return;
  const line = `"repository": { "type": "git", "url": "git+${inert(repository)}.git" }`;
  const sameButCase = declared !== undefined && plainUrl(declared).toLowerCase() === repository.toLowerCase();
  throw refuse(
    `compares repository in package.json with the repository that was built${sameButCase ? ', upper and lower case included' : ''}; change it to: ${line}`,
    inert(repository),
    declared === undefined ? 'no repository' : inert(declared),
  );
}

function repositoryUrl({ repository }: JsonObject): string | undefined {
  if (typeof repository === 'string') return repository;
  return isObject(repository) ? textMember(repository, 'url') : undefined;
}

/** `git+https://host/owner/name.git`, `git@host:owner/name`, `github:owner/name` as `https://host/owner/name`. */
function plainUrl(url: string): string {
  const [, shortHost, path] =
    /^(github|gitlab):(.+)$/.exec(url) ?? (/^[\w.-]+\/[\w.-]+$/.test(url) ? [url, 'github', url] : []);
  const long = shortHost === undefined ? url : `https://${shortHost}.com/${path}`;
  return long
    .replace(/^git\+/, '')
    .replace(/^(?:ssh:\/\/)?git@([^/:]+)[/:]/, 'https://$1/')
    .replace(/^git:\/\//, 'https://')
    .replace(/#.*$/, '')
    .replace(/\/$/, '')
    .replace(/\.git$/, '');
}

function buildOf(token: IdentityToken): Build | undefined {
  const claim = (name: string) => textMember(token.claims, name);
  const runner = claim('runner_environment');
  const [repository, workflow, project] = [claim('repository'), claim('workflow_ref'), claim('project_path')];
  // Forgejo's tokens have the same claims, about repositories elsewhere.
  if (repository !== undefined && workflow !== undefined && !/\/api\/actions\/?$/.test(token.issuer)) {
    const visibility = claim('repository_visibility');
    return {
      repository: `https://github.com/${repository}`,
      visibility,
      runner,
      hostedRunner: 'github-hosted',
      runnerLine: 'runs-on: ubuntu-latest',
    };
  }
  if (project === undefined || !URL.canParse(token.issuer)) return undefined;
  return {
    repository: `${new URL(token.issuer).origin}/${project}`,
    visibility: claim('project_visibility'),
    runner,
    hostedRunner: 'gitlab-hosted',
    runnerLine: 'tags: [saas-linux-small-amd64]',
  };
}

function refuse(rule: string, expected: string, found: string): SignetError {
  return new SignetError('ERR_PUBLISH_FORBIDDEN', `npm’s registry ${rule}; nothing was signed`, { expected, found });
}
