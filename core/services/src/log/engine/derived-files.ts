import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { concat, fromUtf8, levelSize, merkleHashSize, utf8 } from '@signet/primitives/formats';
import { AppendFile, replaceFile } from './append-file.ts';
import type { EntryFormat, NewRecord } from './entry-format.ts';
import { type HashSource, MerkleTree } from './merkle-tree.ts';

/** One offset is kept for this many entries; the ones between are found by walking. */
export const entriesPerOffset = 16;

/** Up to where the derived files are known to be whole and on stable storage. */
export interface DerivedState {
  readonly treeSize: number;
  /** Length of `commit.log` at that size. */
  readonly commitOffset: number;
}

const format = 1;

/**
 * Everything that follows from `entries.dat` and would be slow to compute again: the tree's hashes by level (`L0.dat`,
 * `L1.dat`, …, of which tile N is bytes 8192·N), offsets of every 16th entry (`entries.idx`), and keys of duplicates
 * where they aren't leaf hashes (`keys.dat`). None is synced on the way of an append: `derived.json` says how far they
 * were synced last, and the rest is computed again at the next start. Deleting them all loses nothing but time.
 */
export class DerivedFiles implements HashSource {
  readonly #directory: string;
  readonly #levels: AppendFile[] = [];
  readonly #offsetFile: AppendFile;
  readonly #keyFile: AppendFile | undefined;
  #offsets = new Float64Array(1024);
  #tree: MerkleTree;

  constructor(directory: string, entryFormat: EntryFormat) {
    this.#directory = directory;
    this.#offsetFile = AppendFile.open(join(directory, 'entries.idx'));
    if (entryFormat.duplicateKey !== undefined) this.#keyFile = AppendFile.open(join(directory, 'keys.dat'));
    // All that are there, so that going back to an earlier state cuts every one of them.
    for (const name of readdirSync(directory)) {
      const [, level] = /^L(\d)\.dat$/.exec(name) ?? [];
      if (level !== undefined) this.#level(Number(level));
    }
    this.#tree = new MerkleTree(this, 0);
  }

  /** Goes back to the state that `derived.json` vouches for, or to nothing when it or a file is missing. */
  restore(): DerivedState {
    const state = this.#readState();
    return state !== undefined && this.#reset(state.treeSize) ? state : this.clear();
  }

  get tree(): MerkleTree {
    return this.#tree;
  }

  /** Forgets everything, so that it can be derived again. */
  clear(): DerivedState {
    this.#reset(0);
    return { treeSize: 0, commitOffset: 0 };
  }

  /** Appends what follows from records, the first of which begins at `offset` in `entries.dat`. */
  append(records: readonly NewRecord[], offset: number): void {
    const firstIndex = this.#tree.size;
    const offsets = Buffer.alloc(
      Math.ceil((firstIndex + records.length) / entriesPerOffset - Math.ceil(firstIndex / entriesPerOffset)) * 8,
    );
    let used = 0;
    let recordOffset = offset;
    for (const [i, { record }] of records.entries()) {
      if ((firstIndex + i) % entriesPerOffset === 0) {
        this.#setOffset((firstIndex + i) / entriesPerOffset, recordOffset);
        used = offsets.writeBigUInt64BE(BigInt(recordOffset), used);
      }
      recordOffset += record.length;
    }
    if (used > 0) this.#offsetFile.append(offsets.subarray(0, used));
    this.#keyFile?.append(concat(...records.map(({ key }) => key)));
    for (const [level, hashes] of this.#tree.append(records.map(({ leafHash }) => leafHash)).entries()) {
      this.#level(level).append(concat(...hashes));
    }
  }

  readHashes(level: number, start: number, count: number): Uint8Array {
    return this.#level(level).read(start * merkleHashSize, count * merkleHashSize);
  }

  /** Key by which duplicates of entry `index` are found. */
  keyAt(index: number): Uint8Array {
    return (this.#keyFile ?? this.#level(0)).read(index * merkleHashSize, merkleHashSize);
  }

  /** Keys of all entries in their order, in large pieces. */
  *keys(): Generator<Uint8Array> {
    const piece = 32_768;
    for (let index = 0; index < this.#tree.size; index += piece) {
      const count = Math.min(piece, this.#tree.size - index);
      yield (this.#keyFile ?? this.#level(0)).read(index * merkleHashSize, count * merkleHashSize);
    }
  }

  /** Offset of the last entry not after `index` that has one kept. */
  offsetBefore(index: number): { index: number; offset: number } {
    const group = Math.floor(index / entriesPerOffset);
    return { index: group * entriesPerOffset, offset: this.#offsets[group] ?? 0 };
  }

  /** Syncs all files and then says so in `derived.json`. Appends may go on meanwhile. */
  async save(state: DerivedState): Promise<void> {
    const files = [...this.#levels, this.#offsetFile];
    if (this.#keyFile !== undefined) files.push(this.#keyFile);
    await Promise.all(files.map((file) => file.sync()));
    replaceFile(join(this.#directory, 'derived.json'), utf8(`${JSON.stringify({ format, ...state })}\n`));
  }

  close(): void {
    for (const file of this.#levels) file.close();
    this.#offsetFile.close();
    this.#keyFile?.close();
  }

  /** Cuts every file to `treeSize` entries. False when one is shorter. */
  #reset(treeSize: number): boolean {
    const lengths: [AppendFile, number][] = [[this.#offsetFile, Math.ceil(treeSize / entriesPerOffset) * 8]];
    if (this.#keyFile !== undefined) lengths.push([this.#keyFile, treeSize * merkleHashSize]);
    for (let level = 0; level < this.#levels.length || levelSize(level, treeSize) > 0; level++) {
      lengths.push([this.#level(level), levelSize(level, treeSize) * merkleHashSize]);
    }
    if (lengths.some(([file, length]) => file.size < length)) return false;
    for (const [file, length] of lengths) {
      if (file.size > length) file.truncate(length);
    }
    const stored = this.#offsetFile.read(0, this.#offsetFile.size);
    const view = new DataView(stored.buffer, stored.byteOffset, stored.byteLength);
    for (let i = 0; i < stored.length / 8; i++) this.#setOffset(i, Number(view.getBigUint64(i * 8)));
    this.#tree = new MerkleTree(this, treeSize);
    return true;
  }

  #readState(): DerivedState | undefined {
    let state: unknown;
    try {
      state = JSON.parse(fromUtf8(readFileSync(join(this.#directory, 'derived.json'))));
    } catch {
      // Missing or damaged: everything is derived again, which is the answer to both.
      return undefined;
    }
    if (typeof state !== 'object' || state === null) return undefined;
    const { format: found, treeSize, commitOffset } = state as Record<string, unknown>;
    if (found !== format || !isCount(treeSize) || !isCount(commitOffset)) return undefined;
    return { treeSize, commitOffset };
  }

  #setOffset(group: number, offset: number): void {
    if (group >= this.#offsets.length) {
      const larger = new Float64Array(this.#offsets.length * 2);
      larger.set(this.#offsets);
      this.#offsets = larger;
    }
    this.#offsets[group] = offset;
  }

  #level(level: number): AppendFile {
    for (let next = this.#levels.length; next <= level; next++) {
      this.#levels.push(AppendFile.open(join(this.#directory, `L${next}.dat`)));
    }
    const file = this.#levels[level];
    if (file === undefined) throw new RangeError(`level ${level} is not a level`);
    return file;
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
