import assert from 'node:assert/strict';
import {
  emptyTreeRoot,
  fromHex,
  hashChildren,
  hashLeaf,
  rootFromInclusionProof,
  SignetError,
  toHex,
  verifyConsistency,
  verifyInclusion,
} from '@signet/primitives/formats';
import fc from 'fast-check';

// RFC 6962 §2.1.3's tree, with the inputs and roots that Certificate Transparency's own implementations test with.
const leaves = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'].map(
  (leaf) => fromHex(leaf),
);
const roots = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

/** MTH of RFC 6962 §2.1, as it is written there. */
function root(entries: readonly Uint8Array[]): Uint8Array {
  const [first] = entries;
  if (first === undefined) return emptyTreeRoot;
  if (entries.length === 1) return hashLeaf(first);
  const k = split(entries.length);
  return hashChildren(root(entries.slice(0, k)), root(entries.slice(k)));
}

/** PATH of RFC 6962 §2.1.1. */
function inclusionPath(index: number, entries: readonly Uint8Array[]): Uint8Array[] {
  if (entries.length <= 1) return [];
  const k = split(entries.length);
  return index < k
    ? [...inclusionPath(index, entries.slice(0, k)), root(entries.slice(k))]
    : [...inclusionPath(index - k, entries.slice(k)), root(entries.slice(0, k))];
}

/** SUBPROOF of RFC 6962 §2.1.2. */
function consistencyPath(oldSize: number, entries: readonly Uint8Array[], complete = true): Uint8Array[] {
  if (oldSize === entries.length) return complete ? [] : [root(entries)];
  const k = split(entries.length);
  return oldSize <= k
    ? [...consistencyPath(oldSize, entries.slice(0, k), complete), root(entries.slice(k))]
    : [...consistencyPath(oldSize - k, entries.slice(k), false), root(entries.slice(0, k))];
}

function split(size: number): number {
  let k = 1;
  while (k * 2 < size) k *= 2;
  return k;
}

function code(expected: string): (error: unknown) => boolean {
  return (error) => error instanceof SignetError && error.code === expected;
}

describe('merkle', () => {
  it('has the root of RFC 6962 for the empty tree and for the tree of eight', () => {
    assert.equal(toHex(emptyTreeRoot), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    for (const [i, expected] of roots.entries()) assert.equal(toHex(root(leaves.slice(0, i + 1))), expected);
  });

  it('accepts the inclusion proof of every leaf in every tree', () => {
    for (let size = 1; size <= leaves.length; size++) {
      const tree = leaves.slice(0, size);
      for (const [index, leaf] of tree.entries()) {
        verifyInclusion({
          index: BigInt(index),
          treeSize: BigInt(size),
          leafHash: hashLeaf(leaf),
          hashes: inclusionPath(index, tree),
          rootHash: root(tree),
        });
      }
    }
  });

  it('accepts the inclusion proof of random trees and no altered one', () => {
    const cases = fc.tuple(
      fc.array(fc.uint8Array({ maxLength: 8 }), { minLength: 1, maxLength: 70 }),
      fc.nat(),
      fc.nat(),
    );
    fc.assert(
      fc.property(cases, ([entries, a, b]) => {
        const index = a % entries.length;
        const hashes = inclusionPath(index, entries);
        const proof = {
          index: BigInt(index),
          treeSize: BigInt(entries.length),
          leafHash: hashLeaf(entries[index] ?? new Uint8Array()),
          hashes,
          rootHash: root(entries),
        };
        verifyInclusion(proof);
        const fails = (altered: Partial<typeof proof>): void => {
          assert.throws(() => verifyInclusion({ ...proof, ...altered }), code('ERR_INCLUSION_PROOF'));
        };
        fails({ leafHash: hashLeaf(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9)) });
        fails({ hashes: [...hashes, hashLeaf(new Uint8Array())] });
        fails({ index: proof.treeSize });
        fails({ index: -1n });
        if (hashes.length > 0) {
          fails({ hashes: hashes.slice(1) });
          const broken = hashes.map((value, i) => (i === b % hashes.length ? hashChildren(value, value) : value));
          fails({ hashes: broken });
        }
      }),
      { numRuns: 60 },
    );
  });

  it('refuses hashes that are not 32 bytes', () => {
    const proof = { index: 0n, treeSize: 2n, leafHash: hashLeaf(new Uint8Array()), hashes: [new Uint8Array(31)] };
    assert.throws(() => rootFromInclusionProof(proof), code('ERR_INCLUSION_PROOF'));
  });

  it('accepts the consistency proof between all sizes of a tree, and no altered one', () => {
    const entries = Array.from({ length: 20 }, (_, i) => Uint8Array.of(i));
    for (let newSize = 1; newSize <= entries.length; newSize++) {
      for (let oldSize = 1; oldSize <= newSize; oldSize++) {
        const proof = {
          oldSize: BigInt(oldSize),
          newSize: BigInt(newSize),
          oldRoot: root(entries.slice(0, oldSize)),
          newRoot: root(entries.slice(0, newSize)),
          hashes: consistencyPath(oldSize, entries.slice(0, newSize)),
        };
        verifyConsistency(proof);
        const other = hashLeaf(utf8Other);
        for (const altered of [
          { oldRoot: other },
          { newRoot: other },
          { hashes: [...proof.hashes, other] },
          { oldSize: proof.newSize + 1n },
          ...(proof.hashes.length > 0 ? [{ hashes: proof.hashes.slice(1) }, { hashes: [] }] : []),
        ]) {
          assert.throws(() => verifyConsistency({ ...proof, ...altered }), code('ERR_CONSISTENCY_PROOF'));
        }
      }
    }
  });

  it('lets every tree extend the empty one, without a proof', () => {
    const newRoot = root(leaves);
    verifyConsistency({ oldSize: 0n, oldRoot: emptyTreeRoot, newSize: 8n, newRoot, hashes: [] });
    assert.throws(
      () => verifyConsistency({ oldSize: 0n, oldRoot: newRoot, newSize: 8n, newRoot, hashes: [] }),
      code('ERR_CONSISTENCY_PROOF'),
    );
  });
});

const utf8Other = Uint8Array.of(0xff, 0xfe);
