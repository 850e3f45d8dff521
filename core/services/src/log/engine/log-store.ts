import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { concat, emptyTreeRoot, equalBytes, SignetError, tileWidth, toHex } from '@signet/primitives/formats';
import { AppendFile, syncDirectory } from './append-file.ts';
import { type CommitRecord, commitRecordSize, decodeCommitRecord, encodeCommitRecord } from './commit-record.ts';
import { DerivedFiles, type DerivedState, entriesPerOffset } from './derived-files.ts';
import type { EntryFormat, NewRecord } from './entry-format.ts';
import type { ReleasedCheckpoint } from './fork-guard.ts';
import type { MerkleTree } from './merkle-tree.ts';

/** State after a batch. */
export interface StoreState {
  readonly treeSize: number;
  readonly endOffset: number;
  readonly rootHash: Uint8Array;
  /** Milliseconds since 1970 at which the last batch was sequenced; 0 in an empty log. */
  readonly time: number;
}

const emptyState: StoreState = { treeSize: 0, endOffset: 0, rootHash: emptyTreeRoot, time: 0 };

// Derived files are synced after this many entries, so that a start after a crash derives at most so many again.
const entriesPerSnapshot = 16_384;
// Fewer than the tiles that a tree keeps in memory.
const recordsPerStep = 4096;

/**
 * The files of one log. Two of them are authoritative: `entries.dat`, all records one after another, and `commit.log`, a
 * record for each batch with size, root and checksum. A batch is there when both are synced; whatever else is on disk
 * follows from these two.
 *
 * Only one batch is ever in flight. So after a crash at most one batch, the last, can be torn, nobody was told about it,
 * and it is cut off. Anything else that does not fit is damage to acknowledged entries, and the log refuses to start.
 */
export class LogStore {
  readonly #format: EntryFormat;
  readonly #entries: AppendFile;
  readonly #commits: AppendFile;
  readonly #derived: DerivedFiles;
  #state: StoreState = emptyState;
  #commitEnd = 0;
  #saved = 0;
  #saving: Promise<void> = Promise.resolve();

  private constructor(directory: string, format: EntryFormat) {
    this.#format = format;
    this.#entries = AppendFile.open(join(directory, 'entries.dat'));
    this.#commits = AppendFile.open(join(directory, 'commit.log'));
    this.#derived = new DerivedFiles(directory, format);
  }

  /**
   * Opens or creates the files and recovers from a crash.
   *
   * @param released the last checkpoint that the fork guard knows
   * @throws ERR_LOG_CORRUPT when acknowledged entries are damaged; ERR_LOG_BEHIND when the log is not an extension of what
   *   it released; ERR_LOG_STORAGE. Nothing has been changed then except derived files.
   */
  static open(directory: string, format: EntryFormat, released: ReleasedCheckpoint | undefined): LogStore {
    const store = new LogStore(directory, format);
    try {
      store.#recover(store.#derived.restore());
      store.#checkReleased(released);
      store.#cutTornTail();
      syncDirectory(directory);
      return store;
    } catch (error) {
      store.closeFiles();
      throw error;
    }
  }

  get state(): StoreState {
    return this.#state;
  }

  get tree(): MerkleTree {
    return this.#derived.tree;
  }

  /**
   * Writes a batch without waiting for the disk. It does not count before {@link sync} has resolved.
   *
   * @returns the state to be after it
   */
  append(records: readonly NewRecord[], time: number): StoreState {
    const bytes = concat(...records.map(({ record }) => record));
    const { endOffset } = this.#state;
    this.#entries.append(bytes);
    this.#derived.append(records, endOffset);
    const treeSize = this.tree.size;
    this.#state = { treeSize, endOffset: endOffset + bytes.length, rootHash: this.tree.root(treeSize), time };
    this.#commits.append(encodeCommitRecord({ ...this.#state, rangeChecksum: crc32(bytes) }));
    this.#commitEnd = this.#commits.size;
    return this.#state;
  }

