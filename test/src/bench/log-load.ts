import { connect, type Socket } from 'node:net';

/** What came of a load. */
export interface LoadResult {
  readonly seconds: number;
  /** Requests that were not answered as they should be, by reason; empty when all were. */
  readonly errors: readonly string[];
  /** Milliseconds, ascending. */
  readonly latencies: Float64Array;
}

const headersEnd = Buffer.from('\r\n\r\n');

/** One keep-alive connection that sends ready-made requests: less work per request than any HTTP client does. */
class Connection {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #answer: ((status: number) => void) | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (data) => this.#read(data));
  }

  send(request: Uint8Array): Promise<number> {
    return new Promise((resolve) => {
      this.#answer = resolve;
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(data: Buffer): void {
    this.#received = this.#received.length === 0 ? data : Buffer.concat([this.#received, data]);
    const end = this.#received.indexOf(headersEnd);
    if (end < 0) return;
    const head = this.#received.toString('latin1', 0, end);
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
    if (this.#received.length < end + 4 + length) return;
    this.#received = Buffer.alloc(0);
    this.#answer?.(Number(head.slice(9, 12)));
  }
}

/** A whole HTTP request, ready to be written. */
export function rawPost(path: string, body: Uint8Array): Buffer {
  const head = `POST ${path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

export function rawGet(path: string): Buffer {
  return Buffer.from(`GET ${path} HTTP/1.1\r\nhost: bench\r\n\r\n`);
}

/** Sends every request once, over so many connections, each with one request at a time. */
export async function closedLoad(
  url: string,
  requests: readonly Uint8Array[],
  connections: number,
): Promise<LoadResult> {
  const open = await openConnections(url, connections);
  const latencies = new Float64Array(requests.length);
  let next = 0;
  const errors = new Errors();
  const started = performance.now();
  await Promise.all(
    open.map(async (connection) => {
      for (let i = next++; i < requests.length; i = next++) {
        const sent = performance.now();
        const status = await connection.send(requests[i] ?? new Uint8Array());
        latencies[i] = performance.now() - sent;
        errors.countStatus(status);
      }
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  for (const connection of open) connection.close();
  return { seconds, errors: errors.list, latencies: latencies.sort() };
}

/**
 * Sends requests at random moments, on average `rate` a second, whether or not earlier ones were answered. Between them it sleeps,
 * to the millisecond: a loop that watched the clock would take one of the processors from the server, and measure itself. What that
 * makes late counts as latency.
 */
export async function openLoad(url: string, requests: readonly Uint8Array[], rate: number): Promise<LoadResult> {
  const idle = await openConnections(url, openConnectionsAtOnce);
  const all = [...idle];
  const latencies: number[] = [];
  const errors = new Errors();
  let due = performance.now();
  const started = due;
  const answers: Promise<void>[] = [];
  for (const request of requests) {
    due += (-Math.log(1 - Math.random()) * 1000) / rate;
    const early = due - performance.now();
    if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
    const moment = due;
    const connection = idle.pop();
    if (connection === undefined) {
      // Not the server's answer: it is so far behind that nobody would wait.
      errors.add(`not sent, ${openConnectionsAtOnce} under way`);
      continue;
    }
    answers.push(
      connection.send(request).then((status) => {
        latencies.push(performance.now() - moment);
        errors.countStatus(status);
        idle.push(connection);
      }),
    );
  }
  await Promise.all(answers);
  const seconds = (performance.now() - started) / 1000;
  for (const connection of all) connection.close();
  return { seconds, errors: errors.list, latencies: Float64Array.from(latencies).sort() };
}

// Half a second of requests at the rate that is measured.
const openConnectionsAtOnce = 1024;

/** What went wrong, by reason. */
class Errors {
  readonly #counts = new Map<string, number>();

  countStatus(status: number): void {
    if (status >= 300) this.add(`status ${status}`);
  }

  add(reason: string): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
  }

  get list(): string[] {
    return [...this.#counts].map(([reason, count]) => `${count} errors (${reason})`);
  }
}

/** The latency that a share of the answers stayed below. */
export function percentile({ latencies }: LoadResult, share: number): number {
  return latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? Number.NaN;
}

function openConnections(url: string, count: number): Promise<Connection[]> {
  const { hostname, port } = new URL(url);
  return Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<Connection>((resolve, reject) => {
          const socket = connect(Number(port), hostname, () => resolve(new Connection(socket)));
          socket.on('error', reject);
        }),
    ),
  );
}
