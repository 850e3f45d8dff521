import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashLeaf, parseCheckpoint, parseEntryBundle, parseSignedNote, utf8 } from '@signet/primitives/formats';
import { generateSigner } from '@signet/primitives/keys';
import { exportStatic, openTransparencyLog } from '@signet/services/log';
import { Frontier } from '../../src/log/engine/frontier.ts';

describe('export of a log as files', () => {
  it('holds checkpoint, tiles and entries that a reader without the log can verify, and grows with it', async () => {
    const home = await mkdtemp(join(tmpdir(), 'signet-export-'));
    const target = join(home, 'site');
    const log = await openTransparencyLog({
      directory: join(home, 'log'),
      origin: 'log.example',
      signer: generateSigner('PKIX_ED25519'),
      search: false,
    });
    try {
      let logged = 0;
      for (const size of [3, 256, 600]) {
        await Promise.all(Array.from({ length: size - logged }, (_, i) => log.append(utf8(`entry ${logged + i}`))));
        logged = size;
        assert.equal(await exportStatic(log, target), BigInt(size));
        const head = parseCheckpoint(parseSignedNote(await readFile(join(target, 'checkpoint'), 'utf8')).text);
        const frontier = new Frontier();
        for (let index = 0; index * 256 < size; index++) {
          const width = Math.min(256, size - index * 256);
          const name = `${String(index).padStart(3, '0')}${width === 256 ? '' : `.p/${width}`}`;
          const entries = parseEntryBundle(await readFile(join(target, 'tile/entries', name)));
          assert.equal(entries.length, width);
          assert.deepEqual(await readFile(join(target, 'tile/0', name)), Buffer.concat(entries.map(hashLeaf)));
          for (const entry of entries) frontier.append(hashLeaf(entry));
        }
        assert.deepEqual(Buffer.from(frontier.root()), Buffer.from(head.rootHash));
      }
      assert.equal((await readFile(join(target, 'tile/1/000.p/2'))).length, 64);
    } finally {
      await log.close();
      await rm(home, { recursive: true, force: true });
    }
  });
});
