import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { SignetError } from '@signet/primitives/formats';

const path = '/auth/callback';

/** The listener on this machine that the browser comes back to (RFC 8252 §7.3). */
export interface LoopbackRedirect {
  /** The redirect URI to announce. */
  readonly redirectUri: string;
  /**
   * The URL of the first callback that carries the state.
   *
   * @throws ERR_IDENTITY_TIMEOUT, or the reason of an aborted signal
   */
  callback(
    state: string,
    options: { readonly timeout: number; readonly signal?: AbortSignal | undefined },
  ): Promise<URL>;
  close(): void;
}

/** Listens on a free port of 127.0.0.1. Callbacks without the right state are answered and otherwise ignored. */
export async function listenForRedirect(): Promise<LoopbackRedirect> {
  let expectedState: string | undefined;
  let deliver: ((url: URL) => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  const server = createServer((incoming, response) => {
    const url = new URL(incoming.url ?? '/', 'http://localhost');
    const isCallback = incoming.method === 'GET' && url.pathname === path && isLoopback(incoming);
    if (!isCallback) return answer(response, 404, 'There is nothing here.');
    if (expectedState === undefined || url.searchParams.get('state') !== expectedState) {
      return answer(
        response,
        400,
        'This login does not belong to the signet that is waiting. Start again from the terminal.',
      );
    }
    const refused = url.searchParams.has('error');
    answer(
      response,
      refused ? 400 : 200,
      refused
        ? 'The identity provider refused the login. The terminal says more.'
        : 'You are logged in. You can close this page and return to the terminal.',
    );
    expectedState = undefined;
    deliver?.(url);
  });
  server.headersTimeout = 10_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server);
  return {
    redirectUri: `http://localhost:${port}${path}`,
    callback(state, { timeout, signal }) {
      return new Promise<URL>((resolve, reject) => {
        timer = setTimeout(() => {
          expectedState = undefined;
          reject(
            new SignetError(
              'ERR_IDENTITY_TIMEOUT',
              `nobody logged in within ${Math.round(timeout / 1000)} s; run the command again`,
            ),
          );
        }, timeout);
        const abort = () => {
          clearTimeout(timer);
          expectedState = undefined;
          reject(signal?.reason);
        };
        signal?.addEventListener('abort', abort, { once: true });
        expectedState = state;
        deliver = (url) => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', abort);
          url.port = String(port);
          resolve(url);
        };
        if (signal?.aborted) abort();
      });
    },
    close() {
      clearTimeout(timer);
      server.close();
      // The answer is on its way; what idles would keep the process alive.
      server.closeIdleConnections();
      server.unref();
    },
  };
}

/** Only this machine's own names: a page elsewhere that rebinds its name to 127.0.0.1 gets nothing. */
function isLoopback(incoming: IncomingMessage): boolean {
  const host = incoming.headers.host?.replace(/:\d+$/, '');
  return host === 'localhost' || host === '127.0.0.1' || host === '[::1]';
}

/** A page of fixed text: nothing of the request comes back in it, nothing in it runs or loads. */
function answer(response: ServerResponse, status: number, sentence: string): void {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
    connection: 'close',
  });
  response.end(`<!doctype html><html lang="en"><title>signet</title><p>${sentence}</p></html>\n`);
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('the loopback listener has no port');
  return address.port;
}
