import { SignetError } from '@signet/primitives/formats';
import { jsonObject, request, textMember } from '../http/index.ts';
import { IdentityToken } from './identity-token.ts';
import type { Environment, TokenSource } from './token-source.ts';

/** A platform whose jobs ask an address of their own for their token. */
interface ActionsPlatform {
  readonly name: string;
  isHere(env: Environment): boolean;
  /** The line that the workflow lacks when the job may not ask. */
  readonly advice: string;
}

/**
 * GitHub's contract: a request URL and a token for it are in the job's environment when the workflow asks for them.
 *
 * Source: GitHub, "OpenID Connect reference", request for the OIDC token.
 */
export function actionsToken({ name, isHere, advice }: ActionsPlatform): TokenSource {
  return {
    name,
    unavailable(env) {
      if (!isHere(env)) return `this is not a ${name} job`;
      if (env.ACTIONS_ID_TOKEN_REQUEST_URL && env.ACTIONS_ID_TOKEN_REQUEST_TOKEN) return undefined;
      return `the job may not request tokens; add to the workflow: ${advice}`;
    },
    async obtain({ env, audience, signal }) {
      const base = env.ACTIONS_ID_TOKEN_REQUEST_URL ?? '';
      if (!URL.canParse(base)) {
        throw new SignetError('ERR_IDENTITY_PROVIDER', 'ACTIONS_ID_TOKEN_REQUEST_URL is not a URL');
      }
      const url = new URL(base);
      url.searchParams.set('audience', audience);
      const { body } = await request(url, {
        service: `the token service of ${name}`,
        headers: { accept: 'application/json', authorization: `Bearer ${env.ACTIONS_ID_TOKEN_REQUEST_TOKEN ?? ''}` },
        maxBytes: 64 * 1024,
        signal,
      });
      const value = textMember(jsonObject(body, 'the answer of the token service', 'ERR_IDENTITY_PROVIDER'), 'value');
      if (value === undefined)
        throw new SignetError('ERR_IDENTITY_PROVIDER', 'the token service answers without a token');
      return IdentityToken.parse(value);
    },
  };
}

export const githubActionsToken: TokenSource = actionsToken({
  name: 'GitHub Actions',
  // Forgejo's runner calls itself GitHub's, too.
  isHere: (env) => !isForgejo(env) && Boolean(env.GITHUB_ACTIONS || env.ACTIONS_ID_TOKEN_REQUEST_URL),
  advice: 'permissions: { id-token: write }',
});

/** Whether this is a job of Forgejo's runner, or of Gitea's, on which it is built. */
export function isForgejo(env: Environment): boolean {
  return Boolean(env.FORGEJO_ACTIONS || env.GITEA_ACTIONS);
}
