import type { Random } from './random.ts';

/** Bytes at which parsers go wrong: ends of ranges, DER lengths and tags. */
const interesting = [0, 1, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xff, 0x30, 0x31, 0xa0, 0xa3, 0x02, 0x03, 0x04, 0x06, 0x0c];

type Change = (bytes: Uint8Array, random: Random) => Uint8Array;

function splice(bytes: Uint8Array, at: number, removed: number, inserted: Uint8Array): Uint8Array {
  return Uint8Array.from([...bytes.subarray(0, at), ...inserted, ...bytes.subarray(at + removed)]);
}

function withByte(bytes: Uint8Array, random: Random, change: (byte: number) => number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const at = random.below(copy.length);
  copy[at] = change(copy[at] ?? 0);
  return copy;
}

const changes: readonly Change[] = [
  (bytes, random) => withByte(bytes, random, (byte) => byte ^ (1 << random.below(8))),
  (bytes, random) => withByte(bytes, random, () => random.pick(interesting)),
  (bytes, random) => withByte(bytes, random, (byte) => byte + (random.oneIn(2) ? 1 : -1)),
  (bytes, random) => splice(bytes, random.below(bytes.length + 1), 0, random.bytes(1 + random.below(8))),
  (bytes, random) => splice(bytes, random.below(bytes.length), 1 + random.below(8), new Uint8Array()),
  (bytes, random) => bytes.subarray(0, random.below(bytes.length)),
  (bytes, random) => {
    const from = random.below(bytes.length);
    const range = bytes.subarray(from, from + 1 + random.below(64));
    return splice(bytes, random.below(bytes.length + 1), random.oneIn(2) ? 0 : range.length, range);
  },
];

/** One to three changes of single bytes or short ranges. */
export function mutateBytes(bytes: Uint8Array, random: Random): Uint8Array {
  let changed = bytes;
  for (let count = random.oneIn(3) ? 1 + random.below(3) : 1; count > 0; count--) {
    changed = random.pick(changes)(changed, random);
  }
  return changed;
}
