import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  concat,
  emptyTreeRoot,
  equalBytes,
  hashChildren,
  levelSize,
  verifyConsistency,
  verifyInclusion,
} from '@signet/primitives/formats';
import fc from 'fast-check';
import { MerkleTree } from '../../src/log/engine/merkle-tree.ts';

/** Leaf hashes of a tree, as many as asked for. */
const leaf = (index: number): Uint8Array => new Uint8Array(createHash('sha256').update(`\0leaf ${index}`).digest());
const leaves = (from: number, to: number): Uint8Array[] => Array.from({ length: to - from }, (_, i) => leaf(from + i));

/** MTH of RFC 6962 §2.1 over leaf hashes. */
function naiveRoot(hashes: readonly Uint8Array[]): Uint8Array {
  const [first] = hashes;
  if (first === undefined) return emptyTreeRoot;
  if (hashes.length === 1) return first;
  let k = 1;
  while (k * 2 < hashes.length) k *= 2;
  return hashChildren(naiveRoot(hashes.slice(0, k)), naiveRoot(hashes.slice(k)));
}

/** A place for tile hashes in memory. */
class Levels {
  readonly levels: Uint8Array[][] = [];
  readHashes(level: number, start: number, count: number): Uint8Array {
    return concat(...(this.levels[level] ?? []).slice(start, start + count));
  }
  add(added: readonly Uint8Array[][]): void {
    for (const [level, hashes] of added.entries()) {
      const known = this.levels[level] ?? [];
      for (const value of hashes) known.push(new Uint8Array(value));
      this.levels[level] = known;
    }
  }
}

function build(size: number, steps: readonly number[] = []): { tree: MerkleTree; levels: Levels } {
  const levels = new Levels();
  const tree = new MerkleTree(levels, 0);
  for (const step of [...steps, size]) {
    const to = Math.min(Math.max(step, tree.size), size);
    for (let from = tree.size; from < to; from = tree.size) {
      levels.add(tree.append(leaves(from, Math.min(to, from + 4096))));
    }
  }
  return { tree, levels };
}

describe('merkle tree', () => {
  it('has the root of the definition at every size, whatever the batches', () => {
    fc.assert(
      fc.property(fc.nat(700), fc.array(fc.nat(700), { maxLength: 8 }), (size, steps) => {
        const { tree } = build(
          size,
          steps.sort((a, b) => a - b),
        );
        for (const at of [size, Math.floor(size / 2), Math.floor(size / 3)]) {
          assert.ok(equalBytes(tree.root(at), naiveRoot(leaves(0, at))));
        }
      }),
      { numRuns: 40 },
    );
  });

  it('proves inclusion and consistency at every size up to 70', () => {
    const { tree } = build(70);
    for (let size = 1; size <= 70; size++) {
      const rootHash = naiveRoot(leaves(0, size));
      for (let index = 0; index < size; index++) {
        const hashes = tree.inclusionProof(index, size);
        verifyInclusion({ index: BigInt(index), treeSize: BigInt(size), leafHash: leaf(index), hashes, rootHash });
      }
      for (let oldSize = 0; oldSize <= size; oldSize++) {
        verifyConsistency({
          oldSize: BigInt(oldSize),
          oldRoot: naiveRoot(leaves(0, oldSize)),
          newSize: BigInt(size),
          newRoot: rootHash,
          hashes: tree.consistencyProof(oldSize, size),
        });
      }
    }
  });

  it('goes on from its tiles as if it had never stopped, over three levels', () => {
    const size = 66_000;
    const { tree, levels } = build(size);
    const again = new MerkleTree(levels, size);
    assert.deepEqual(
      levels.levels.map((hashes) => hashes.length),
      [0, 1, 2].map((level) => levelSize(level, size)),
    );
    const rootHash = naiveRoot(leaves(0, size));
    assert.ok(equalBytes(tree.root(size), rootHash));
    assert.ok(equalBytes(again.root(size), rootHash));
    for (const index of [0, 255, 256, 40_000, 65_535, 65_536, size - 1]) {
      for (const one of [tree, again]) {
        const hashes = one.inclusionProof(index, size);
        verifyInclusion({ index: BigInt(index), treeSize: BigInt(size), leafHash: leaf(index), hashes, rootHash });
      }
    }
    for (const oldSize of [1, 255, 256, 257, 65_536, 65_537]) {
      verifyConsistency({
        oldSize: BigInt(oldSize),
        oldRoot: naiveRoot(leaves(0, oldSize)),
        newSize: BigInt(size),
        newRoot: rootHash,
        hashes: again.consistencyProof(oldSize, size),
      });
    }
    levels.add(again.append(leaves(size, size + 300)));
    assert.ok(equalBytes(again.root(size + 300), naiveRoot(leaves(0, size + 300))));
    assert.ok(equalBytes(again.root(size), rootHash));
  });
});
