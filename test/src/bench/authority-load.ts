import { connect, type Socket } from 'node:net';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

/** Requests to send to one URL of this machine, from another thread, over kept-alive connections. */
export interface HttpLoad {
  readonly url: string;
  readonly contentType: string;
  /** Sent in turn. */
  readonly bodies: readonly Uint8Array[];
  readonly connections: number;
  readonly seconds: number;
  /** Requests per second in all, evenly spread; absent: as many as the connections allow. */
  readonly rate?: number;
}

export interface HttpLoadResult {
  readonly perSecond: number;
  /** Answers that were not 200. */
  readonly failures: number;
  /** Milliseconds from when a request was due until its whole answer was there. */
  readonly p50: number;
  readonly p99: number;
  /** Processor time of the load generator's thread for each request, microseconds. */
  readonly cost: number;
}

/** Sends the load and measures it. The time before a request is sent counts: a server that stalls cannot hide it. */
export function sendLoad(load: HttpLoad): Promise<HttpLoadResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: load });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

/**
 * One connection, and at most one request on it at a time. Node's own client costs more than what is measured; this one reads
 * the status and the length of an answer, and no more.
 */
class Connection {
  readonly #socket: Socket;
  readonly #onAnswer: (ok: boolean) => void;
  #head = '';
  #missing = 0;
  #ok = false;

  constructor(socket: Socket, onAnswer: (connection: Connection, ok: boolean) => void) {
    this.#socket = socket.setNoDelay(true);
    this.#onAnswer = (ok) => onAnswer(this, ok);
    socket.on('data', (chunk) => this.#read(chunk));
  }

  send(request: Uint8Array): void {
    this.#socket.write(request);
  }

  end(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    let body = chunk.length;
    if (this.#missing === 0) {
      this.#head += chunk.toString('latin1');
      const end = this.#head.indexOf('\r\n\r\n');
      if (end === -1) return;
      const length = /\r\ncontent-length: (\d+)/i.exec(this.#head)?.[1];
      if (length === undefined) throw new Error(`an answer without a length: ${this.#head.slice(0, end)}`);
      this.#ok = this.#head.startsWith('HTTP/1.1 200 ');
      body = this.#head.length - end - 4;
      this.#missing = Number(length);
      this.#head = '';
    }
    this.#missing -= body;
    if (this.#missing < 0) throw new Error('an answer that nobody asked for');
    if (this.#missing === 0) this.#onAnswer(this.#ok);
  }
}

function open(url: URL): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(url.port), url.hostname, () => resolve(socket));
    socket.on('error', reject);
  });
}

async function run(load: HttpLoad): Promise<HttpLoadResult> {
  const url = new URL(load.url);
  const requests = load.bodies.map((body) => {
    const head = `POST ${url.pathname} HTTP/1.1\r\nhost: ${url.host}\r\ncontent-type: ${load.contentType}\r\ncontent-length: ${body.length}\r\n\r\n`;
    return Buffer.concat([Buffer.from(head), body]);
  });
  const latencies: number[] = [];
  const dueTimes = new Map<Connection, number>();
  const idle: Connection[] = [];
  const waiting: number[] = [];
  let [failures, next, finishing] = [0, 0, false];
  const { promise: finished, resolve: finish } = Promise.withResolvers<void>();
  const send = (connection: Connection, due: number) => {
    dueTimes.set(connection, due);
    connection.send(requests[next++ % requests.length] ?? Buffer.alloc(0));
  };
  const take = (connection: Connection) => {
    const due = load.rate === undefined && !finishing ? performance.now() : waiting.shift();
    if (due !== undefined) return send(connection, due);
    idle.push(connection);
    if (finishing && idle.length === load.connections) finish();
  };
  const answered = (connection: Connection, ok: boolean) => {
    if (!ok) failures++;
    latencies.push(performance.now() - (dueTimes.get(connection) ?? 0));
    take(connection);
  };
  const sockets = await Promise.all(Array.from({ length: load.connections }, () => open(url)));
  const start = performance.now();
  const end = start + load.seconds * 1000;
  const usage = process.threadCpuUsage();
  const connections = sockets.map((socket) => new Connection(socket, answered));
  for (const connection of connections) take(connection);
  if (load.rate === undefined) await new Promise((resolve) => setTimeout(resolve, load.seconds * 1000));
  else {
    const interval = 1000 / load.rate;
    for (let due = start; due < end; due += interval) {
      const wait = due - performance.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      const connection = idle.shift();
      if (connection === undefined) waiting.push(due);
      else send(connection, due);
    }
  }
  finishing = true;
  if (idle.length < load.connections) await finished;
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.threadCpuUsage(usage);
  for (const connection of connections) connection.end();
  latencies.sort((a, b) => a - b);
  const at = (part: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * part))] ?? 0;
  return {
    perSecond: latencies.length / seconds,
    failures,
    p50: at(0.5),
    p99: at(0.99),
    cost: (user + system) / Math.max(1, latencies.length),
  };
}

if (!isMainThread) parentPort?.postMessage(await run(workerData as HttpLoad));
