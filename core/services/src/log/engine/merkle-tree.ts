import { hash } from 'node:crypto';
import { emptyTreeRoot, levelSize, merkleHashSize, SignetError, tileWidth } from '@signet/primitives/formats';

/** Where the hashes of full and partial tiles can be read again: `count` hashes of `level` from number `start`. */
export interface HashSource {
  readHashes(level: number, start: number, count: number): Uint8Array;
}

// 256 tiles of 16 KiB: enough for the right edge of any tree and for the neighbourhood of recent duplicates.
const cachedTiles = 256;
const nodeInput = Buffer.alloc(1 + 2 * merkleHashSize, 0x01);

/**
 * One tile with all nodes above its hashes, 511 when full. Nodes are hashed as soon as their children are there, so an
 * append costs one hash on average, and a proof within the tile costs none.
 */
class Tile {
  readonly #nodes = Buffer.alloc((2 * tileWidth - 1) * merkleHashSize);
  #width = 0;

  get full(): boolean {
    return this.#width === tileWidth;
  }

  append(value: Uint8Array): void {
    this.#nodes.set(value, nodeOffset(0, this.#width));
    this.#width += 1;
    let index = this.#width - 1;
    for (let height = 1; height <= 8 && index % 2 === 1; height++) {
      const left = nodeOffset(height - 1, index - 1);
      index = (index - 1) / 2;
      this.#nodes.copy(nodeInput, 1, left, left + 2 * merkleHashSize);
      // A string result saves allocating a Buffer for each hash, which costs more than hashing.
      this.#nodes.write(hash('sha256', nodeInput, 'binary'), nodeOffset(height, index), merkleHashSize, 'latin1');
    }
  }

  node(height: number, index: number): Uint8Array {
    const offset = nodeOffset(height, index);
    return this.#nodes.subarray(offset, offset + merkleHashSize);
  }
}

/** Nodes lie level by level, the tile's own hashes first: 256, 128, …, 1. */
function nodeOffset(height: number, index: number): number {
  return (2 * tileWidth - 2 ** (9 - height) + index) * merkleHashSize;
}

/**
 * The hashes of a growing RFC 6962 tree: its right edge in memory, the rest read from tiles when a proof needs it.
 * Nodes of complete subtrees never change, so roots and proofs of every earlier size stay available.
 */
export class MerkleTree {
  readonly #source: HashSource;
  readonly #edge: Tile[] = [];
  readonly #cache = new Map<number, Tile>();
  /** The one that was asked for last. */
  #latest = { key: -1, tile: new Tile() };
  #size: number;
  #folded = { size: 0, hashes: new Map<number, Uint8Array>() };

  /** A tree of `size` leaves whose tiles `source` has. */
  constructor(source: HashSource, size: number) {
    this.#source = source;
    this.#size = size;
    for (let level = 0; levelSize(level, size) > 0; level++) {
      const count = levelSize(level, size);
      this.#edge.push(this.#readTile(level, Math.floor(count / tileWidth), count % tileWidth));
    }
  }

  get size(): number {
    return this.#size;
  }

