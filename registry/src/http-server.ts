import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer, Server as HttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { listenError } from '@signet/services/log';
import type { TlsMaterial } from './tls-files.ts';

/** A path prefix and who answers below it. The handler sees the whole URL. */
export interface Mount {
  /** Without a trailing slash; it matches itself and everything below it. */
  readonly prefix: string;
  readonly handler: RequestListener;
}

/** How long requests under way may take after a stop was asked for, milliseconds. */
const stopGrace = 10_000;

/**
 * One port for everything (ARCHITECTURE.md, decision 16). It listens before anything else is ready, so that port 0 has
 * become a number before the public URL is fixed; until {@link OriginServer.mount} it answers 503.
 */
export class OriginServer {
  readonly #server: Server | HttpsServer;
  #mounts: readonly Mount[] = [];
  #fallback: RequestListener | undefined;
  #stopping: Promise<void> | undefined;
  /** Sees every request before its handler. */
  onRequest: RequestListener | undefined;

  private constructor(tls: TlsMaterial | undefined) {
    const dispatch: RequestListener = (request, response) => this.#dispatch(request, response);
    this.#server = tls === undefined ? createServer(dispatch) : createHttpsServer(secureContext(tls), dispatch);
    // Verdaccio's uplink may take its time; a client that sends nothing may not (slow-loris).
    this.#server.headersTimeout = 30_000;
    this.#server.requestTimeout = 300_000;
  }

  /**
   * @param port 0 lets the system choose
   * @param options.fixedBy the file that says where to listen, if not the command line does
   * @param options.tls serves HTTPS instead of HTTP
   * @throws ERR_LISTEN
   */
  static async listen(
    host: string,
    port: number,
    { fixedBy, tls }: { readonly fixedBy?: string | undefined; readonly tls?: TlsMaterial | undefined } = {},
  ): Promise<OriginServer> {
    const origin = new OriginServer(tls);
    await new Promise<void>((resolve, reject) => {
      const refuse = (cause: NodeJS.ErrnoException) => reject(listenError(host, port, cause, fixedBy));
      origin.#server.once('error', refuse);
      origin.#server.listen(port, host, () => {
        origin.#server.off('error', refuse);
        resolve();
      });
    });
    return origin;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Uses another certificate for connections that come from now on. */
  exchangeCertificate(tls: TlsMaterial): void {
    if (this.#server instanceof HttpsServer) this.#server.setSecureContext(secureContext(tls));
  }

  /** Puts the handlers in place; the first matching prefix wins. */
  mount(mounts: readonly Mount[], fallback: RequestListener): void {
    this.#mounts = mounts;
    this.#fallback = fallback;
  }

  /** Stops accepting, lets requests under way finish for a grace period, then cuts them. May be called more than once. */
  stop(): Promise<void> {
    this.#stopping ??= new Promise((resolve, reject) => {
      const cut = setTimeout(() => this.#server.closeAllConnections(), stopGrace);
      this.#server.close((error) => {
        clearTimeout(cut);
        if (error) reject(error);
        else resolve();
      });
      this.#server.closeIdleConnections();
    });
    return this.#stopping;
  }

  #dispatch(request: IncomingMessage, response: ServerResponse): void {
    this.onRequest?.(request, response);
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    const mounted = this.#mounts.find(({ prefix }) => path === prefix || path.startsWith(`${prefix}/`));
    const handler = mounted?.handler ?? this.#fallback;
    if (this.#stopping !== undefined) response.setHeader('connection', 'close');
    if (handler === undefined) {
      response.writeHead(503, { 'content-type': 'application/json', 'retry-after': '1' });
      response.end('{"error":"the instance is starting"}\n');
      return;
    }
    handler(request, response);
  }
}

function secureContext({ cert, key }: TlsMaterial) {
  return { cert, key, minVersion: 'TLSv1.2' } as const;
}

/** A port that is free now, for an instance that is made before it is started. Somebody may take it in between. */
export async function freePort(host: string): Promise<number> {
  const server = await OriginServer.listen(host, 0);
  const { port } = server;
  await server.stop();
  return port;
}
