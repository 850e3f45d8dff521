import { SignetError } from '@signet/primitives/basics';
import type { ServiceRequest } from './request.ts';
import { directTransport, type TransportAnswer } from './transport.ts';

/** The most redirects that one request follows. */
const most = 3;

/**
 * One request, following redirects only within the origin: what is sent may carry a token, and what comes back is
 * attributed to the service that was asked. A redirect that would turn a POST into a GET (301, 302, 303) is refused too.
 *
 * @throws ERR_HTTP_REDIRECT
 */
export async function followRedirect(
  first: URL,
  options: ServiceRequest,
  signal: AbortSignal,
): Promise<TransportAnswer> {
  const { method = 'GET', headers = {}, body, transport = directTransport } = options;
  let url = first;
  for (let followed = 0; ; followed++) {
    const response = await transport(url.href, {
      method,
      headers,
      redirect: 'manual',
      signal,
      ...(body === undefined ? {} : { body }),
    });
    const location = response.headers.get('location');
    if (response.status < 300 || response.status >= 400 || response.status === 304 || location === null)
      return response;
    await response.body?.cancel();
    const next = URL.canParse(location, url.href) ? new URL(location, url.href) : undefined;
    const keepsMethod = method === 'GET' || response.status === 307 || response.status === 308;
    if (next === undefined || next.origin !== first.origin || !keepsMethod || followed >= most) {
      throw new SignetError('ERR_HTTP_REDIRECT', `${options.service} redirects where it is not followed`, {
        expected: `an answer from ${first.origin}`,
        found: `status ${response.status} to ${next?.origin ?? 'no URL'}`,
      });
    }
    url = next;
  }
}
