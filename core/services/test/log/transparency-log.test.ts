import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { importPublicKey, verifySignature } from '@signet/primitives/crypto';
import {
  equalBytes,
  hashLeaf,
  noteKeyHint,
  parseCheckpoint,
  parseEntryBundle,
  parseSignedNote,
  SignetError,
  utf8,
  verifyConsistency,
  verifyInclusion,
} from '@signet/primitives/formats';
import { generateSigner, type Signer } from '@signet/primitives/keys';
import { type LoggedEntry, logOrigin, openTransparencyLog, type TransparencyLog } from '@signet/services/log';

const origin = 'log.example/-/signet/log';

function code(expected: string): (error: unknown) => boolean {
  return (error) => error instanceof SignetError && error.code === expected;
}

/** Verifies note signature, head and inclusion as a client would. */
function verifyLogged(logged: LoggedEntry, entry: Uint8Array, signer: Signer): void {
  const { text, signatures } = parseSignedNote(logged.checkpoint);
  const [first] = signatures;
  assert.ok(first !== undefined);
  assert.equal(first.name, origin);
  assert.deepEqual(first.keyHint, noteKeyHint(origin, 1, signer.publicKey.keyBytes));
  const key = importPublicKey(signer.publicKey);
  assert.ok(verifySignature({ key, details: 'PKIX_ED25519', message: utf8(text), signature: first.signature }));
  const head = parseCheckpoint(text);
  assert.equal(head.origin, origin);
  assert.equal(head.treeSize, logged.treeSize);
  assert.ok(equalBytes(head.rootHash, logged.rootHash));
  verifyInclusion({ ...logged, leafHash: hashLeaf(entry) });
}