  /** Resolves when every batch written so far is on stable storage. A failure is final (see ERR_LOG_STORAGE). */
  async sync(): Promise<void> {
    await Promise.all([this.#entries.sync(), this.#commits.sync()]);
  }

  /** Syncs derived files now and then, beside the appends. To be called between batches. */
  saveDerived(always = false): Promise<void> {
    const { treeSize } = this.#state;
    if (!always && treeSize - this.#saved < entriesPerSnapshot) return Promise.resolve();
    if (treeSize === this.#saved) return this.#saving;
    this.#saved = treeSize;
    const state = { treeSize, commitOffset: this.#commitEnd };
    this.#saving = this.#saving.then(() => this.#derived.save(state));
    return this.#saving;
  }

  /** Hashes `start` to `start + count` of a tile level. */
  readHashes(level: number, start: number, count: number): Uint8Array {
    return this.#derived.readHashes(level, start, count);
  }

  keyAt(index: number): Uint8Array {
    return this.#derived.keyAt(index);
  }

  /** Milliseconds since 1970 at which entry `index`, which must be there, was sequenced: its batch's time. */
  timeAt(index: number): number {
    let [first, last] = [0, this.#commitEnd / commitRecordSize - 1];
    // Whoever asks has mostly just appended.
    for (let middle = last; first < last; middle = (first + last) >>> 1) {
      const before = middle === 0 ? 0 : this.#commitAt(middle - 1).treeSize;
      if (index < before) last = middle - 1;
      else if (index < this.#commitAt(middle).treeSize) return this.#commitAt(middle).time;
      else first = middle + 1;
    }
    return this.#commitAt(first).time;
  }

  keys(): Generator<Uint8Array> {
    return this.#derived.keys();
  }

  /** The bytes of entry bundle `index` with its first `width` entries, which must be there. */
  async readBundle(index: number, width: number): Promise<Uint8Array> {
    const start = await this.#offsetOf(index * tileWidth);
    const end = await this.#offsetOf(index * tileWidth + width);
    return this.#entries.readLarge(start, end - start);
  }

  /** The record of entry `index`, which must be there. One read, of the entries since the last one with a known offset. */
  async readRecord(index: number): Promise<Uint8Array> {
    const { bytes, offset } = await this.#readFrom(index);
    return bytes.subarray(offset, offset + this.#format.recordLength(bytes, offset));
  }

  closeFiles(): void {
    this.#entries.close();
    this.#commits.close();
    this.#derived.close();
  }

  async #offsetOf(index: number): Promise<number> {
    const { treeSize, endOffset } = this.#state;
    if (index === treeSize) return endOffset;
    const known = this.#derived.offsetBefore(index);
    if (known.index === index) return known.offset;
    return known.offset + (await this.#readFrom(index)).offset;
  }

  /** The entries from one with a known offset on, with `index` among them, and where it begins. */
  async #readFrom(index: number): Promise<{ bytes: Uint8Array; offset: number }> {
    const { treeSize, endOffset } = this.#state;
    const known = this.#derived.offsetBefore(index);
    const nextKept = known.index + entriesPerOffset;
    const end = nextKept >= treeSize ? endOffset : this.#derived.offsetBefore(nextKept).offset;
    const bytes = await this.#entries.readLarge(known.offset, end - known.offset);
    let offset = 0;
    for (let i = known.index; i < index; i++) offset += this.#format.recordLength(bytes, offset);
    return { bytes, offset };
  }

  /** Reads `commit.log` from where the derived files end, and derives the rest again. */
  #recover({ treeSize, commitOffset }: DerivedState): void {
    if (!this.#startFrom(treeSize, commitOffset)) {
      this.#recover(this.#derived.clear());
      return;
    }
    let offset = commitOffset;
    for (; offset + commitRecordSize <= this.#commits.size; offset += commitRecordSize) {
      const record = this.#readCommit(offset);
      const bytes = record === undefined ? undefined : this.#readRange(record);
      if (record === undefined || bytes === undefined) break;
      this.#deriveAgain(bytes);
      if (this.tree.size !== record.treeSize)
        throw corrupt(`batch ${offset} of commit.log has another number of entries`);
      this.#state = record;
    }
    this.#commitEnd = offset;
    for (
      let after = offset + commitRecordSize;
      after + commitRecordSize <= this.#commits.size;
      after += commitRecordSize
    ) {
      if (this.#readCommit(after) !== undefined) {
        throw corrupt(`the batch at byte ${offset} of commit.log is damaged, and later ones are not`);
      }
    }
    const root = this.tree.root(this.tree.size);
    if (!equalBytes(root, this.#state.rootHash)) {
      // Derived files that are not what they claim are no reason to give up: entries.dat decides.
      if (commitOffset > 0) {
        this.#recover(this.#derived.clear());
        return;
      }
      throw new SignetError('ERR_LOG_CORRUPT', 'entries.dat does not have the root that commit.log recorded for it', {
        expected: toHex(this.#state.rootHash),
        found: toHex(root),
      });
    }
    this.#saved = treeSize;
  }

  /** Takes the state of the batch that ends at `commitOffset`. False when there is no such batch of this size. */
  #startFrom(treeSize: number, commitOffset: number): boolean {
    if (commitOffset === 0) {
      this.#state = emptyState;
      return treeSize === 0;
    }
    if (commitOffset % commitRecordSize !== 0 || commitOffset > this.#commits.size) return false;
    const last = this.#readCommit(commitOffset - commitRecordSize);
    if (last === undefined || last.treeSize !== treeSize || last.endOffset > this.#entries.size) return false;
    this.#state = last;
    return true;
  }

  #commitAt(number: number): CommitRecord {
    const record = this.#readCommit(number * commitRecordSize);
    if (record === undefined) throw corrupt(`record ${number} of commit.log cannot be read`);
    return record;
  }

  #readCommit(offset: number): CommitRecord | undefined {
    return decodeCommitRecord(this.#commits.read(offset, commitRecordSize));
  }

  /** What a batch added to `entries.dat`, if it is all there. */
  #readRange(record: CommitRecord): Uint8Array | undefined {
    const { treeSize, endOffset } = this.#state;
    if (record.treeSize <= treeSize || record.endOffset < endOffset || record.endOffset > this.#entries.size) {
      return undefined;
    }
    const bytes = this.#entries.read(endOffset, record.endOffset - endOffset);
    return crc32(bytes) === record.rangeChecksum ? bytes : undefined;
  }

  #deriveAgain(bytes: Uint8Array): void {
    let records: NewRecord[] = [];
    let stepOffset = 0;
    const step = (end: number): void => {
      this.#derived.append(records, this.#state.endOffset + stepOffset);
      records = [];
      stepOffset = end;
    };
    for (let offset = 0; offset < bytes.length; ) {
      const record = bytes.subarray(offset, offset + this.#format.recordLength(bytes, offset));
      offset += record.length;
      const leafHash = this.#format.leafHash(record);
      records.push({ record, leafHash, key: this.#format.duplicateKey?.(record) ?? leafHash });
      if (records.length === recordsPerStep) step(offset);
    }
    step(bytes.length);
  }

  #checkReleased(released: ReleasedCheckpoint | undefined): void {
    if (released === undefined) return;
    const { treeSize } = this.#state;
    if (released.treeSize > treeSize) {
      throw new SignetError(
        'ERR_LOG_BEHIND',
        `the log has ${treeSize} entries, but it has released a checkpoint over ${released.treeSize}. Starting would fork ` +
          'it. Were the files truncated or restored from an older backup? Restore the newer files, or open a new log.',
        { expected: `at least ${released.treeSize} entries`, found: `${treeSize} entries` },
      );
    }
    const root = this.tree.root(released.treeSize);
    if (!equalBytes(root, released.rootHash)) {
      throw new SignetError(
        'ERR_LOG_BEHIND',
        `the log's first ${released.treeSize} entries are not those that it released a checkpoint over; starting would fork it`,
        { expected: toHex(released.rootHash), found: toHex(root) },
      );
    }
  }

  #cutTornTail(): void {
    const { endOffset } = this.#state;
    if (this.#entries.size > endOffset) this.#entries.truncate(endOffset);
    if (this.#commits.size > this.#commitEnd) this.#commits.truncate(this.#commitEnd);
  }
}

function corrupt(reason: string): SignetError {
  return new SignetError('ERR_LOG_CORRUPT', `the log's files are damaged: ${reason}; restore them from a backup`);
}
