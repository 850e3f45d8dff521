import {
  concat,
  formatCheckpoint,
  formatSignedNote,
  logKeyId,
  noteKeyHint,
  noteSignatureType,
  utf8,
} from '@signet/primitives/formats';
import type { Signer } from '@signet/primitives/keys';

interface TreeHead {
  readonly treeSize: number;
  readonly rootHash: Uint8Array;
  /** Milliseconds since 1970. */
  readonly time: number;
}

/**
 * Signs checkpoints as c2sp.org/tlog-checkpoint says.
 *
 * @param name the key's name; by default the log's origin, as it should be, which Rekor v1 does otherwise
 */
export function checkpointSigner(
  origin: string,
  signer: Signer,
  name: string = origin,
): (tree: TreeHead) => Promise<string> {
  const keyHint = logKeyId(name, signer.publicKey).subarray(0, 4);
  return async ({ treeSize, rootHash }) => {
    const text = formatCheckpoint({ origin, treeSize: BigInt(treeSize), rootHash });
    const signature = await signer.sign(utf8(text));
    return formatSignedNote({ text, signatures: [{ name, keyHint, signature }] });
  };
}

/** Signs checkpoints that carry an RFC 6962 tree head with its time (c2sp.org/static-ct-api). */
export function treeHeadSigner(origin: string, logId: Uint8Array, signer: Signer): (tree: TreeHead) => Promise<string> {
  const keyHint = noteKeyHint(origin, noteSignatureType.rfc6962, logId);
  return async ({ treeSize, rootHash, time }) => {
    const text = formatCheckpoint({ origin, treeSize: BigInt(treeSize), rootHash });
    const timestamp = uint64(time);
    // TreeHeadSignature (RFC 6962 §3.5): version 1 is 0, tree_hash is 1.
    const der = await signer.sign(concat(Uint8Array.of(0, 1), timestamp, uint64(treeSize), rootHash));
    const signature = concat(timestamp, digitallySigned(der));
    return formatSignedNote({ text, signatures: [{ name: origin, keyHint, signature }] });
  };
}

/** TLS digitally-signed of an ECDSA signature over SHA-256 (RFC 5246 §4.7). */
export function digitallySigned(der: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(4, 3, der.length >> 8, der.length & 0xff), der);
}

function uint64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}
