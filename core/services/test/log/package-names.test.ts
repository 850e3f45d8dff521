import assert from 'node:assert/strict';
import { appendFile, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { utf8 } from '@signet/primitives/formats';
import { generateSigner } from '@signet/primitives/keys';
import { checkLog, openTransparencyLog, reindexLog, type TransparencyLog } from '@signet/services/log';

describe('names that submitters gave', () => {
  let directory: string;
  let log: TransparencyLog;
  const signer = generateSigner('PKIX_ED25519');
  const file = (): string => join(directory, 'packages.txt');
  const purl = (i: number): string => `pkg:npm/named@${i}`;

  const open = async (): Promise<void> => {
    log = await openTransparencyLog({ directory, origin: 'log.example', signer });
  };
  const find = async (text: string): Promise<readonly number[]> =>
    (await log.search({ terms: [{ kind: 'purl', text }], operator: 'or', from: 0, limit: 10 })).entries;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-names-'));
    await open();
    for (let i = 0; i < 3; i++) await log.append(utf8(`entry ${i}`), [purl(i)]);
  });

  afterEach(async () => {
    await log.close();
    await rm(directory, { recursive: true, force: true });
  });

  it('are found after the index was built again', async () => {
    await log.close();
    assert.equal(await reindexLog(directory), 3);
    await open();
    for (let i = 0; i < 3; i++) assert.deepEqual(await find(purl(i)), [i]);
  });

  it('are checked with the log: one that was changed is damage', async () => {
    await log.close();
    assert.equal(checkLog(directory).sound, true);
    const text = await readFile(file(), 'utf8');
    // Beyond the part at the end in which a crash may have left something.
    const crossedOut = `${'#'.repeat(999)}\n`.repeat(1100);
    await writeFile(file(), text.replace('named@1', 'named@7') + crossedOut);
    assert.deepEqual(checkLog(directory).damage, ['packages.txt is damaged at byte 27']);
    await writeFile(file(), text);
    await open();
  });

  it('are checked with the log: a name of an entry that is not there is damage', async () => {
    await log.append(utf8('another'), ['pkg:npm/another@1']);
    const text = await readFile(file(), 'utf8');
    await log.close();
    await rm(directory, { recursive: true });
    await open();
    await log.append(utf8('entry 0'));
    await log.close();
    await writeFile(file(), text);
    assert.deepEqual(checkLog(directory).damage, ['packages.txt names entry 1, and 1 are there']);
    await open();
  });

  it('that a crash cut off are crossed out by the next start, and nothing else is', async () => {
    await log.close();
    const whole = await readFile(file(), 'utf8');
    // What may stand where a sync was never confirmed: zeros, old bytes, a part of a line.
    await appendFile(file(), `${'\0'.repeat(40)}\n3 00000000 pkg:npm/garbled@1\n3 12`);
    const { sound, tornBytes } = checkLog(directory);
    assert.deepEqual([sound, tornBytes], [true, 41 + 29 + 4]);
    await open();
    assert.equal(await readFile(file(), 'utf8'), `${whole}${'#'.repeat(40)}\n${'#'.repeat(28)}\n`);
    assert.equal((await log.append(utf8('entry 3'), [purl(3)])).index, 3n);
    for (let i = 0; i < 4; i++) assert.deepEqual(await find(purl(i)), [i]);
    await log.close();
    const { sound: again, tornBytes: left } = checkLog(directory);
    assert.deepEqual([again, left], [true, 0]);
    await open();
  });

  it('are found again when a power failure took some that an index had seen', async () => {
    assert.deepEqual(await find(purl(2)), [2]);
    await log.close();
    // The index is ahead of the names now, as that of a restored backup is.
    await truncate(file(), (await stat(file())).size - 27);
    await open();
    assert.deepEqual(await find(purl(2)), []);
    await log.append(utf8('entry 2'), [purl(2)]);
    assert.deepEqual(await find(purl(2)), [2]);
    assert.deepEqual(await find(purl(0)), [0]);
  });
});
