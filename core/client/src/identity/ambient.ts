import { SignetError } from '@signet/primitives/formats';
import { awsToken } from './aws.ts';
import { azurePipelinesToken } from './azure-pipelines.ts';
import { buildkiteToken } from './buildkite.ts';
import { circleciToken } from './circleci.ts';
import { environmentToken } from './explicit-token.ts';
import { forgejoActionsToken } from './forgejo-actions.ts';
import { githubActionsToken } from './github-actions.ts';
import { googleCloudToken } from './google-cloud.ts';
import type { IdentityToken } from './identity-token.ts';
import { variableSources } from './platform-variables.ts';
import { projectedToken } from './projected-token.ts';
import { spiffeToken } from './spiffe.ts';
import type { TokenRequest, TokenSource } from './token-source.ts';

/** Every source that needs no person, in the order in which they are asked. What was set on purpose comes first. */
export const ambientSources: readonly TokenSource[] = [
  environmentToken,
  githubActionsToken,
  forgejoActionsToken,
  ...variableSources,
  buildkiteToken,
  circleciToken,
  azurePipelinesToken,
  projectedToken,
  spiffeToken,
  // Last: a machine's own identity is the least that one could have meant.
  awsToken,
  googleCloudToken,
];

/** A token, where it came from, and why each source before it was passed over. */
export interface FoundToken {
  readonly token: IdentityToken;
  readonly source: string;
  readonly skipped: readonly SkippedSource[];
}

export interface SkippedSource {
  readonly source: string;
  readonly reason: string;
}

/** Which source would be used, without asking it for anything. */
export function chooseSource(
  env: TokenRequest['env'],
  sources: readonly TokenSource[] = ambientSources,
): { readonly source: TokenSource | undefined; readonly skipped: readonly SkippedSource[] } {
  const skipped: SkippedSource[] = [];
  for (const source of sources) {
    const reason = source.unavailable(env);
    if (reason === undefined) return { source, skipped };
    skipped.push({ source: source.name, reason });
  }
  return { source: undefined, skipped };
}

/**
 * The token of the first source that offers one. A source that offers one and then fails is an error: falling back to
 * another identity without a word would sign in somebody else's name.
 *
 * @throws ERR_IDENTITY_TOKEN_MISSING when no source offers a token, and what the chosen source throws
 */
export async function ambientToken(
  request: TokenRequest,
  sources: readonly TokenSource[] = ambientSources,
): Promise<FoundToken> {
  const { source, skipped } = chooseSource(request.env, sources);
  if (source === undefined) {
    // Platforms that this is not are many and help nobody; whoami lists them.
    const reasons = skipped
      .filter(({ reason }) => !reason.startsWith('this is not '))
      .map((one) => `${one.source}: ${one.reason}`)
      .join('; ');
    throw new SignetError('ERR_IDENTITY_TOKEN_MISSING', `no source offers an identity token (${reasons})`, {
      expected: 'a CI platform with an identity, SIGSTORE_ID_TOKEN, --identity-token-file, or a person at a browser',
    });
  }
  return { token: await source.obtain(request), source: source.name, skipped };
}
