import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What somebody reads from a registry. */
export interface Passing {
  /** As it was asked for; nothing is decoded. */
  readonly path: string;
  /** Asks the real registry. */
  forward(): Promise<Passed>;
}

export interface Passed {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** A registry to read from that is the real one, except where a test says so. */
export class LyingUplink {
  readonly #server: Server;
  /** What happens to requests. By default nothing. */
  tamper: (passing: Passing) => Promise<Passed> = (passing) => passing.forward();
  /** Paths that were asked for, in order. */
  readonly seen: string[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param target origin of the real registry */
  static async open(target: string): Promise<LyingUplink> {
    const server = createServer();
    const uplink = new LyingUplink(server);
    server.on('request', async ({ url: path = '/' }, response) => {
      uplink.seen.push(path);
      const forward = async (): Promise<Passed> => {
        const answer = await fetch(new URL(path, target));
        const type = answer.headers.get('content-type') ?? 'application/octet-stream';
        const body = Buffer.from(await answer.arrayBuffer());
        return { status: answer.status, headers: { 'content-type': type }, body };
      };
      const { status, headers, body } = await uplink.tamper({ path, forward });
      response.writeHead(status, { ...headers, 'content-length': body.length }).end(body);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return uplink;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
