import { fromBase64, toBase64 } from './bytes.ts';
import { SignetError } from './errors.ts';
import { merkleHashSize } from './merkle.ts';

// Tree sizes travel as int64 in Sigstore's messages.
const maximumTreeSize = 2n ** 63n - 1n;

/** What a log signs: who it is, how many leaves it has and the root over them (c2sp.org/tlog-checkpoint). */
export interface Checkpoint {
  readonly origin: string;
  readonly treeSize: bigint;
  readonly rootHash: Uint8Array;
  /** Opaque further lines, without their newlines. */
  readonly extensions: readonly string[];
}

/**
 * Reads the text of a checkpoint, which is the part of the signed note before its signatures.
 *
 * @throws ERR_CHECKPOINT_FORMAT
 */
export function parseCheckpoint(noteText: string): Checkpoint {
  if (!noteText.endsWith('\n')) throw checkpointError('its text does not end in a newline');
  const [origin, size, root, ...extensions] = noteText.slice(0, -1).split('\n');
  if (origin === undefined || size === undefined || root === undefined) {
    throw checkpointError('it has fewer than three lines');
  }
  if (origin === '') throw checkpointError('its origin is empty');
  if (!/^(0|[1-9][0-9]{0,18})$/.test(size)) throw checkpointError('its tree size is not a plain decimal number');
  const treeSize = BigInt(size);
  if (treeSize > maximumTreeSize) throw checkpointError('its tree size is larger than 2^63 - 1');
  const rootHash = fromBase64(root, 'checkpoint root hash');
  if (rootHash.length !== merkleHashSize) {
    throw checkpointError(`its root hash has ${rootHash.length} bytes instead of ${merkleHashSize}`);
  }
  if (extensions.includes('')) throw checkpointError('it has an empty line');
  return { origin, treeSize, rootHash, extensions };
}

/**
 * The text of a checkpoint, ready to be signed as a note.
 *
 * @throws ERR_CHECKPOINT_FORMAT when it could not be read back
 */
export function formatCheckpoint(checkpoint: Omit<Checkpoint, 'extensions'> & Partial<Checkpoint>): string {
  const { origin, treeSize, rootHash, extensions = [] } = checkpoint;
  const lines = [origin, treeSize.toString(), toBase64(rootHash), ...extensions];
  if (lines.some((line) => line.includes('\n'))) throw checkpointError('a line contains a newline');
  const text = `${lines.join('\n')}\n`;
  parseCheckpoint(text);
  return text;
}

function checkpointError(reason: string): SignetError {
  return new SignetError('ERR_CHECKPOINT_FORMAT', `the checkpoint is malformed: ${reason}`);
}
