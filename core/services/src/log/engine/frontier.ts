import { emptyTreeRoot, hashChildren, tileHeight } from '@signet/primitives/formats';

/**
 * The complete subtrees of a growing tree, one for each binary digit of its size: all that a root needs. It is the plain
 * reading of RFC 6962 §2.1, in constant memory and without the tiles that {@link MerkleTree} works with.
 */
export class Frontier {
  readonly #subtrees: (Uint8Array | undefined)[] = [];

  /**
   * Appends a leaf.
   *
   * @returns the hashes that this adds to tiles: the leaf's own on level 0, and those of subtrees that it completes
   */
  append(leafHash: Uint8Array): Uint8Array[] {
    const added = [leafHash];
    let node = leafHash;
    let height = 0;
    for (let left = this.#subtrees[0]; left !== undefined; left = this.#subtrees[height]) {
      this.#subtrees[height] = undefined;
      node = hashChildren(left, node);
      height += 1;
      if (height % tileHeight === 0) added.push(node);
    }
    this.#subtrees[height] = node;
    return added;
  }

  root(): Uint8Array {
    let root: Uint8Array | undefined;
    for (const subtree of this.#subtrees) {
      if (subtree !== undefined) root = root === undefined ? subtree : hashChildren(subtree, root);
    }
    return root ?? emptyTreeRoot;
  }
}