  /**
   * Appends leaf hashes.
   *
   * @returns the new hashes of each level, to be written behind those that `source` has before the next append
   */
  append(leafHashes: readonly Uint8Array[]): Uint8Array[][] {
    const added: Uint8Array[][] = [];
    for (const leafHash of leafHashes) {
      let value = leafHash;
      for (let level = 0; ; level++) {
        const ofLevel = added[level] ?? [];
        added[level] = ofLevel;
        ofLevel.push(value);
        const tile = this.#edge[level] ?? new Tile();
        this.#edge[level] = tile;
        tile.append(value);
        if (!tile.full) break;
        const index = levelSize(level + 1, this.#size);
        this.#remember(tileKey(level, index), tile);
        this.#edge[level] = new Tile();
        value = tile.node(8, 0);
      }
      this.#size += 1;
    }
    return added;
  }

  /** Root of the first `size` leaves. */
  root(size: number): Uint8Array {
    this.#checkSize(size);
    return size === 0 ? emptyTreeRoot : this.#rangeHash(0, size, size);
  }

  /** PATH(index, D[size]) of RFC 6962 §2.1.1, leaf upwards. @throws ERR_LOG_RANGE */
  inclusionProof(index: number, size: number): Uint8Array[] {
    this.#checkSize(size);
    if (!Number.isSafeInteger(index) || index < 0 || index >= size) {
      throw new SignetError('ERR_LOG_RANGE', `index ${index} is outside a tree of size ${size}`);
    }
    const path: Uint8Array[] = [];
    let start = 0;
    let end = size;
    while (end - start > 1) {
      const middle = start + splitPoint(end - start);
      if (index < middle) {
        path.push(this.#rangeHash(middle, end, size));
        end = middle;
      } else {
        path.push(this.#rangeHash(start, middle, size));
        start = middle;
      }
    }
    return path.reverse();
  }

  /** PROOF(oldSize, D[newSize]) of RFC 6962 §2.1.2; empty when either tree is empty or both are the same. */
  consistencyProof(oldSize: number, newSize: number): Uint8Array[] {
    this.#checkSize(newSize);
    if (!Number.isSafeInteger(oldSize) || oldSize < 0 || oldSize > newSize) {
      throw new SignetError('ERR_LOG_RANGE', `a tree of size ${newSize} does not extend one of size ${oldSize}`);
    }
    const path: Uint8Array[] = [];
    let start = 0;
    let end = newSize;
    let oldIsWholeRange = true;
    while (oldSize > 0 && oldSize < end) {
      const middle = start + splitPoint(end - start);
      if (oldSize <= middle) {
        path.push(this.#rangeHash(middle, end, newSize));
        end = middle;
      } else {
        path.push(this.#rangeHash(start, middle, newSize));
        start = middle;
        oldIsWholeRange = false;
      }
    }
    if (!oldIsWholeRange) path.push(this.#rangeHash(start, end, newSize));
    return path.reverse();
  }

  /** MTH of the leaves from `start` to `end`, where the range is complete or ends at `size`. */
  #rangeHash(start: number, end: number, size: number): Uint8Array {
    const length = end - start;
    const left = length === 1 ? 1 : splitPoint(length);
    if (length === 1 || left * 2 === length) return this.#node(Math.log2(length), start / length);
    // What is not a complete subtree ends at the tree's edge: the same few hashes for every proof of this size.
    if (this.#folded.size !== size) this.#folded = { size, hashes: new Map() };
    const known = this.#folded.hashes.get(start);
    if (known !== undefined) return known;
    const middle = start + left;
    // Both first: reading a tile uses the same scratch input.
    const leftHash = this.#rangeHash(start, middle, size);
    const rightHash = this.#rangeHash(middle, end, size);
    nodeInput.set(leftHash, 1);
    nodeInput.set(rightHash, 1 + merkleHashSize);
    const value = hash('sha256', nodeInput, 'buffer');
    this.#folded.hashes.set(start, value);
    return value;
  }

  /** Hash of the complete subtree of 2^height leaves that is number `index` of its kind. */
  #node(height: number, index: number): Uint8Array {
    const level = Math.floor(height / 8);
    const perTile = 2 ** (8 - (height % 8));
    const tileIndex = Math.floor(index / perTile);
    return this.#tile(level, tileIndex).node(height % 8, index % perTile);
  }

  #tile(level: number, index: number): Tile {
    const edgeIndex = levelSize(level + 1, this.#size);
    const edge = this.#edge[level];
    if (index === edgeIndex && edge !== undefined) return edge;
    const key = tileKey(level, index);
    // A proof takes most of its nodes from one tile, one after the other.
    if (key === this.#latest.key) return this.#latest.tile;
    const tile = this.#cache.get(key) ?? this.#readTile(level, index, tileWidth);
    this.#remember(key, tile);
    this.#latest = { key, tile };
    return tile;
  }

  #readTile(level: number, index: number, width: number): Tile {
    const tile = new Tile();
    if (width === 0) return tile;
    const hashes = this.#source.readHashes(level, index * tileWidth, width);
    for (let i = 0; i < width; i++) tile.append(hashes.subarray(i * merkleHashSize, (i + 1) * merkleHashSize));
    return tile;
  }

  /** Map iterates in order of insertion, so the first key is the one used longest ago. */
  #remember(key: number, tile: Tile): void {
    this.#cache.delete(key);
    this.#cache.set(key, tile);
    if (this.#cache.size <= cachedTiles) return;
    const [oldest] = this.#cache.keys();
    if (oldest !== undefined) this.#cache.delete(oldest);
  }

  #checkSize(size: number): void {
    if (!Number.isSafeInteger(size) || size < 0 || size > this.#size) {
      throw new SignetError(
        'ERR_LOG_RANGE',
        `tree size ${size} is not one this log has had; it has ${this.#size} leaves`,
      );
    }
  }
}

/** One number for a tile: there are fewer than 2^40 of a level, since indices are exact in a double. */
function tileKey(level: number, index: number): number {
  return level * 2 ** 40 + index;
}

/** The largest power of two that is smaller than `length`, which is at least 2. */
function splitPoint(length: number): number {
  const power = 2 ** Math.floor(Math.log2(length));
  return power === length ? power / 2 : power;
}
