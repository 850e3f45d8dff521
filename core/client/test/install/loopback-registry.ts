import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A registry on a loopback address that answers what a test tells it to, and remembers what it was asked. */
export class LoopbackRegistry {
  readonly url: string;
  /** Method, path and authorization of every request. */
  readonly requests: { readonly path: string; readonly authorization: string | undefined }[] = [];
  /** Requests that were open at once, at most. */
  busiest = 0;
  readonly #answers: Map<string, Answer>;
  readonly #close: () => Promise<void>;

  private constructor(url: string, answers: Map<string, Answer>, close: () => Promise<void>) {
    this.url = url;
    this.#answers = answers;
    this.#close = close;
  }

  static async start(): Promise<LoopbackRegistry> {
    const answers = new Map<string, Answer>();
    let open = 0;
    const server = createServer((request, response) => {
      const path = decodeURIComponent(request.url ?? '');
      registry.requests.push({ path, authorization: request.headers.authorization });
      open += 1;
      registry.busiest = Math.max(registry.busiest, open);
      response.on('close', () => {
        open -= 1;
      });
      const answer = answers.get(path);
      if (answer === undefined) response.writeHead(404).end('{"error":"not found"}');
      else answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const registry = new LoopbackRegistry(url, answers, async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    return registry;
  }

  /** Answers `path` by `answer`, or with the JSON value given. */
  on(path: string, answer: Answer | object | string): void {
    const send: Answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(typeof answer === 'string' ? answer : JSON.stringify(answer));
    };
    this.#answers.set(path, typeof answer === 'function' ? (answer as Answer) : send);
  }

  attestations(name: string, version: string, answer: Answer | object | string): void {
    this.on(`/-/npm/v1/attestations/${name}@${version}`, answer);
  }

  async close(): Promise<void> {
    await this.#close();
  }
}
