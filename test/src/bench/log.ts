import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generateSigner } from '@signet/primitives/keys';
import { openTransparencyLog } from '@signet/services/log';
import { makeRequests } from './log-entries.ts';
import { closedLoad, type LoadResult, openLoad, percentile, rawGet, rawPost } from './log-load.ts';

const requestCount = 30_000;

/**
 * The log under load: real entries (hashedrekord with certificate, signature verified), durable, answered with inclusion
 * proof and checkpoint. The load generator shares the machine, so throughput is a lower bound.
 */
export async function bench(): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'signet-bench-log-'));
  try {
    print(
      `${availableParallelism()} processors, Node ${process.version}; entries from ${requestCount} signed requests`,
    );
    await benchEngine(join(home, 'engine'));
    await benchServer(join(home, 'server'));
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

/** Sequencer, tree and disk alone. */
async function benchEngine(directory: string): Promise<void> {
  print('\nengine: entries of 2,400 bytes, no HTTP, no signature checks');
  const signer = generateSigner('PKIX_ED25519');
  const log = await openTransparencyLog({ directory, origin: 'bench.example', signer, search: false });
  for (const waiting of [1, 16, 256, 1024]) {
    const count = waiting === 1 ? 1000 : 40_000;
    const latencies = new Float64Array(count);
    let next = 0;
    const cpu = process.cpuUsage();
    const started = performance.now();
    await Promise.all(
      Array.from({ length: waiting }, async () => {
        for (let i = next++; i < count; i = next++) {
          const entry = Buffer.alloc(2400, i);
          entry.writeDoubleBE(waiting * 1e6 + i);
          const sent = performance.now();
          await log.append(entry);
          latencies[i] = performance.now() - sent;
        }
      }),
    );
    const seconds = (performance.now() - started) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    const each = ((user + system) / count).toFixed(0);
    report(
      `${waiting} at a time`,
      count,
      { seconds, errors: 0, latencies: latencies.sort() },
      `${each} us CPU an entry`,
    );
  }
  await log.close();
}

async function benchServer(directory: string): Promise<void> {
  const requests = makeRequests(requestCount).map((body) => rawPost('/api/v2/log/entries', body));
  const program = fileURLToPath(new URL('log-server.ts', import.meta.url));
  const server = fork(program, [directory], { execArgv: ['--conditions=@signet/source'] });
  const { url } = await message<{ url: string }>(server);
  try {
    print('\nserver: POST /api/v2/log/entries, verified, durable, with proof and checkpoint');
    let from = 0;
    const take = (count: number): Buffer[] => {
      from += count;
      return requests.slice(from - count, from);
    };
    await closedLoad(url, take(2000), 64);
    report('one at a time', 500, await closedLoad(url, take(500), 1));
    for (const connections of [64, 512]) {
      const count = 9000;
      server.send('mark');
      const result = await closedLoad(url, take(count), connections);
      server.send('report');
      const { microseconds, entries, rss } = await message<{ microseconds: number; entries: number; rss: number }>(
        server,
      );
      const resources = `${(microseconds / entries).toFixed(0)} us CPU of the server an entry, RSS ${Math.round(rss / 2 ** 20)} MiB`;
      report(`${connections} connections`, count, result, resources);
    }
    report('2,000 a second', 8000, await openLoad(url, take(8000), 2000));
    print('\nreads');
    const tile = rawGet('/tile/0/000');
    report('full tile, 64 connections', 40_000, await closedLoad(url, Array(40_000).fill(tile), 64));
    const checkpoint = rawGet('/checkpoint');
    report('checkpoint, 64 connections', 40_000, await closedLoad(url, Array(40_000).fill(checkpoint), 64));
  } finally {
    server.send('stop');
    await once(server, 'exit');
  }
}

function report(what: string, count: number, result: LoadResult, more = ''): void {
  const rate = `${Math.round(count / result.seconds)}/s`.padStart(9);
  const [p50, p99] = [0.5, 0.99].map((share) => percentile(result, share).toFixed(2).padStart(8));
  const errors = result.errors === 0 ? '' : `  ${result.errors} errors`;
  print(`  ${what.padEnd(28)}${rate}   p50 ${p50} ms   p99 ${p99} ms   ${more}${errors}`);
}

async function message<Message>(server: ChildProcess): Promise<Message> {
  const [value] = await once(server, 'message');
  return value as Message;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
