import { concat, utf8 } from './bytes.ts';
import type { Checkpoint } from './checkpoint.ts';
import { SignetError } from './errors.ts';
import { noteSignatureType } from './note.ts';

/** A witness's signature on a checkpoint, taken apart (c2sp.org/tlog-cosignature). */
export interface Cosignature {
  /** Seconds since 1970 at which the witness saw no larger tree; with ML-DSA 0 where it says nothing of that. */
  readonly timestamp: bigint;
  readonly signature: Uint8Array;
}

const signatureLengths: Readonly<Record<number, number>> = {
  [noteSignatureType.cosignatureV1]: 64,
  [noteSignatureType.mlDsa44]: 2420,
};
const maximumTimestamp = 2n ** 63n - 1n;

/**
 * Reads a `timestamped_signature`: what follows the key hint in the witness's line.
 *
 * @param type signature type of the witness's key, {@link noteSignatureType}
 * @throws ERR_COSIGNATURE
 */
export function parseCosignature(type: number, bytes: Uint8Array): Cosignature {
  const expected = 8 + (signatureLengths[type] ?? 0);
  if (expected === 8 || bytes.length !== expected) {
    throw new SignetError('ERR_COSIGNATURE', `a cosignature has ${bytes.length} bytes instead of ${expected}`, {
      expected: String(expected),
      found: String(bytes.length),
    });
  }
  const timestamp = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0);
  if (timestamp > maximumTimestamp) throw new SignetError('ERR_COSIGNATURE', 'a cosignature has an impossible time');
  return { timestamp, signature: bytes.subarray(8) };
}

/**
 * What a witness signs. With Ed25519 it is text around the whole note, without the witness's name; with ML-DSA-44 a
 * structure that names the witness and leaves extension lines out.
 *
 * @param noteText the checkpoint's text as it stands in the note
 * @param checkpoint what was read from it
 * @throws ERR_COSIGNATURE for another type, or a name that the structure cannot hold
 */
export function cosignedMessage(cosigned: {
  readonly type: number;
  readonly witness: string;
  readonly timestamp: bigint;
  readonly noteText: string;
  readonly checkpoint: Checkpoint;
}): Uint8Array {
  const { type, witness, timestamp, noteText, checkpoint } = cosigned;
  if (type === noteSignatureType.cosignatureV1) return utf8(`cosignature/v1\ntime ${timestamp}\n${noteText}`);
  if (type !== noteSignatureType.mlDsa44) {
    throw new SignetError('ERR_COSIGNATURE', `signature type 0x${type.toString(16)} is not one of cosignatures`);
  }
  return concat(
    utf8('subtree/v1\n\0'),
    shortOpaque(utf8(witness), 'name of the witness'),
    uint64(timestamp),
    shortOpaque(utf8(checkpoint.origin), 'origin of the log'),
    uint64(0n),
    uint64(checkpoint.treeSize),
    checkpoint.rootHash,
  );
}

/** A vector of 1 to 255 bytes with its length before it (RFC 8446 §3.4). */
function shortOpaque(bytes: Uint8Array, what: string): Uint8Array {
  if (bytes.length === 0 || bytes.length > 255) {
    throw new SignetError('ERR_COSIGNATURE', `the ${what} has ${bytes.length} bytes; 1 to 255 can be cosigned`);
  }
  return concat(Uint8Array.of(bytes.length), bytes);
}

function uint64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}
