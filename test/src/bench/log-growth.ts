import { type ChildProcess, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodeRekorBody, toBase64, toHex, utf8 } from '@signet/primitives/formats';
import { generateSigner } from '@signet/primitives/keys';
import { type BatchLimits, openTransparencyLog, type TransparencyLog } from '@signet/services/log';
import { benchSigner } from './log-key.ts';
import { closedLoad, rawPost } from './log-load.ts';

const batch = 256;
const piece = 8192;
const measured = 200;

// Beyond that, building the index takes longer than anybody watches.
const maximumSearched = 2_000_000;

/**
 * What becomes of a log with years of entries: the cost of a batch, opening, memory and search. `BENCH_LOG_SIZES=100000,10000000`
 * chooses the sizes; ten million entries take some four minutes and five gigabytes of disk below the temporary folder, and are not searched.
 */
export async function benchGrowth(home: string): Promise<void> {
  const sizes = (process.env.BENCH_LOG_SIZES ?? '100000,1000000').split(',').map(Number);
  print('\ngrowth: a tree filled with small entries, then batches of 256');
  const directory = join(home, 'grown');
  const signer = await benchSigner(directory);
  let count = 0;
  const open = (limits: BatchLimits): Promise<TransparencyLog> =>
    openTransparencyLog({ directory, origin: 'bench.example/log', signer, search: false, batch: limits });
  for (const size of sizes) {
    // In large batches: what is measured is what comes after.
    const large = await open({ maximumEntries: piece, maximumBytes: 256 << 20, maximumWaiting: 2 * piece });
    const [started, cpu, first] = [performance.now(), process.cpuUsage(), count];
    const append = async (log: TransparencyLog, entries: number): Promise<void> => {
      await Promise.all(Array.from({ length: entries }, () => log.append(smallEntry(count++))));
    };
    while (count < size) await append(large, Math.min(piece, size - count));
    await large.close();
    const { user, system } = process.cpuUsage(cpu);
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    print(
      `  ${(count - first).toLocaleString('en')} entries filled in ${seconds} s (${((user + system) / 1e6).toFixed(0)} s of CPU)`,
    );
    const log = await open({});
    const fill = (entries: number): Promise<void> => append(log, entries);
    const batches: number[] = [];
    log.watchBatches(({ sequence }) => batches.push(sequence));
    for (let i = 0; i < measured; i++) await fill(batch);
    const times = batches.sort((a, b) => a - b);
    const [p50, p90] = [0.5, 0.9].map((share) => ((times[Math.floor(times.length * share)] ?? 0) * 1000).toFixed(0));
    print(
      `  ${size.toLocaleString('en')} entries: a batch takes ${p50} us to sequence (p90 ${p90}), beside signing and sync`,
    );
    await log.close();
  }
  await benchOpened(directory, count);
}

/** A server over the grown log, in a process of its own: how long it takes to open, what it holds, how fast it finds. */
async function benchOpened(directory: string, count: number): Promise<void> {
  const program = fileURLToPath(new URL('log-server.ts', import.meta.url));
  const server = fork(program, [directory], { execArgv: ['--conditions=@signet/source'] });
  const { url, openMilliseconds } = await message<{ url: string; openMilliseconds: number }>(server);
  try {
    print(`  opens in ${(openMilliseconds / 1000).toFixed(2)} s with ${count.toLocaleString('en')} entries`);
    if (count <= maximumSearched) await benchSearch(url, count);
    server.send('report');
    const { rss } = await message<{ rss: number }>(server);
    print(`  RSS ${Math.round(rss / 2 ** 20)} MiB${count <= maximumSearched ? ', all of it indexed' : ''}`);
  } finally {
    server.send('stop');
    await once(server, 'exit');
  }
}

async function benchSearch(url: string, count: number): Promise<void> {
  const started = performance.now();
  await search(url, 0);
  print(`  first search, with all of the index to build: ${((performance.now() - started) / 1000).toFixed(1)} s`);
  const step = Math.max(1, Math.floor(count / 20_000));
  const queries = Array.from({ length: 20_000 }, (_, i) =>
    rawPost('/api/v2/index/retrieve', Buffer.from(JSON.stringify(queryOf((i * step) % count)))),
  );
  const result = await closedLoad(url, queries, 32);
  print(
    `  search by digest, 32 connections: ${Math.round(queries.length / result.seconds)}/s, ${result.errors.join(', ') || 'no errors'}`,
  );
}

async function search(url: string, entry: number): Promise<void> {
  const body = JSON.stringify(queryOf(entry));
  const answer = await fetch(`${url}/api/v2/index/retrieve`, { method: 'POST', body });
  const { entries } = (await answer.json()) as { entries: unknown[] };
  if (entries.length !== 1) throw new Error(`found ${entries.length} entries instead of one`);
}

function queryOf(entry: number): object {
  return { hash: `sha256:${toHex(digestOf(entry))}` };
}

function digestOf(entry: number): Uint8Array {
  return createHash('sha256').update(String(entry)).digest();
}

const key = generateSigner().publicKey.spki;
const signature = new Uint8Array(71).fill(1);

/** An entry around its digest, which is all that tells one from another. */
const [head = '', tail = ''] = Buffer.from(
  encodeRekorBody({
    kind: 'hashedrekord',
    version: '0.0.2',
    digest: { algorithm: 'sha256', value: new Uint8Array(32) },
    signature: { signature, verifier: { kind: 'publicKey', bytes: key, keyDetails: 'PKIX_ECDSA_P256_SHA_256' } },
  }),
)
  .toString()
  .split(toBase64(new Uint8Array(32)));

/** Nobody checks signatures of what is appended here. */
function smallEntry(number: number): Uint8Array {
  return utf8(`${head}${toBase64(digestOf(number))}${tail}`);
}

async function message<Message>(server: ChildProcess): Promise<Message> {
  const [value] = await once(server, 'message');
  return value as Message;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
