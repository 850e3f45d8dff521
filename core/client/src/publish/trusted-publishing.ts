import { inert, redact, SignetError } from '@signet/primitives/formats';
import { HttpStatusError, jsonObject, request, saying, textMember } from '../http/index.ts';
import { publishToken } from '../identity/index.ts';
import type { NpmConfiguration } from './npm-configuration.ts';
import type { PublishOptions } from './publish-options.ts';
import { RegistryClient } from './registry-client.ts';

/**
 * Opens the registry of a package with npm's credentials or, where none are configured and the job has an identity, with a publish
 * token that the registry gives in exchange for it (trusted publishing). npm falls back in silence when the exchange fails, and
 * then speaks of a missing login; here the registry's own reason is told.
 *
 * @throws ERR_REGISTRY_CREDENTIALS saying why the exchange was refused, and what obtaining the identity throws
 */
export async function openRegistry(
  name: string,
  configuration: NpmConfiguration,
  given: { readonly registry?: string | undefined; readonly publishConfig?: string | undefined },
  options: Pick<PublishOptions, 'env' | 'signal' | 'http'>,
): Promise<RegistryClient> {
  const client = await RegistryClient.open(name, configuration.options, given);
  if (await client.hasCredentials()) return client;
  const { env, signal, http } = options;
  // npm's own words for the audience: the registry's name without port (npm lib/utils/oidc.js).
  const found = await publishToken({ env, audience: `npm:${new URL(client.url).hostname}`, signal });
  if (found === undefined) return client;
  const { token, source } = found;
  const url = `${client.url}-/npm/v1/oidc/token/exchange/package/${client.escapedName}`;
  try {
    const { body } = await request(url, {
      service: 'the registry',
      method: 'POST',
      headers: { authorization: `Bearer ${token.reveal()}`, accept: 'application/json' },
      body: '',
      maxBytes: 64 * 1024,
      ...http,
      signal,
    });
    const answer = textMember(jsonObject(body, 'the answer to the exchange', 'ERR_REGISTRY_RESPONSE'), 'token');
    if (answer === undefined) {
      throw new SignetError('ERR_REGISTRY_RESPONSE', `${client.url} answers the exchange of tokens without a token`);
    }
    return client.withToken(answer);
  } catch (thrown) {
    if (!(thrown instanceof HttpStatusError) || thrown.status >= 500) throw thrown;
    const said = inert(redact(saying(thrown.body), [token.reveal()]), { limit: 500 }) || `status ${thrown.status}`;
    const reason =
      thrown.status === 404
        ? `it knows no trusted publisher of ${name}, or offers no such exchange; name this job there as trusted publisher, or give npm a token`
        : said;
    throw new SignetError(
      'ERR_REGISTRY_CREDENTIALS',
      `no credentials are configured for ${client.url}, and it gives no publish token for the identity from ${source}: ${reason}`,
      { expected: `a trusted publisher of ${name}`, found: `${inert(token.subject)} (issuer ${inert(token.issuer)})` },
    );
  }
}
