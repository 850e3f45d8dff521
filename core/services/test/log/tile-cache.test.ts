import assert from 'node:assert/strict';
import { TileCache } from '../../src/log/http/tile-cache.ts';
import type { ReadableLog } from '../../src/log/http/tile-routes.ts';

function emptyLog(): ReadableLog {
  return { checkpoint: () => '', readTile: () => undefined, readEntryBundle: async () => undefined };
}

describe('the tiles that are kept in memory', () => {
  const log = emptyLog();

  it('belong to one log each', () => {
    const cache = new TileCache();
    cache.keep(log, '0/000', Uint8Array.of(1));
    assert.deepEqual(cache.find(log, '0/000'), Uint8Array.of(1));
    assert.equal(cache.find(log, '0/001'), undefined);
    assert.equal(cache.find(emptyLog(), '0/000'), undefined);
  });

  it('stay within their bytes, and those that are read stay longest', () => {
    const cache = new TileCache(100_000);
    for (let i = 0; i < 1000; i++) {
      cache.keep(log, `0/${i}`, new Uint8Array(8192));
      assert.ok(cache.bytes <= 100_000);
      assert.ok(cache.find(log, '0/0') !== undefined, `after ${i}`);
    }
    assert.equal(cache.find(log, '0/1'), undefined);
    assert.ok(cache.find(log, '0/999') !== undefined);
  });

  it('are counted once when two have read them, and not kept when they are too large', () => {
    const cache = new TileCache(100_000);
    cache.keep(log, 'a', new Uint8Array(1000));
    const { bytes } = cache;
    cache.keep(log, 'a', new Uint8Array(1000));
    cache.keep(log, 'b', new Uint8Array(50_000));
    assert.equal(cache.bytes, bytes);
  });
});
