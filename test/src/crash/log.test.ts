import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createKeyFile } from '@signet/primitives/keys';
import { checkLog } from '@signet/services/log';
import { Promises, rekorV1, rekorV2 } from './promises.ts';
import { tearFiles } from './torn-files.ts';

const rounds = Number(process.env.SIGNET_CRASH_ROUNDS ?? 20);
const program = fileURLToPath(new URL('log-server.ts', import.meta.url));
const clientsOfEach = 12;

describe('a log server that is killed under load', () => {
  let home: string;
  let keys: string;
  let directory: string;
  let journalFile: string;
  let server: ChildProcess | undefined;
  const logs = [new Promises(rekorV2), new Promises(rekorV1)];

  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'signet-crash-'));
    directory = join(home, 'logs');
    keys = join(home, 'keys');
    journalFile = join(home, 'journal');
    await mkdir(keys);
    await createKeyFile(join(keys, 'v2.key'), 'PKIX_ED25519');
    await createKeyFile(join(keys, 'v1.key'), 'PKIX_ECDSA_P256_SHA_256');
  });

  after(async () => {
    server?.kill('SIGKILL');
    await rm(home, { recursive: true, force: true });
  });

  async function start(): Promise<string> {
    server = spawn(process.execPath, ['--conditions=@signet/source', program, directory, keys, journalFile], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    assert.ok(server.stdout !== null);
    const { value, done } = await createInterface({ input: server.stdout })[Symbol.asyncIterator]().next();
    assert.ok(done !== true, 'the server did not start');
    return value;
  }

  async function kill(): Promise<void> {
    assert.ok(server !== undefined);
    const exited = once(server, 'exit');
    server.kill('SIGKILL');
    await exited;
  }

  async function load(url: string, log: Promises, stopped: { now: boolean }): Promise<void> {
    while (!stopped.now) {
      try {
        await log.submit(url, await log.api.next());
      } catch (error) {
        // The server is dead or dying: what it did not answer, nobody was promised.
        if (error instanceof TypeError || (error as { code?: string }).code === 'ECONNRESET') return;
        throw error;
      }
    }
  }

  /** Resolves when each log has answered for another entry, or that takes too long. */
  async function answered(): Promise<void> {
    const before = logs.map(({ acknowledged }) => acknowledged.size);
    const isSilent = () => logs.some(({ acknowledged }, i) => acknowledged.size === before[i]);
    for (let waited = 0; waited < 1000 && isSilent(); waited++) await sleep(5);
  }

  it(`keeps every promise over ${rounds} kills, with torn files`, async function () {
    this.timeout(rounds * 15_000);
    for (let round = 0; round < rounds; round++) {
      const url = await start();
      const stopped = { now: false };
      const clients = logs.flatMap((log) => Array.from({ length: clientsOfEach }, () => load(url, log, stopped)));
      // At any moment, as soon as it listens; and every other time once it has begun to answer, however slow the machine is.
      if (round % 2 === 1) await answered();
      await sleep(randomInt(30, 400));
      await kill();
      stopped.now = true;
      await Promise.all(clients);
      await tearFiles(directory, journalFile);

      const again = await start();
      for (const log of logs) await log.check(again, round);
      await kill();
    }
    for (const { acknowledged, api } of logs) {
      assert.ok(acknowledged.size > rounds, `${api.name}: only ${acknowledged.size} entries were acknowledged`);
      const { damage, treeSize } = checkLog(join(directory, api.name));
      assert.deepEqual(damage, []);
      assert.ok(treeSize >= acknowledged.size);
    }
    const counts = logs.map(({ acknowledged, api }) => `${api.name} ${acknowledged.size}`);
    process.stdout.write(`      entries acknowledged: ${counts.join(', ')}\n`);
  });
});
