import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { equalBytes, hashLeaf, SignetError, utf8, verifyInclusion } from '@signet/primitives/formats';
import { generateSigner, type Signer, signerFromPrivateKey } from '@signet/primitives/keys';
import { openTransparencyLog, type TransparencyLog } from '@signet/services/log';
import fc from 'fast-check';

const origin = 'log.example/-/signet/log';
const derivedFiles = ['derived.json', 'L0.dat', 'L1.dat', 'entries.idx'];

function code(expected: string): (error: unknown) => boolean {
  return (error) => error instanceof SignetError && error.code === expected;
}

describe('a log after a crash', () => {
  let home: string;
  let directory: string;
  let privateKey: KeyObject;
  let signer: Signer;

  const open = (at = directory): Promise<TransparencyLog> =>
    openTransparencyLog({ directory: at, origin, signer, search: false });
  const file = (name: string): string => join(directory, name);

  /** Appends entries in as many batches, and closes. */
  async function fill(from: number, to: number): Promise<void> {
    const log = await open();
    for (let i = from; i < to; i++) await log.append(utf8(`entry ${i}`));
    await log.close();
  }

  /** Opens and checks that entries `0` to `size` are there with their proofs. */
  async function check(size: number, at = directory): Promise<void> {
    const log = await open(at);
    assert.equal(log.size, BigInt(size));
    for (let i = 0; i < size; i++) {
      const again = await log.append(utf8(`entry ${i}`));
      assert.equal(again.index, BigInt(i));
      assert.ok(again.duplicate);
      verifyInclusion({ ...again, leafHash: hashLeaf(utf8(`entry ${i}`)) });
    }
    await log.close();
  }

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'signet-recovery-'));
    directory = join(home, 'log');
    privateKey = generateKeyPairSync('ed25519').privateKey;
    signer = signerFromPrivateKey(privateKey);
    await writeFile(join(home, 'key.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  });

  afterEach(async () => {
    await rm(home, { recursive: true, force: true });
  });

  it('cuts off what a torn batch left behind', async () => {
    await fill(0, 5);
    const [entries, commits] = await Promise.all(['entries.dat', 'commit.log'].map((name) => readFile(file(name))));
    assert.ok(entries !== undefined && commits !== undefined);
    for (const [tornEntries, tornCommits] of [
      [Uint8Array.of(0, 9, 1, 2), new Uint8Array()],
      [new Uint8Array(), commits.subarray(0, 67)],
      [Uint8Array.of(0, 1, 1), new Uint8Array(68)],
      [new Uint8Array(), commits.subarray(0, 68)],
      [new Uint8Array(5000).fill(255), new Uint8Array(20).fill(255)],
    ] as const) {
      await writeFile(file('entries.dat'), Buffer.concat([entries, tornEntries]));
      await writeFile(file('commit.log'), Buffer.concat([commits, tornCommits]));
      await check(5);
      assert.deepEqual(await readFile(file('entries.dat')), entries);
      assert.deepEqual(await readFile(file('commit.log')), commits);
    }
  });

  it('has all that was acknowledged, however the files of the batch in flight were torn', async function () {
    this.timeout(120_000);
    const acknowledged = 300;
    await fill(0, acknowledged);
    const before = join(home, 'before');
    await cp(directory, before, { recursive: true });
    const log = await open();
    await Promise.all(Array.from({ length: 40 }, (_, i) => log.append(utf8(`entry ${acknowledged + i}`))));
    await log.close();
    const names = ['entries.dat', 'commit.log', ...derivedFiles];
    const olds = new Map(
      await Promise.all(names.map(async (name) => [name, await readFile(join(before, name))] as const)),
    );
    const news = new Map(await Promise.all(names.map(async (name) => [name, await readFile(file(name))] as const)));

    const tear = fc.record({
      written: fc.double({ min: 0, max: 1, noNaN: true }),
      garbled: fc.option(fc.nat(), { freq: 3 }),
    });
    const derivedState = fc.constantFrom('old', 'new', 'missing', 'short');
    await fc.assert(
      fc.asyncProperty(
        tear,
        tear,
        fc.array(derivedState, { minLength: 4, maxLength: 4 }),
        async (entries, commits, derived) => {
          const at = join(home, 'torn');
          await rm(at, { recursive: true, force: true });
          await cp(before, at, { recursive: true });
          for (const [name, { written, garbled }] of [
            ['entries.dat', entries],
            ['commit.log', commits],
          ] as const) {
            const old = olds.get(name) ?? Buffer.alloc(0);
            const added = Buffer.from((news.get(name) ?? Buffer.alloc(0)).subarray(old.length));
            const part = added.subarray(0, Math.round(added.length * written));
            if (garbled !== null && part.length > 0)
              part[garbled % part.length] = (part[garbled % part.length] ?? 0) ^ 0x55;
            await writeFile(join(at, name), Buffer.concat([old, part]));
          }
          for (const [i, name] of derivedFiles.entries()) {
            const state = derived[i];
            const content = state === 'new' ? news.get(name) : olds.get(name);
            // A checkpoint of derived files is written after them, so it is never newer than what it speaks of.
            if (name === 'derived.json' && state === 'new') continue;
            if (state === 'missing') await rm(join(at, name), { force: true });
            else
              await writeFile(
                join(at, name),
                (content ?? Buffer.alloc(0)).subarray(0, state === 'short' ? 40 : undefined),
              );
          }
          const recovered = await open(at);
          assert.ok(
            [BigInt(acknowledged), BigInt(acknowledged + 40)].includes(recovered.size),
            `size ${recovered.size}`,
          );
          const expected = recovered.size === BigInt(acknowledged) ? olds : news;
          for (const name of ['L0.dat', 'L1.dat', 'entries.idx', 'entries.dat']) {
            assert.ok(equalBytes(await readFile(join(at, name)), expected.get(name) ?? Buffer.alloc(0)), name);
          }
          for (const i of [0, 17, 255, 256, acknowledged - 1]) {
            const again = await recovered.append(utf8(`entry ${i}`));
            assert.ok(again.duplicate);
            assert.equal(again.index, BigInt(i));
          }
          const next = await recovered.append(utf8('another'));
          verifyInclusion({ ...next, leafHash: hashLeaf(utf8('another')) });
          await recovered.close();
        },
      ),
      { numRuns: 40 },
    );
  });

  it('derives again whatever derived file is missing or damaged', async () => {
    await fill(0, 300);
    for (const name of derivedFiles) {
      const content = await readFile(file(name));
      await rm(file(name));
      await check(300);
      assert.deepEqual(await readFile(file(name)), content);
      await writeFile(file(name), content.subarray(0, content.length - 3));
      await check(300);
    }
    for (const text of [
      '',
      'null',
      '{"format":2}',
      '{"format":1,"treeSize":-1}',
      '{"format":1,"treeSize":299,"commitOffset":7}',
    ]) {
      await writeFile(file('derived.json'), text);
      await check(300);
    }
    const hashes = await readFile(file('L0.dat'));
    hashes[299 * 32] = (hashes[299 * 32] ?? 0) ^ 1;
    await writeFile(file('L0.dat'), hashes);
    await check(300);
  });

  it('refuses to start when acknowledged entries are damaged', async () => {
    await fill(0, 10);
    await rm(file('derived.json'));
    for (const [name, position] of [
      ['entries.dat', 4],
      ['commit.log', 70],
    ] as const) {
      const content = await readFile(file(name));
      content[position] = (content[position] ?? 0) ^ 1;
      await writeFile(file(name), content);
      await assert.rejects(open(), code('ERR_LOG_CORRUPT'));
      content[position] = (content[position] ?? 0) ^ 1;
      await writeFile(file(name), content);
    }
    await check(10);
  });

  it('refuses to start behind the last checkpoint that it released, and changes nothing', async () => {
    await fill(0, 10);
    const [entries, commits] = await Promise.all(['entries.dat', 'commit.log'].map((name) => readFile(file(name))));
    for (const name of ['entries.dat', 'commit.log']) {
      const { size } = await stat(file(name));
      await truncate(file(name), size - 1);
      await assert.rejects(open(), code('ERR_LOG_BEHIND'));
      assert.equal((await stat(file(name))).size, size - 1);
      await writeFile(file(name), (name === 'entries.dat' ? entries : commits) ?? '');
    }
    await check(10);
  });

  it('refuses to start with another history of the same length', async () => {
    await fill(0, 3);
    const released = await readFile(file('released.dat'));
    const other = join(home, 'other');
    const log = await open(other);
    for (let i = 0; i < 4; i++) await log.append(utf8(`other ${i}`));
    await log.close();
    await writeFile(join(other, 'released.dat'), released);
    await assert.rejects(open(other), code('ERR_LOG_BEHIND'));
  });

  it('keeps its fork guard on other storage when told to', async () => {
    const forkGuardFile = join(home, 'guard.dat');
    const opened = await openTransparencyLog({ directory, origin, signer, forkGuardFile });
    await opened.append(utf8('one'));
    await opened.close();
    const backup = join(home, 'backup');
    await cp(directory, backup, { recursive: true });
    const again = await openTransparencyLog({ directory, origin, signer, forkGuardFile });
    await again.append(utf8('two'));
    await again.close();
    await assert.rejects(
      openTransparencyLog({ directory: backup, origin, signer, forkGuardFile }),
      code('ERR_LOG_BEHIND'),
    );
  });

  it('survives a torn write of the fork guard', async () => {
    await fill(0, 3);
    const released = await readFile(file('released.dat'));
    for (const position of [20, 16_404]) {
      const torn = Buffer.from(released);
      torn[position] = (torn[position] ?? 0) ^ 1;
      await writeFile(file('released.dat'), torn);
      await check(3);
    }
  });

  it('refuses the directory of another log, another key or a newer version', async () => {
    await fill(0, 1);
    const otherKey = generateSigner('PKIX_ED25519');
    await assert.rejects(openTransparencyLog({ directory, origin, signer: otherKey }), code('ERR_LOG_MISMATCH'));
    await assert.rejects(openTransparencyLog({ directory, origin: 'b.example', signer }), code('ERR_LOG_MISMATCH'));
    const identity = await readFile(file('log.json'), 'utf8');
    await writeFile(file('log.json'), identity.replace('"format": 1', '"format": 2'));
    await assert.rejects(open(), code('ERR_LOG_FORMAT'));
    await writeFile(file('log.json'), '{');
    await assert.rejects(open(), code('ERR_LOG_CORRUPT'));
    await rm(file('log.json'));
    await assert.rejects(open(), code('ERR_LOG_CORRUPT'));
    await writeFile(file('log.json'), identity);
    await check(1);
  });

  it('stops for good when a sync fails, and answers nobody what may not be on the disk', async () => {
    const fatal: unknown[] = [];
    const log = await openTransparencyLog({ directory, origin, signer, onFatal: (error) => fatal.push(error) });
    await log.append(utf8('entry 0'));
    const checkpoint = log.checkpoint();
    const { fdatasync } = fs;
    fs.fdatasync = ((_descriptor: number, done: fs.NoParamCallback) => {
      setImmediate(() => done(Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' })));
    }) as typeof fdatasync;
    syncBuiltinESMExports();
    try {
      await assert.rejects(log.append(utf8('entry 1')), code('ERR_LOG_STORAGE'));
    } finally {
      fs.fdatasync = fdatasync;
      syncBuiltinESMExports();
    }
    // The disk is well again, but what it has nobody knows.
    await assert.rejects(log.append(utf8('entry 1')), code('ERR_LOG_STORAGE'));
    assert.equal(fatal.length, 1);
    assert.equal(log.healthy, false);
    assert.equal(log.checkpoint(), checkpoint);
    assert.equal(log.size, 1n);
    await log.close();
    const again = await open();
    assert.ok((await again.append(utf8('entry 0'))).duplicate);
    await again.close();
  });

  it('says what is wrong when its directory is a file', async () => {
    await mkdir(home, { recursive: true });
    await writeFile(directory, '');
    await assert.rejects(open(), code('ERR_LOG_STORAGE'));
  });

  describe('in another process', () => {
    const children: ChildProcess[] = [];
    const program = fileURLToPath(new URL('log-process.ts', import.meta.url));

    function start(command: string, shell?: string): { child: ChildProcess; lines: AsyncIterator<string> } {
      const node = [process.execPath, '--conditions=@signet/source', program, directory, command];
      const [executable = '', ...rest] =
        shell === undefined ? node : ['/bin/sh', '-c', `${shell}; exec "$0" "$@"`, ...node];
      const child = spawn(executable, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
      children.push(child);
      const { stdout } = child;
      assert.ok(stdout !== null);
      return { child, lines: createInterface({ input: stdout })[Symbol.asyncIterator]() };
    }

    const next = async (lines: AsyncIterator<string>): Promise<Record<string, unknown>> =>
      JSON.parse((await lines.next()).value ?? '{}');

    afterEach(() => {
      for (const child of children.splice(0)) child.kill('SIGKILL');
    });

    it('is refused while this one serves the log, and welcome when this one is gone', async () => {
      const log = await open();
      await assert.rejects(open(), code('ERR_LOG_LOCKED'));
      assert.deepEqual(await next(start('hold').lines), { error: 'ERR_LOG_LOCKED' });
      await log.close();
      const { child, lines } = start('hold');
      assert.deepEqual(await next(lines), { open: 0 });
      await assert.rejects(open(), code('ERR_LOG_LOCKED'));
      child.kill('SIGKILL');
      await once(child, 'exit');
      await (await open()).close();
    });

    it('says that it cannot write where it may only read', async function () {
      if (process.platform === 'win32') this.skip();
      await (await open()).close();
      // Nothing is forbidden to the superuser, who therefore becomes somebody else.
      for (const path of [home, directory]) await chmod(path, 0o555);
      for (const name of await readdir(directory)) await chmod(join(directory, name), 0o444);
      await chmod(join(home, 'key.pem'), 0o444);
      const { error, message } = await next(start('read-only').lines);
      assert.equal(error, 'ERR_LOG_STORAGE');
      assert.match(String(message), /cannot (open|write|create|lock) .*\/log\/.*: .*(permission|read-?only|unable)/i);
      for (const path of [home, directory]) await chmod(path, 0o755);
      for (const name of await readdir(directory)) await chmod(join(directory, name), 0o644);
      await (await open()).close();
    });

    it('stops with an error, not with a wrong answer, when the disk takes no more', async function () {
      if (process.platform === 'win32') this.skip();
      // Blocks of 512 bytes (POSIX) or 1,024 (bash): files of 100 or 200 KiB.
      const { child, lines } = start('fill', 'ulimit -f 200');
      const exited = once(child, 'exit');
      assert.deepEqual(await next(lines), { open: 0 });
      assert.deepEqual(await next(lines), { error: 'ERR_LOG_STORAGE' });
      const { size, ...rest } = await next(lines);
      assert.deepEqual(rest, { fatal: 1, again: 'ERR_LOG_STORAGE', grew: true, readable: 10_000, healthy: false });
      child.kill('SIGKILL');
      await exited;
      const log = await open();
      assert.equal(log.size, BigInt(size as number));
      const bundle = await log.readEntryBundle(0, size as number);
      assert.ok(bundle !== undefined && equalBytes(bundle.subarray(0, 2), Uint8Array.of(10_000 >> 8, 10_000 & 255)));
      await log.close();
    });
  });
});
