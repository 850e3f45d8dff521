import { SignetError } from '@signet/primitives/formats';
import { jsonObject, request, textMember } from '../http/index.ts';
import { IdentityToken } from './identity-token.ts';
import type { TokenSource } from './token-source.ts';

/**
 * Azure Pipelines: POST to the job's request URI with the system access token. Its audience is fixed
 * (`api://AzureADTokenExchange`), so that an authority must accept that for this issuer.
 */
export const azurePipelinesToken: TokenSource = {
  name: 'Azure Pipelines',
  unavailable(env) {
    if (!env.SYSTEM_OIDCREQUESTURI) return 'this is not an Azure Pipelines job';
    return env.SYSTEM_ACCESSTOKEN
      ? undefined
      : 'SYSTEM_ACCESSTOKEN is not set; add to the step: env: { SYSTEM_ACCESSTOKEN: $(System.AccessToken) }';
  },
  async obtain({ env, signal }) {
    const base = env.SYSTEM_OIDCREQUESTURI ?? '';
    if (!URL.canParse(base)) throw new SignetError('ERR_IDENTITY_PROVIDER', 'SYSTEM_OIDCREQUESTURI is not a URL');
    const url = new URL(base);
    url.searchParams.set('api-version', '7.1-preview.1');
    const { body } = await request(url, {
      service: 'the token service of Azure Pipelines',
      method: 'POST',
      headers: { authorization: `Bearer ${env.SYSTEM_ACCESSTOKEN ?? ''}`, 'content-type': 'application/json' },
      body: '{}',
      maxBytes: 64 * 1024,
      signal,
    });
    const token = textMember(jsonObject(body, 'the answer of Azure Pipelines', 'ERR_IDENTITY_PROVIDER'), 'oidcToken');
    if (token === undefined) throw new SignetError('ERR_IDENTITY_PROVIDER', 'Azure Pipelines answers without a token');
    return IdentityToken.parse(token);
  },
};
