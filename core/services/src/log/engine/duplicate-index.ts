import { randomBytes } from 'node:crypto';
import { equalBytes } from '@signet/primitives/formats';

const empty = 0;
const initialCapacity = 1024;

/** Indices are stored plus one in 32 bits; a log is sharded long before. */
export const maximumIndexed = 2 ** 32 - 1;

/**
 * Which entry has a key (32 bytes of a hash): an open-addressing table of 32-bit fingerprints and indices, 11 to 23
 * bytes an entry. The keys themselves stay in the file that they are derived to; a hit is confirmed there, so the
 * answer is exact. The table is derived and never stored.
 */
export class DuplicateIndex {
  readonly #keyAt: (index: number) => Uint8Array;
  // Keys come from outside; a secret seed keeps anybody from choosing ones that fall into the same place.
  readonly #seed = randomBytes(8);
  readonly #multipliers = [this.#seed.readUInt32BE(0) | 1, this.#seed.readUInt32BE(4) | 1] as const;
  #fingerprints = new Uint32Array(initialCapacity);
  #indices = new Uint32Array(initialCapacity);
  #count = 0;

  /** @param keyAt reads the key of an entry back */
  constructor(keyAt: (index: number) => Uint8Array) {
    this.#keyAt = keyAt;
  }

  /** The index of the entry with this key. */
  find(key: Uint8Array): number | undefined {
    const fingerprint = this.#fingerprint(key);
    const mask = this.#indices.length - 1;
    for (let slot = fingerprint & mask; ; slot = (slot + 1) & mask) {
      const stored = this.#indices[slot] ?? empty;
      if (stored === empty) return undefined;
      if (this.#fingerprints[slot] === fingerprint && equalBytes(this.#keyAt(stored - 1), key)) return stored - 1;
    }
  }

  /** Adds an entry that {@link find} does not know. */
  add(key: Uint8Array, index: number): void {
    if ((this.#count + 1) * 10 > this.#indices.length * 7) this.#grow();
    this.#insert(this.#fingerprint(key), index + 1);
    this.#count += 1;
  }

  #insert(fingerprint: number, stored: number): void {
    const mask = this.#indices.length - 1;
    let slot = fingerprint & mask;
    while (this.#indices[slot] !== empty) slot = (slot + 1) & mask;
    this.#fingerprints[slot] = fingerprint;
    this.#indices[slot] = stored;
  }

  #grow(): void {
    const fingerprints = this.#fingerprints;
    const indices = this.#indices;
    this.#fingerprints = new Uint32Array(indices.length * 2);
    this.#indices = new Uint32Array(indices.length * 2);
    // By number: an iterator would make an array for each of millions.
    for (let slot = 0; slot < indices.length; slot++) {
      const stored = indices[slot] ?? empty;
      if (stored !== empty) this.#insert(fingerprints[slot] ?? 0, stored);
    }
  }

  #fingerprint(key: Uint8Array): number {
    const [a, b] = this.#multipliers;
    const mixed = Math.imul(word(key, 0), a) + Math.imul(word(key, 4), b);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  }
}

function word(key: Uint8Array, offset: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = [key[offset], key[offset + 1], key[offset + 2], key[offset + 3]];
  return (a << 24) | (b << 16) | (c << 8) | d;
}
