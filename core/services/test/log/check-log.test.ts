import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { equalBytes, SignetError, utf8 } from '@signet/primitives/formats';
import { generateSigner } from '@signet/primitives/keys';
import { checkLog, openCertificateLog, openTransparencyLog } from '@signet/services/log';
import { codeSigning, makeAuthority, poison } from './test-certificates.ts';

describe('check of a log', () => {
  let directory: string;
  const signer = generateSigner('PKIX_ED25519');
  const file = (name: string): string => join(directory, name);

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-check-'));
    const log = await openTransparencyLog({ directory, origin: 'log.example', signer });
    for (let i = 0; i < 20; i++) await log.append(utf8(`entry ${i}`));
    await Promise.all(Array.from({ length: 280 }, (_, i) => log.append(utf8(`entry ${20 + i}`))));
    await log.close();
  });

  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  async function change(name: string, position: number): Promise<void> {
    const content = await readFile(file(name));
    content[position] = (content[position] ?? 0) ^ 1;
    await writeFile(file(name), content);
  }

  it('finds nothing in a log that is whole, and gives its root', async () => {
    const { sound, treeSize, rootHash, damage, derivedDamage, tornBytes, released } = checkLog(directory);
    assert.deepEqual(
      { sound, treeSize, damage, derivedDamage, tornBytes },
      {
        sound: true,
        treeSize: 300,
        damage: [],
        derivedDamage: [],
        tornBytes: 0,
      },
    );
    assert.ok(released !== undefined && equalBytes(released.rootHash, rootHash));
  });

  it('finds nothing in a certificate log that is whole', async () => {
    const home = join(directory, 'ct');
    const authority = await makeAuthority();
    const log = await openCertificateLog({
      directory: home,
      origin: 'ct.example',
      signer: generateSigner(),
      acceptedRoots: [authority.root],
    });
    for (let i = 0; i < 20; i++) {
      await log.addPreChain([await authority.issue([codeSigning, poison]), authority.intermediate]);
    }
    await log.close();
    const { sound, treeSize } = checkLog(home);
    assert.deepEqual({ sound, treeSize }, { sound: true, treeSize: 20 });
  });

  it('finds a single changed bit, wherever it is', async () => {
    for (const name of ['entries.dat', 'commit.log', 'L0.dat', 'L1.dat', 'entries.idx']) {
      const { length } = await readFile(file(name));
      for (const position of [0, Math.floor(length / 3), length - 1]) {
        await change(name, position);
        const { sound, damage, derivedDamage } = checkLog(directory);
        const where = `${name} at ${position}`;
        assert.equal(sound, false, where);
        if (name === 'entries.dat' || name === 'commit.log') assert.ok(damage.length > 0, where);
        else assert.deepEqual([damage, derivedDamage.length], [[], 1], where);
        await change(name, position);
      }
    }
    assert.ok(checkLog(directory).sound);
  });

  it('finds a released checkpoint that the log does not keep', async () => {
    const released = await readFile(file('released.dat'));
    const other = await mkdtemp(join(tmpdir(), 'signet-check-'));
    try {
      const log = await openTransparencyLog({ directory: other, origin: 'log.example', signer });
      await Promise.all(Array.from({ length: 301 }, (_, i) => log.append(utf8(`other ${i}`))));
      await log.close();
      await writeFile(file('released.dat'), await readFile(join(other, 'released.dat')));
      assert.ok(checkLog(directory).damage.length > 0);
      await writeFile(join(other, 'released.dat'), released);
      assert.match(checkLog(other).damage.join(), /has another root/);
    } finally {
      await rm(other, { recursive: true, force: true });
    }
  });

  it('finds a checkpoint that another key has signed', async () => {
    const identity = JSON.parse(await readFile(file('log.json'), 'utf8'));
    const other = generateSigner('PKIX_ED25519').publicKey.spki;
    await writeFile(
      file('log.json'),
      JSON.stringify({ ...identity, publicKey: Buffer.from(other).toString('base64') }),
    );
    assert.match(checkLog(directory).damage.join(), /no signature of the log's key/);
  });

  it('tells a torn tail from damage', async () => {
    await writeFile(file('entries.dat'), Buffer.concat([await readFile(file('entries.dat')), Buffer.alloc(10)]));
    const { sound, tornBytes } = checkLog(directory);
    assert.deepEqual({ sound, tornBytes }, { sound: true, tornBytes: 10 });
    await truncate(file('L0.dat'), 100);
    await rm(file('L1.dat'));
    assert.deepEqual(checkLog(directory).derivedDamage.toSorted(), ['L0.dat is too short', 'L1.dat is missing']);
    assert.equal((await readdir(directory)).includes('L1.dat'), false);
  });

  it('leaves a log alone that is being served, or is none', async () => {
    const log = await openTransparencyLog({ directory, origin: 'log.example', signer });
    assert.throws(() => checkLog(directory), code('ERR_LOG_LOCKED'));
    await log.close();
    assert.throws(() => checkLog(join(directory, 'nothing')), code('ERR_LOG_STORAGE'));
    await rm(file('commit.log'));
    assert.throws(() => checkLog(directory), code('ERR_LOG_CORRUPT'));
    await writeFile(file('log.json'), '{}');
    assert.throws(() => checkLog(directory), code('ERR_LOG_CORRUPT'));
  });
});

function code(expected: string): (error: unknown) => boolean {
  return (error) => error instanceof SignetError && error.code === expected;
}
