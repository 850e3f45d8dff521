import { directTransport, type Transport } from '../http/index.ts';
import type { NpmSettings } from './npm-settings.ts';

/** Settings under which Node by itself would not go the way that npm goes: proxies, certificates, addresses. */
const special = ['proxy', 'httpsProxy', 'ca', 'cafile', 'cert', 'key', 'localAddress'];

/** Milliseconds; npm's own default of five minutes is for tarballs. */
const ownTimeLimit = 20_000;

/** npm's client looks at these by itself. */
const proxyVariables = ['HTTP_PROXY', 'HTTPS_PROXY', 'PROXY', 'http_proxy', 'https_proxy', 'proxy'];

/**
 * What carries requests to a registry: Node by itself or, where npm is configured for a proxy, certificates or an address of its own,
 * npm's client with exactly these. That takes a tenth of a second to load, so it is not the rule.
 *
 * @param more.credentials false for services that npm's tokens are none of the business of, wherever they are
 * @returns undefined for Node by itself
 */
export async function transportFor(
  { options, env }: NpmSettings,
  { credentials = true }: { readonly credentials?: boolean } = {},
): Promise<typeof fetch | undefined> {
  const proxied = proxyVariables.some((name) => !isUnset(env[name]));
  if (!proxied && special.every((name) => isUnset(options[name])) && options.strictSSL !== false) return undefined;
  const { default: npmFetch } = await import('npm-registry-fetch');
  return async (input, init = {}) => {
    const response = await npmFetch(String(input), {
      ...options,
      method: init.method ?? 'GET',
      headers: Object.fromEntries(new Headers(init.headers)),
      ...(typeof init.body === 'string' ? { body: init.body } : {}),
      ...(init.body instanceof Uint8Array ? { body: Buffer.from(init.body) } : {}),
      ...(credentials ? {} : { forceAuth: {} }),
      ...(init.signal ? { signal: init.signal } : {}),
      // Evidence is asked for anew each time, and it is the caller who tries again.
      cache: undefined,
      preferOnline: true,
      fetchRetries: 0,
    }).catch(answerOf);
    return response instanceof Response ? response : await asResponse(response);
  };
}

/**
 * What carries requests as npm is configured, which is found out when the first is made.
 *
 * @param settings none where npm's configuration does not matter
 */
export function configuredTransport(settings: (() => Promise<NpmSettings>) | undefined): Transport {
  return async (url, request) => {
    const configured: Transport | undefined = settings && (await transportFor(await settings()));
    return await (configured ?? directTransport)(url, request);
  };
}

/**
 * How long an attempt at a registry may take: what npm's `fetch-timeout` says, where it is shorter than what Signet waits by itself.
 *
 * @returns milliseconds; undefined for Signet's own
 */
export async function configuredTimeLimit(
  settings: (() => Promise<NpmSettings>) | undefined,
): Promise<number | undefined> {
  const limit = (await settings?.())?.options.timeout;
  return typeof limit === 'number' && limit > 0 && limit < ownTimeLimit ? limit : undefined;
}

type NpmResponse = Awaited<ReturnType<typeof import('npm-registry-fetch')>>;

async function asResponse(response: NpmResponse): Promise<Response> {
  return new Response(new Uint8Array(await response.buffer()), {
    status: response.status,
    headers: [...response.headers],
  });
}

/** npm's client throws an error for a status that means failure; the status is what the caller judges by. */
function answerOf(error: unknown): Response {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  if (typeof status !== 'number' || status < 400 || status > 599) throw error;
  const body = error instanceof Error && 'body' in error ? error.body : undefined;
  return new Response(typeof body === 'string' ? body : JSON.stringify(body ?? {}), { status });
}

function isUnset(value: unknown): boolean {
  return (
    value === undefined ||
    value === null ||
    value === false ||
    value === '' ||
    (Array.isArray(value) && value.length === 0)
  );
}
