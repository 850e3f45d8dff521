import { concat, equalBytes, fromHex, toHex } from './bytes.ts';
import { SignetError } from './errors.ts';
import { nodeCrypto } from './node-crypto.ts';

/** Bytes of a SHA-256 Merkle tree hash. */
export const merkleHashSize = 32;

const leafPrefix = Uint8Array.of(0x00);
const nodePrefix = Uint8Array.of(0x01);

/** Root of the tree without leaves: the hash of nothing (RFC 6962 §2.1). */
export const emptyTreeRoot: Uint8Array = fromHex('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');

/** Hash of a leaf: `SHA-256(0x00 || entry)` (RFC 6962 §2.1). */
export function hashLeaf(entry: Uint8Array): Uint8Array {
  if (entry.length >= leafInput.length) return sha256(concat(leafPrefix, entry));
  leafInput.set(entry, 1);
  return sha256(leafInput.subarray(0, 1 + entry.length));
}

/** Leaves of the usual size are hashed from here, one at a time; nothing keeps it. */
const leafInput = new Uint8Array(16 * 1024);
leafInput[0] = 0x00;

/** Hash of an inner node: `SHA-256(0x01 || left || right)` (RFC 6962 §2.1). */
export function hashChildren(left: Uint8Array, right: Uint8Array): Uint8Array {
  if (left.length !== merkleHashSize || right.length !== merkleHashSize) return sha256(concat(nodePrefix, left, right));
  nodeInput.set(left, 1);
  nodeInput.set(right, 1 + merkleHashSize);
  return sha256(nodeInput);
}

/** Every inner node is hashed from here, one at a time; nothing keeps it. */
const nodeInput = Buffer.alloc(1 + 2 * merkleHashSize);
nodeInput[0] = 0x01;

/** A leaf, its place, and the hashes that lead from it to the root, from the leaf upwards. */
export interface InclusionProof {
  readonly index: bigint;
  readonly treeSize: bigint;
  readonly leafHash: Uint8Array;
  readonly hashes: readonly Uint8Array[];
}

/**
 * The root that an inclusion proof leads to (RFC 9162 §2.1.3.2). Compare it with a signed root, or use
 * {@link verifyInclusion}.
 *
 * @throws ERR_INCLUSION_PROOF when the index is outside the tree, or a hash is missing, superfluous or not 32 bytes
 */
export function rootFromInclusionProof(proof: InclusionProof): Uint8Array {
  const { index, treeSize, leafHash, hashes } = proof;
  if (index < 0n || index >= treeSize) {
    throw inclusionError(`index ${index} is outside a tree of size ${treeSize}`);
  }
  checkHash(leafHash, inclusionError);
  checkHashes(hashes, inclusionError);
  let fn = index;
  let sn = treeSize - 1n;
  // Between two levels the hash of one is no array of its own: it goes as text to where the next is hashed from.
  let root = '';
  for (const sibling of hashes) {
    if (sn === 0n) throw inclusionError(`${hashes.length} hashes are more than a tree of size ${treeSize} has levels`);
    if ((fn & 1n) === 1n || fn === sn) {
      nodeInput.set(sibling, 1);
      if (root === '') nodeInput.set(leafHash, 1 + merkleHashSize);
      else nodeInput.write(root, 1 + merkleHashSize, 'latin1');
      // The last node of a level without a sibling rises unhashed until it is a right child.
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n;
        sn >>= 1n;
      }
    } else {
      if (root === '') nodeInput.set(leafHash, 1);
      else nodeInput.write(root, 1, 'latin1');
      nodeInput.set(sibling, 1 + merkleHashSize);
    }
    root = nodeCrypto().hash('sha256', nodeInput, 'binary');
    fn >>= 1n;
    sn >>= 1n;
  }
  if (sn !== 0n) throw inclusionError(`${hashes.length} hashes do not reach the root of a tree of size ${treeSize}`);
  return root === '' ? leafHash : octets(root);
}

/**
 * Checks that a leaf is at `index` of the tree with `rootHash`.
 *
 * @throws ERR_INCLUSION_PROOF
 */
