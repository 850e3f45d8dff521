import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';

/** What reading one address over and over came to. */
export interface Reads {
  readonly requests: number;
  readonly perSecond: number;
  /** Processor time of the server, microseconds; NaN where the system does not tell. */
  readonly cpu: number;
}

/**
 * Reads an address of this machine as fast as it answers, by sockets alone: the reader costs little beside the server, with which it
 * shares the machine.
 *
 * @param pid the server's process
 * @throws when an answer has another status than 200
 */
export async function readFor(
  seconds: number,
  url: URL,
  options: { readonly connections: number; readonly pid: number; readonly accept?: string },
): Promise<Reads> {
  const request = Buffer.from(
    `GET ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\nAccept: ${options.accept ?? '*/*'}\r\n\r\n`,
  );
  const before = cpuTime(options.pid);
  const start = performance.now();
  const end = start + seconds * 1000;
  const counts = await Promise.all(
    Array.from({ length: options.connections }, async () => {
      const socket = connect(Number(url.port), url.hostname).setNoDelay(true);
      await once(socket, 'connect');
      let count = 0;
      while (performance.now() < end) {
        socket.write(request);
        await answerOf(socket);
        count += 1;
      }
      socket.destroy();
      return count;
    }),
  );
  const requests = counts.reduce((sum, count) => sum + count, 0);
  const cpu = (cpuTime(options.pid) - before) * 1e6;
  return { requests, perSecond: (requests * 1000) / (performance.now() - start), cpu };
}

/**
 * Reads an address of several servers in turn, one answer after the other, so that whatever else the machine does falls on all alike.
 *
 * @returns for each server its times in milliseconds, ascending
 */
export async function readInTurn(turns: number, urls: readonly URL[], accept = '*/*'): Promise<readonly number[][]> {
  const readers = await Promise.all(
    urls.map(async (url) => {
      const socket = connect(Number(url.port), url.hostname).setNoDelay(true);
      await once(socket, 'connect');
      const request = `GET ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\nAccept: ${accept}\r\n\r\n`;
      return { socket, request, times: [] as number[] };
    }),
  );
  for (let turn = 0; turn < turns; turn += 1) {
    // Whoever comes first in a turn comes last in the next.
    for (const { socket, request, times } of turn % 2 === 0 ? readers : readers.toReversed()) {
      const start = performance.now();
      socket.write(request);
      await answerOf(socket);
      times.push(performance.now() - start);
    }
  }
  for (const { socket } of readers) socket.destroy();
  return readers.map(({ times }) => times.sort((a, b) => a - b));
}

/** Resolves when an answer has been read to its end, by its length or its last chunk. */
function answerOf(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    let head: Buffer = Buffer.alloc(0);
    let missing: number | undefined;
    let tail = '';
    const done = (error?: Error) => {
      socket.off('data', take).off('error', done).off('close', closed);
      if (error) reject(error);
      else resolve();
    };
    const closed = () => done(new Error('the server hung up'));
    const body = (chunk: Buffer) => {
      if (missing === undefined) {
        tail = (tail + chunk.subarray(-7).toString('latin1')).slice(-7);
        if (tail.endsWith('\r\n0\r\n\r\n') || tail === '0\r\n\r\n') done();
        return;
      }
      missing -= chunk.length;
      if (missing <= 0) done();
    };
    const take = (chunk: Buffer) => {
      if (head.length > 0 && head.includes('\r\n\r\n')) {
        body(chunk);
        return;
      }
      head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
      const at = head.indexOf('\r\n\r\n');
      if (at < 0) return;
      const text = head.toString('latin1', 0, at);
      if (!text.startsWith('HTTP/1.1 200')) {
        done(new Error(head.toString('utf8').slice(0, 500)));
        return;
      }
      const [, length] = /\r\ncontent-length: *(\d+)/i.exec(text) ?? [];
      if (length !== undefined) missing = Number(length);
      const rest = head.subarray(at + 4);
      head = head.subarray(0, at + 4);
      body(rest);
    };
    socket.on('data', take).on('error', done).on('close', closed);
  });
}

/** Processor time that a process has used, all threads, seconds (proc(5)); NaN where the system does not tell. */
export function cpuTime(pid: number): number {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const nanoseconds = threads.map((id) =>
      Number(readFileSync(`/proc/${pid}/task/${id}/schedstat`, 'latin1').split(' ')[0]),
    );
    return nanoseconds.reduce((sum, one) => sum + one, 0) / 1e9;
  } catch {
    return Number.NaN;
  }
}
