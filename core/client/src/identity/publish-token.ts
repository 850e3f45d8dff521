import { buildkiteToken } from './buildkite.ts';
import { circleciToken } from './circleci.ts';
import { forgejoActionsToken } from './forgejo-actions.ts';
import { githubActionsToken } from './github-actions.ts';
import { IdentityToken } from './identity-token.ts';
import type { TokenRequest, TokenSource } from './token-source.ts';

/** Platforms that give a job a token for any audience that it asks for. */
const sources: readonly TokenSource[] = [githubActionsToken, forgejoActionsToken, buildkiteToken, circleciToken];

/**
 * The identity token that a registry takes in exchange for a publish token: `NPM_ID_TOKEN` where the job's configuration made one
 * (GitLab), or one that the platform gives for this audience; undefined where there is neither.
 *
 * @throws what the chosen source throws
 */
export async function publishToken(
  request: TokenRequest,
): Promise<{ readonly token: IdentityToken; readonly source: string } | undefined> {
  const given = request.env.NPM_ID_TOKEN;
  if (given) return { token: IdentityToken.parse(given), source: 'NPM_ID_TOKEN' };
  const source = sources.find((one) => one.unavailable(request.env) === undefined);
  return source === undefined ? undefined : { token: await source.obtain(request), source: source.name };
}
