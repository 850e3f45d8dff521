import { SignetError } from '@signet/primitives/formats';
import { jsonObject, request, textMember } from '../http/index.ts';
import { IdentityToken } from './identity-token.ts';
import type { TokenSource } from './token-source.ts';

/** Buildkite: the agent's own API gives the job a token (Buildkite, "OpenID Connect", agent `oidc request-token`). */
export const buildkiteToken: TokenSource = {
  name: 'Buildkite',
  unavailable: (env) =>
    env.BUILDKITE_AGENT_ACCESS_TOKEN && env.BUILDKITE_JOB_ID ? undefined : 'this is not a Buildkite job',
  async obtain({ env, audience, signal }) {
    const endpoint = (env.BUILDKITE_AGENT_ENDPOINT ?? 'https://agent.buildkite.com/v3').replace(/\/+$/, '');
    const { body } = await request(`${endpoint}/jobs/${encodeURIComponent(env.BUILDKITE_JOB_ID ?? '')}/oidc/tokens`, {
      service: 'the agent API of Buildkite',
      method: 'POST',
      headers: { authorization: `Token ${env.BUILDKITE_AGENT_ACCESS_TOKEN ?? ''}`, 'content-type': 'application/json' },
      body: JSON.stringify({ audience }),
      maxBytes: 64 * 1024,
      signal,
    });
    const token = textMember(jsonObject(body, 'the answer of Buildkite', 'ERR_IDENTITY_PROVIDER'), 'token');
    if (token === undefined) throw new SignetError('ERR_IDENTITY_PROVIDER', 'Buildkite answers without a token');
    return IdentityToken.parse(token);
  },
};
