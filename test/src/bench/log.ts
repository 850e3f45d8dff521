import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generateSigner } from '@signet/primitives/keys';
import { openTransparencyLog } from '@signet/services/log';
import { makeRequests } from './log-entries.ts';
import { benchGrowth } from './log-growth.ts';
import { closedLoad, type LoadResult, openLoad, percentile, rawGet, rawPost } from './log-load.ts';
import { hasWrk, wrk } from './log-wrk.ts';

const requestCount = 30_000;

/**
 * The log under load: real entries (hashedrekord with certificate, signature verified), durable, answered with inclusion
 * proof and checkpoint. The load generator shares the machine, so throughput is a lower bound. `npm run bench -- log v2` does one
 * part: engine, v2, v1 or growth.
 */
export async function bench(): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'signet-bench-log-'));
  try {
    print(
      `${availableParallelism()} processors, Node ${process.version}; entries from ${requestCount} signed requests`,
    );
    print(
      `load of the machine before: ${loadavg()
        .map((load) => load.toFixed(2))
        .join(' ')}`,
    );
    const [only] = process.argv.slice(3);
    const parts = {
      engine: () => benchEngine(join(home, 'engine')),
      v2: () => benchServer(join(home, 'server')),
      v1: () => benchServer(join(home, 'server-v1'), 'v1'),
      growth: () => benchGrowth(home),
    };
    for (const [name, part] of Object.entries(parts)) if (only === undefined || only === name) await part();
    print(
      `\nload of the machine after: ${loadavg()
        .map((load) => load.toFixed(2))
        .join(' ')}`,
    );
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
      { seconds, errors: [], latencies: latencies.sort() },
      `${each} us CPU an entry`,
    );
  }
  await log.close();
}

async function benchServer(directory: string, api: 'v1' | 'v2' = 'v2'): Promise<void> {
  const requests = makeRequests(requestCount, api).map((body) => rawPost(`/api/${api}/log/entries`, body));
  const program = fileURLToPath(new URL('log-server.ts', import.meta.url));
  const server = fork(program, [directory, api], { execArgv: ['--conditions=@signet/source'] });
  const { url } = await message<{ url: string }>(server);
  try {
    const promise = api === 'v1' ? ', promise (SET)' : '';
    print(`\nserver: POST /api/${api}/log/entries, verified, durable, with proof${promise} and checkpoint`);
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
      const before = await stageTimes(url);
      const result = await closedLoad(url, take(count), connections);
      server.send('report');
      const { microseconds, entries, rss } = await message<{ microseconds: number; entries: number; rss: number }>(
        server,
      );
      const resources = `${(microseconds / entries).toFixed(0)} us CPU of the server an entry, RSS ${Math.round(rss / 2 ** 20)} MiB`;
      report(`${connections} connections`, count, result, resources);
      printStages(before, await stageTimes(url), count, microseconds / entries);
    }
    if (await hasWrk()) await benchWrk(server, url, api);
    report('2,000 a second', 8000, await openLoad(url, take(8000), 2000));
    if (api === 'v1') return;
    print('\nreads');
    const tile = rawGet('/tile/0/000');
    report('full tile, 64 connections', 40_000, await closedLoad(url, Array(40_000).fill(tile), 64));
    if (await hasWrk()) {
      const { requests: count, seconds, errors } = await wrk(url, '/tile/0/000', [], { connections: 64, seconds: 4 });
      print(`  ${'full tile, wrk'.padEnd(28)}${`${Math.round(count / seconds)}/s`.padStart(9)}   ${errors} errors`);
    }
    const checkpoint = rawGet('/checkpoint');
    report('checkpoint, 64 connections', 40_000, await closedLoad(url, Array(40_000).fill(checkpoint), 64));
  } finally {
    server.send('stop');
    await once(server, 'exit');
  }
}

/** The same by wrk, which needs less of the processors that it shares with the server. */
async function benchWrk(server: ChildProcess, url: string, api: 'v1' | 'v2'): Promise<void> {
  const seconds = 5;
  const bodies = makeRequests(40_000, api);
  server.send('mark');
  const before = await stageTimes(url);
  const result = await wrk(url, `/api/${api}/log/entries`, bodies, { connections: 512, seconds });
  server.send('report');
  const { microseconds, entries } = await message<{ microseconds: number; entries: number }>(server);
  const rate = `${Math.round(entries / result.seconds)}/s`.padStart(9);
  const each = microseconds / entries;
  print(
    `  ${'wrk, 512 connections'.padEnd(28)}${rate}   p50 ${result.p50.toFixed(2).padStart(8)} ms   p99 ${result.p99.toFixed(2).padStart(8)} ms   ${each.toFixed(0)} us CPU of the server an entry  ${result.errors} errors`,
  );
  printStages(before, await stageTimes(url), entries, each);
}

/** Seconds by stage, as the server counts them for its operator. */
async function stageTimes(url: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const found = text.matchAll(/^signet_log_stage_seconds_total\{stage="(\w+)"\} (\S+)$/gm);
  return new Map([...found].map(([, stage = '', seconds]) => [stage, Number(seconds)]));
}

/** `sync` is time of waiting, shared by a batch; what remains of the processor's time is HTTP, and threads' talk. */
function printStages(before: Map<string, number>, after: Map<string, number>, count: number, total: number): void {
  let known = 0;
  const parts = [...after].map(([stage, seconds]) => {
    const each = ((seconds - (before.get(stage) ?? 0)) * 1e6) / count;
    if (stage !== 'sync') known += each;
    return `${stage} ${each.toFixed(0)}${stage === 'sync' ? ' (waiting)' : ''}`;
  });
  print(`      us an entry: ${parts.join(', ')}, http and the rest ${(total - known).toFixed(0)}`);
}

function report(what: string, count: number, result: LoadResult, more = ''): void {
  const rate = `${Math.round(count / result.seconds)}/s`.padStart(9);
  const [p50, p99] = [0.5, 0.99].map((share) => percentile(result, share).toFixed(2).padStart(8));
  const errors = result.errors.map((error) => `  ${error}`).join('');
  print(`  ${what.padEnd(28)}${rate}   p50 ${p50} ms   p99 ${p99} ms   ${more}${errors}`);
}

async function message<Message>(server: ChildProcess): Promise<Message> {
  const [value] = await once(server, 'message');
  return value as Message;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
