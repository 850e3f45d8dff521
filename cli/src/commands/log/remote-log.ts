import type { TrustedLog } from '@signet/client/trust';
import {
  equalBytes,
  parseCheckpoint,
  parseSignedNote,
  SignetError,
  type TransparencyLogEntry,
  toHex,
  utf8,
  verifyConsistency,
} from '@signet/primitives/formats';

/** A checkpoint whose signature is the log's. */
export interface VerifiedCheckpoint {
  readonly log: TrustedLog;
  /** Of the tree: what the checkpoint says that it is of. */
  readonly origin: string;
  readonly treeSize: bigint;
  readonly rootHash: Uint8Array;
  /** The signed note. */
  readonly note: string;
}

/** The present state of a shard. */
export interface ShardHead extends VerifiedCheckpoint {
  /** The index that the next entry of the shard would have. */
  readonly nextIndex: bigint;
}

/** An entry that has been proven to be in the log. */
export interface VerifiedEntry {
  readonly log: TrustedLog;
  readonly entry: TransparencyLogEntry;
  readonly checkpoint: VerifiedCheckpoint;
  /** Sigstore's TransparencyLogEntry. */
  readonly json: unknown;
}

/** What a search is answered with. */
export interface SearchResult {
  readonly entries: readonly VerifiedEntry[];
  readonly next: string | undefined;
}

/**
 * A log that is read over HTTP, by either of Rekor's APIs. What it says of itself counts for nothing: an entry, a checkpoint or a
 * proof comes out of here only when it verifies with a key of the trust root.
 */
export interface RemoteLog {
  readonly url: string;
  /** The present checkpoints of all shards, the first one first. @throws ERR_CHECKPOINT_SIGNATURE, ERR_NETWORK, … */
  heads(): Promise<readonly ShardHead[]>;
  /** The present checkpoint of a shard, by default of the last one. @throws ERR_LOG_UNTRUSTED, and as {@link RemoteLog.heads} */
  head(shard?: number): Promise<ShardHead>;
  /**
   * The entry with an index.
   *
   * @param shard where the index counts within a shard; by default the last one
   * @throws ERR_LOG_RESPONSE, ERR_INCLUSION_PROOF, ERR_CHECKPOINT_SIGNATURE, ERR_LOG_UNTRUSTED, ERR_USAGE
   */
  entry(index: bigint, shard?: number): Promise<VerifiedEntry>;
  /** A part of the entries that match; that there are no others is the log's word alone. */
  search(query: Readonly<Record<string, unknown>>): Promise<SearchResult>;
  /** Whether the log says that it is read with a token. */
  readers(): Promise<'public' | 'token'>;
  /** Verifies a checkpoint that was kept, as one of the shard with this head. */
  verifyKept(note: string, head: ShardHead): VerifiedCheckpoint;
  /** The hashes of a consistency proof, unverified. */
  consistencyProof(older: VerifiedCheckpoint, newer: VerifiedCheckpoint): Promise<readonly Uint8Array[]>;
  /** The head after one that was seen: of the same shard, or of the one that follows where indices run through all of them. */
  following(seen: ShardHead): Promise<ShardHead>;
}

/**
 * Checks that the tree of one checkpoint goes on where another's ends.
 *
 * @throws ERR_CONSISTENCY_PROOF: the log has shown two histories, or forgotten one
 */
export async function checkConsistency(
  log: RemoteLog,
  older: VerifiedCheckpoint,
  newer: VerifiedCheckpoint,
): Promise<void> {
  if (newer.treeSize < older.treeSize) {
    throw new SignetError(
      'ERR_CONSISTENCY_PROOF',
      'the log has become shorter: it was rolled back, or shows two histories',
      {
        expected: `at least ${older.treeSize} entries`,
        found: `${newer.treeSize} entries`,
      },
    );
  }
  if (newer.treeSize === older.treeSize) {
    if (equalBytes(newer.rootHash, older.rootHash)) return;
    throw new SignetError('ERR_CONSISTENCY_PROOF', `the log has signed two trees of ${newer.treeSize} entries`, {
      expected: toHex(older.rootHash),
      found: toHex(newer.rootHash),
    });
  }
  if (older.treeSize === 0n) return;
  const hashes = await log.consistencyProof(older, newer);
  const sizes = { oldSize: older.treeSize, newSize: newer.treeSize };
  verifyConsistency({ ...sizes, oldRoot: older.rootHash, newRoot: newer.rootHash, hashes });
}

/**
 * Verifies that a checkpoint is signed by a log's key under a name.
 *
 * @throws ERR_NOTE_FORMAT, ERR_CHECKPOINT_FORMAT, ERR_CHECKPOINT_MISMATCH, ERR_CHECKPOINT_SIGNATURE
 */
export function verifyCheckpoint(note: string, log: TrustedLog, name: string, isOrigin: RegExp): VerifiedCheckpoint {
  const { text, signatures } = parseSignedNote(note);
  const { origin, treeSize, rootHash } = parseCheckpoint(text);
  if (!isOrigin.test(origin)) {
    throw new SignetError('ERR_CHECKPOINT_MISMATCH', 'the checkpoint is of another log', {
      expected: name,
      found: origin,
    });
  }
  const own = signatures.filter((line) => line.name === name && log.hasKeyHint(line.keyHint));
  if (!own.some(({ signature }) => log.hasSigned(utf8(text), signature)))
    throw new SignetError('ERR_CHECKPOINT_SIGNATURE', `no signature of the checkpoint is of the key of ${name}`);
  return { log, origin, treeSize, rootHash, note };
}

/** Reads the hashes of a proof. @throws ERR_LOG_RESPONSE */
export function readProof(hashes: unknown, read: (hash: string) => Uint8Array): readonly Uint8Array[] {
  if (!Array.isArray(hashes) || hashes.length > 128) {
    throw new SignetError('ERR_LOG_RESPONSE', 'the log answers with no consistency proof');
  }
  return hashes.map((hash: unknown) => read(typeof hash === 'string' ? hash : ''));
}

/** A pattern of exactly this text, and what may follow it. */
export function originPattern(name: string, more = ''): RegExp {
  return new RegExp(`^${name.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')}${more}$`);
}