describe('transparency log', () => {
  let directory: string;
  const signer = generateSigner('PKIX_ED25519');
  const open = (options: { batch?: object } = {}): Promise<TransparencyLog> =>
    openTransparencyLog({ directory, origin, signer, ...options });

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-log-'));
  });

  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  it('begins with a signed checkpoint of the empty tree', async () => {
    const log = await open();
    const head = parseCheckpoint(parseSignedNote(log.checkpoint()).text);
    assert.equal(head.treeSize, 0n);
    assert.deepEqual(head.rootHash, hashOfNothing());
    await log.close();
  });

  it('answers every entry with a proof that verifies under its checkpoint', async () => {
    const log = await open();
    for (let i = 0; i < 20; i++) {
      const entry = utf8(`entry ${i}`);
      const logged = await log.append(entry);
      assert.equal(logged.index, BigInt(i));
      assert.equal(logged.duplicate, false);
      verifyLogged(logged, entry, signer);
    }
    await log.close();
  });

  it('gives concurrent entries their own places, and one place to those that are equal', async () => {
    const log = await open({ batch: { maximumEntries: 7 } });
    const entries = Array.from({ length: 300 }, (_, i) => utf8(`entry ${i % 200}`));
    const logged = await Promise.all(entries.map((entry) => log.append(entry)));
    for (const [i, entry] of entries.entries()) verifyLogged(logged[i] as LoggedEntry, entry, signer);
    assert.equal(new Set(logged.map(({ index }) => index)).size, 200);
    assert.equal(logged.filter(({ duplicate }) => duplicate).length, 100);
    assert.equal(log.size, 200n);
    await log.close();
  });

  it('answers a duplicate with the existing entry and a fresh proof', async () => {
    const log = await open();
    const first = await log.append(utf8('one'));
    await log.append(utf8('two'));
    const again = await log.append(utf8('one'));
    assert.equal(again.index, first.index);
    assert.equal(again.duplicate, true);
    assert.equal(again.treeSize, 2n);
    verifyLogged(again, utf8('one'), signer);
    await log.close();
  });

  it('keeps entries, proofs and duplicates over a restart', async () => {
    let log = await open();
    const entries = Array.from({ length: 600 }, (_, i) => utf8(`entry ${i}`));
    await Promise.all(entries.map((entry) => log.append(entry)));
    const before = parseCheckpoint(parseSignedNote(log.checkpoint()).text);
    await log.close();

    log = await open();
    assert.equal(log.size, 600n);
    for (const i of [0, 1, 255, 256, 511, 599]) {
      assert.deepEqual(await log.entry(BigInt(i)), Buffer.from(`entry ${i}`));
    }
    const again = await log.append(utf8('entry 300'));
    assert.equal(again.duplicate, true);
    verifyLogged(again, utf8('entry 300'), signer);
    const next = await log.append(utf8('entry 600'));
    assert.equal(next.index, 600n);
    verifyLogged(next, utf8('entry 600'), signer);
    verifyConsistency({
      oldSize: before.treeSize,
      oldRoot: before.rootHash,
      newSize: next.treeSize,
      newRoot: next.rootHash,
      hashes: log.consistencyProof(600n, 601n),
    });
    await log.close();
  });

  it('serves tiles and bundles whose entries hash to the tiles', async () => {
    const log = await open();
    const entries = Array.from({ length: 300 }, (_, i) => utf8(`entry ${i}`.repeat(i % 5)));
    await Promise.all(entries.map((entry, i) => log.append(Uint8Array.of(i >> 8, i & 0xff, ...entry))));
    for (const [index, width] of [
      [0, 256],
      [0, 17],
      [1, 44],
      [1, 3],
    ] as const) {
      const bundle = parseEntryBundle((await log.readEntryBundle(index, width)) ?? new Uint8Array());
      assert.equal(bundle.length, width);
      assert.deepEqual(log.readTile(0, index, width), Buffer.concat(bundle.map(hashLeaf)));
    }
    assert.equal(log.readTile(1, 0, 1)?.length, 32);
    for (const [level, index, width] of [
      [0, 1, 256],
      [0, 1, 45],
      [0, 2, 1],
      [1, 0, 2],
      [2, 0, 1],
      [63, 0, 1],
    ] as const) {
      assert.equal(log.readTile(level, index, width), undefined);
    }
    assert.equal(await log.readEntryBundle(1, 45), undefined);
    assert.equal(await log.entry(300n), undefined);
    await log.close();
  });

  it('refuses an entry that a bundle cannot hold, naming limit and size', async () => {
    const log = await open();
    await log.append(new Uint8Array(65_535));
    await assert.rejects(log.append(new Uint8Array(65_536)), (error: unknown) => {
      return code('ERR_LOG_ENTRY_SIZE')(error) && /65536 bytes.*65535/.test((error as Error).message);
    });
    assert.equal(log.size, 1n);
    await log.close();
  });

  it('refuses more entries than may wait', async () => {
    const log = await open({ batch: { maximumEntries: 1, maximumWaiting: 3 } });
    const answers = await Promise.allSettled(Array.from({ length: 5 }, (_, i) => log.append(Uint8Array.of(i))));
    assert.deepEqual(
      answers.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected'],
    );
    await log.close();
  });

  it('refuses entries beyond its size, and goes on answering for those that it has', async () => {
    const log = await open({ batch: { maximumSize: 3 } });
    for (let i = 0; i < 3; i++) await log.append(utf8(`entry ${i}`));
    await assert.rejects(log.append(utf8('one too many')), code('ERR_LOG_FULL'));
    assert.equal((await log.append(utf8('entry 1'))).index, 1n);
    assert.equal(log.healthy, true);
    assert.equal(log.size, 3n);
    await log.close();
  });

  it('finishes what it took before it closes, and takes nothing after', async () => {
    const log = await open();
    const taken = log.append(utf8('one'));
    const closed = log.close();
    await assert.rejects(log.append(utf8('two')), code('ERR_LOG_CLOSED'));
    assert.equal((await taken).index, 0n);
    await closed;
    assert.throws(() => log.readTile(0, 0, 1), code('ERR_LOG_CLOSED'));
    await assert.rejects(log.entry(0n), code('ERR_LOG_CLOSED'));
  });

  it('refuses indices and sizes that it has not', async () => {
    const log = await open();
    await log.append(utf8('one'));
    assert.throws(() => log.inclusionProof(1n), code('ERR_LOG_RANGE'));
    assert.throws(() => log.inclusionProof(-1n), code('ERR_LOG_RANGE'));
    assert.throws(() => log.inclusionProof(0n, 2n), code('ERR_LOG_RANGE'));
    assert.throws(() => log.consistencyProof(2n, 1n), code('ERR_LOG_RANGE'));
    assert.throws(() => log.rootAt(2n), code('ERR_LOG_RANGE'));
    await log.close();
  });

  it('writes a proof as c2sp.org/tlog-proof has it', async () => {
    const log = await open();
    for (const text of ['a', 'b', 'c']) await log.append(utf8(text));
    const [head = '', ...rest] = (await log.proofText(1n)).split('\n\n');
    assert.deepEqual(head.split('\n').slice(0, 2), ['c2sp.org/tlog-proof@v1', 'index 1']);
    assert.equal(rest.join('\n\n'), log.checkpoint());
    const hashes = head
      .split('\n')
      .slice(2)
      .map((line) => new Uint8Array(Buffer.from(line, 'base64')));
    const { treeSize, rootHash } = parseCheckpoint(parseSignedNote(log.checkpoint()).text);
    verifyInclusion({ index: 1n, treeSize, rootHash, leafHash: hashLeaf(utf8('b')), hashes });
    await assert.rejects(log.proofText(3n), code('ERR_LOG_RANGE'));
    await log.close();
  });

  it('takes its origin from the URL it is served at', async () => {
    assert.equal(logOrigin('http://127.0.0.1:4873/-/signet/log/'), '127.0.0.1:4873/-/signet/log');
    for (const bad of ['', 'https://log.example', 'log.example/', 'a b', 'a+b']) {
      await assert.rejects(openTransparencyLog({ directory, origin: bad, signer }), code('ERR_LOG_MISMATCH'));
    }
  });
});

function hashOfNothing(): Uint8Array {
  return new Uint8Array(Buffer.from('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 'hex'));
}
