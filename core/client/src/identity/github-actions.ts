import { SignetError } from '@signet/primitives/formats';
import { jsonObject, request, textMember } from '../http/index.ts';
import { IdentityToken } from './identity-token.ts';
import type { TokenSource } from './token-source.ts';

/**
 * GitHub Actions, and Forgejo Actions, which has the same contract: a request URL and a token for it are in the job's
 * environment when the job has `permissions: id-token: write`.
 *
 * Source: GitHub, "OpenID Connect reference", request for the OIDC token.
 */
export const githubActionsToken: TokenSource = {
  name: 'GitHub Actions',
  unavailable(env) {
    if (env.ACTIONS_ID_TOKEN_REQUEST_URL && env.ACTIONS_ID_TOKEN_REQUEST_TOKEN) return undefined;
    return env.GITHUB_ACTIONS
      ? 'the job may not request tokens; add to the workflow: permissions: { id-token: write }'
      : 'this is not a GitHub Actions job';
  },
  async obtain({ env, audience, signal }) {
    const base = env.ACTIONS_ID_TOKEN_REQUEST_URL ?? '';
    if (!URL.canParse(base)) {
      throw new SignetError('ERR_IDENTITY_PROVIDER', 'ACTIONS_ID_TOKEN_REQUEST_URL is not a URL');
    }
    const url = new URL(base);
    url.searchParams.set('audience', audience);
    const { body } = await request(url, {
      service: 'the token service of GitHub Actions',
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
