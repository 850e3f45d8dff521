import { Agent, request } from 'node:http';
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
}

/** Sends the load and measures it. The time before a request is sent counts: a server that stalls cannot hide it. */
export function sendLoad(load: HttpLoad): Promise<HttpLoadResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: load });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

async function run(load: HttpLoad): Promise<HttpLoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: load.connections, scheduling: 'fifo' });
  const latencies: number[] = [];
  let failures = 0;
  let next = 0;
  const start = performance.now();
  const end = start + load.seconds * 1000;
  const send = (due: number) =>
    new Promise<void>((resolve) => {
      const body = load.bodies[next++ % load.bodies.length] ?? new Uint8Array();
      const headers = { 'content-type': load.contentType, 'content-length': body.length };
      const call = request(load.url, { method: 'POST', agent, headers }, (response) => {
        response.resume();
        response.on('end', () => {
          if (response.statusCode !== 200) failures++;
          latencies.push(performance.now() - due);
          resolve();
        });
      });
      call.on('error', () => {
        failures++;
        resolve();
      });
      call.end(body);
    });
  if (load.rate === undefined) {
    const connection = async () => {
      while (performance.now() < end) await send(performance.now());
    };
    await Promise.all(Array.from({ length: load.connections }, connection));
  } else {
    const pending: Promise<void>[] = [];
    const interval = 1000 / load.rate;
    for (let due = start; due < end; due += interval) {
      const wait = due - performance.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      pending.push(send(due));
    }
    await Promise.all(pending);
  }
  const seconds = (performance.now() - start) / 1000;
  agent.destroy();
  latencies.sort((a, b) => a - b);
  const at = (part: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * part))] ?? 0;
  return { perSecond: latencies.length / seconds, failures, p50: at(0.5), p99: at(0.99) };
}

if (!isMainThread) parentPort?.postMessage(await run(workerData as HttpLoad));
