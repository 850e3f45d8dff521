import { emptyTreeRoot, hashChildren } from '@signet/primitives/formats';

/** Root hashes of the tree over these leaves at the given sizes. */
export function rootsAt(leafHashes: readonly Uint8Array[], sizes: ReadonlySet<number>): Map<number, Uint8Array> {
  const roots = new Map<number, Uint8Array>([[0, emptyTreeRoot]]);
  // Complete subtrees from left to right, as the binary digits of the size have them.
  const subtrees: Uint8Array[] = [];
  for (const [i, leafHash] of leafHashes.entries()) {
    let node = leafHash;
    for (let size = i; size % 2 === 1; size = (size - 1) / 2) node = hashChildren(subtrees.pop() ?? node, node);
    subtrees.push(node);
    if (sizes.has(i + 1))
      roots.set(
        i + 1,
        subtrees.reduceRight((right, left) => hashChildren(left, right)),
      );
  }
  return roots;
}
