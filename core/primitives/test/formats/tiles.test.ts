import assert from 'node:assert/strict';
import { concat, levelSize, parseEntryBundle, parseTilePath, SignetError, tilePath } from '@signet/primitives/formats';
import fc from 'fast-check';

function code(expected: string): (error: unknown) => boolean {
  return (error) => error instanceof SignetError && error.code === expected;
}

describe('tiles', () => {
  it('writes the paths of c2sp.org/tlog-tiles', () => {
    assert.equal(tilePath({ level: 0, index: 1234067, width: 256 }), 'tile/0/x001/x234/067');
    assert.equal(tilePath({ level: 1, index: 0, width: 17 }), 'tile/1/000.p/17');
    assert.equal(tilePath({ level: 'entries', index: 273, width: 112 }), 'tile/entries/273.p/112');
  });

  it('reads every path that it writes', () => {
    const address = {
      level: fc.oneof(fc.integer({ min: 0, max: 63 }), fc.constantFrom('entries' as const, 'data' as const)),
      index: fc.maxSafeNat(),
      width: fc.integer({ min: 1, max: 256 }),
    };
    const addresses = fc.record(address, { noNullPrototype: true });
    fc.assert(
      fc.property(addresses, (address) => {
        assert.deepEqual(parseTilePath(tilePath(address).slice('tile/'.length)), address);
      }),
    );
  });

  for (const path of [
    '',
    '0',
    '0/1',
    '00/001',
    '64/000',
    '0/x000/001',
    '0/001.p/0',
    '0/001.p/256',
    '0/001.p/01',
    '0/x001/x234/067/',
    '0/001/234',
    'names/000',
    '0/../000',
    '0/x999/x999/x999/x999/x999/999',
    '-1/000',
  ]) {
    it(`refuses ${JSON.stringify(path)}`, () => {
      assert.throws(() => parseTilePath(path), code('ERR_TILE_PATH'));
    });
  }

  it('counts the hashes of a level as tlog-tiles does for 70,000 leaves', () => {
    assert.deepEqual(
      [0, 1, 2, 3].map((level) => levelSize(level, 70_000)),
      [70_000, 273, 1, 0],
    );
  });

  it('splits entry bundles, and refuses one that is cut off', () => {
    const bundle = concat(Uint8Array.of(0, 2, 7, 8), Uint8Array.of(0, 0), Uint8Array.of(0, 1, 9));
    assert.deepEqual(parseEntryBundle(bundle), [Uint8Array.of(7, 8), new Uint8Array(0), Uint8Array.of(9)]);
    assert.throws(() => parseEntryBundle(bundle.subarray(0, 8)), code('ERR_ENTRY_BUNDLE'));
    assert.throws(() => parseEntryBundle(bundle.subarray(0, 5)), code('ERR_ENTRY_BUNDLE'));
    assert.throws(() => parseEntryBundle(new Uint8Array(2 * 257)), code('ERR_ENTRY_BUNDLE'));
  });
});
