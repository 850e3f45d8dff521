import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** A request on its way to the real service. */
export interface Passing {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Sends the request, or another, to the real service. */
  forward(change?: { readonly path?: string; readonly body?: string | Buffer }): Promise<Answer>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** What stands between author and service: returns the answer to give, or takes the response over itself. */
export type Tamper = (passing: Passing, response: ServerResponse) => Promise<Answer | undefined>;

/** A service that lies, stalls or breaks exactly where a test says so, and is the real service everywhere else. */
export class TamperingProxy {
  readonly #server: Server;
  readonly #target: string;
  /** What happens to requests. By default nothing. */
  tamper: Tamper = async (passing) => await passing.forward();
  /** Paths that were asked for, in order. */
  readonly seen: string[] = [];

  private constructor(server: Server, target: string) {
    this.#server = server;
    this.#target = target;
  }

  static async open(target: string): Promise<TamperingProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new TamperingProxy(server, new URL(target).origin);
    server.on('request', (request, response) => void proxy.#pass(request, response));
    return proxy;
  }

  /** The URL of a service behind the proxy. */
  through(url: string): string {
    const { pathname, search } = new URL(url);
    return `${this.origin}${pathname}${search}`;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request);
    const path = request.url ?? '/';
    const method = request.method ?? 'GET';
    this.seen.push(`${method} ${path}`);
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(request.headers)) {
      if (
        typeof value === 'string' &&
        !['host', 'connection', 'content-length', 'transfer-encoding', 'accept-encoding'].includes(name)
      )
        headers[name] = value;
    }
    const passing: Passing = {
      method,
      path,
      headers,
      body,
      forward: async (change = {}) => {
        const sent = change.body ?? body;
        const answered = await fetch(new URL(change.path ?? path, this.#target).href, {
          method,
          headers,
          redirect: 'manual',
          ...(method === 'GET' || method === 'HEAD'
            ? {}
            : { body: typeof sent === 'string' ? sent : new Uint8Array(sent) }),
        });
        const kept: Record<string, string> = {};
        answered.headers.forEach((value, name) => {
          if (!['connection', 'content-length', 'transfer-encoding', 'content-encoding', 'keep-alive'].includes(name))
            kept[name] = value;
        });
        return { status: answered.status, headers: kept, body: Buffer.from(await answered.arrayBuffer()) };
      },
    };
    try {
      const answer = await this.tamper(passing, response);
      if (answer === undefined) return;
      response.writeHead(answer.status, answer.headers).end(answer.body);
    } catch (error) {
      response.writeHead(599).end(String(error));
    }
  }
}