export function verifyInclusion(proof: InclusionProof & { readonly rootHash: Uint8Array }): void {
  const root = rootFromInclusionProof(proof);
  if (!equalBytes(root, proof.rootHash)) {
    throw new SignetError('ERR_INCLUSION_PROOF', 'the inclusion proof leads to another root than the signed one', {
      expected: toHex(proof.rootHash),
      found: toHex(root),
    });
  }
}

/** Two tree heads and the hashes that show the older tree to be a prefix of the newer (RFC 6962 §2.1.2). */
export interface ConsistencyProof {
  readonly oldSize: bigint;
  readonly oldRoot: Uint8Array;
  readonly newSize: bigint;
  readonly newRoot: Uint8Array;
  readonly hashes: readonly Uint8Array[];
}

/**
 * Checks that the newer tree only appended to the older (RFC 9162 §2.1.4.2). Every tree extends the empty one, and a tree
 * extends itself; both take an empty proof.
 *
 * @throws ERR_CONSISTENCY_PROOF
 */
export function verifyConsistency(proof: ConsistencyProof): void {
  const { oldSize, oldRoot, newSize, newRoot, hashes } = proof;
  if (oldSize < 0n || oldSize > newSize) {
    throw consistencyError(`a tree of size ${newSize} cannot extend one of size ${oldSize}`);
  }
  checkHashes([oldRoot, newRoot, ...hashes], consistencyError);
  if (oldSize === 0n || oldSize === newSize) {
    if (hashes.length > 0) throw consistencyError(`sizes ${oldSize} and ${newSize} take an empty proof`);
    const expected = oldSize === 0n ? emptyTreeRoot : newRoot;
    if (!equalBytes(oldRoot, expected)) throw rootMismatch('older', oldRoot, expected);
    return;
  }

  let fn = oldSize - 1n;
  let sn = newSize - 1n;
  while ((fn & 1n) === 1n) {
    fn >>= 1n;
    sn >>= 1n;
  }
  // A complete older tree is itself a node of the newer one, and the proof leaves it out.
  const path = fn === 0n ? [oldRoot, ...hashes] : hashes;
  const [first, ...rest] = path;
  if (first === undefined) throw consistencyError('the proof is empty');
  let oldHash = first;
  let newHash = first;
  for (const node of rest) {
    if (sn === 0n) throw consistencyError(`${hashes.length} hashes are more than the trees have levels`);
    if ((fn & 1n) === 1n || fn === sn) {
      oldHash = hashChildren(node, oldHash);
      newHash = hashChildren(node, newHash);
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n;
        sn >>= 1n;
      }
    } else {
      newHash = hashChildren(newHash, node);
    }
    fn >>= 1n;
    sn >>= 1n;
  }
  if (sn !== 0n) throw consistencyError(`${hashes.length} hashes do not reach the root of size ${newSize}`);
  if (!equalBytes(oldHash, oldRoot)) throw rootMismatch('older', oldHash, oldRoot);
  if (!equalBytes(newHash, newRoot)) throw rootMismatch('newer', newHash, newRoot);
}

function checkHashes(hashes: readonly Uint8Array[], error: (reason: string) => SignetError): void {
  for (const value of hashes) checkHash(value, error);
}

function checkHash(value: Uint8Array, error: (reason: string) => SignetError): void {
  if (value.length !== merkleHashSize) throw error(`a hash has ${value.length} bytes instead of ${merkleHashSize}`);
}

function inclusionError(reason: string): SignetError {
  return new SignetError('ERR_INCLUSION_PROOF', `the inclusion proof is malformed: ${reason}`);
}

function consistencyError(reason: string): SignetError {
  return new SignetError('ERR_CONSISTENCY_PROOF', `the consistency proof is malformed: ${reason}`);
}

function rootMismatch(which: string, found: Uint8Array, expected: Uint8Array): SignetError {
  return new SignetError(
    'ERR_CONSISTENCY_PROOF',
    `the trees are inconsistent: the proof leads to another root of the ${which} tree; the log may have been rewritten`,
    { expected: toHex(expected), found: toHex(found) },
  );
}

function sha256(bytes: Uint8Array): Uint8Array {
  // As a string of octets the digest costs a third of what a new Buffer for it does.
  return octets(nodeCrypto().hash('sha256', bytes, 'binary'));
}

function octets(text: string): Uint8Array {
  const bytes = Buffer.allocUnsafe(text.length);
  bytes.write(text, 'latin1');
  return bytes;
}
