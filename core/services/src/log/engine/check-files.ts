import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { equalBytes, merkleHashSize, SignetError, toHex } from '@signet/primitives/formats';
import { AppendFile } from './append-file.ts';
import { type CommitRecord, commitRecordSize, decodeCommitRecord } from './commit-record.ts';
import { entriesPerOffset } from './derived-files.ts';
import { lockDirectory } from './directory-lock.ts';
import { DuplicateIndex } from './duplicate-index.ts';
import type { EntryFormat } from './entry-format.ts';
import { ForkGuard, type ReleasedCheckpoint } from './fork-guard.ts';
import { Frontier } from './frontier.ts';

/** What a check of every byte has found. */
export interface FileCheck {
  readonly treeSize: number;
  readonly rootHash: Uint8Array;
  /** Damage to what was acknowledged: restore from a backup. */
  readonly damage: readonly string[];
  /** Damage to files that can be derived again: delete `derived.json` and start. */
  readonly derivedDamage: readonly string[];
  /** Bytes of a batch that was never acknowledged; the next start cuts them off. */
  readonly tornBytes: number;
  readonly released: ReleasedCheckpoint | undefined;
}

/**
 * Computes everything again from `entries.dat` and compares: the checksum and root of every batch, every hash, offset and
 * key that is derived, the last released checkpoint's root, and that no entry is there twice. Nothing is changed.
 *
 * @throws ERR_LOG_LOCKED while the log is served; ERR_LOG_STORAGE
 */
export function checkFiles(directory: string, format: EntryFormat): FileCheck {
  for (const name of ['entries.dat', 'commit.log']) {
    if (!existsSync(join(directory, name))) {
      throw new SignetError('ERR_LOG_CORRUPT', `${join(directory, name)} is missing; restore it from a backup`);
    }
  }
  const lock = lockDirectory(directory);
  try {
    return new FileChecker(directory, format).check();
  } finally {
    lock.release();
  }
}

class FileChecker {
  readonly #directory: string;
  readonly #format: EntryFormat;
  readonly #damage: string[] = [];
  readonly #derivedDamage = new Map<string, string>();
  readonly #files = new Map<string, AppendFile>();
  readonly #derivedLengths = new Map<string, number>();
  readonly #frontier = new Frontier();
  readonly #keys: Uint8Array[] = [];
  readonly #duplicates = new DuplicateIndex((index) => this.#keys[index] ?? new Uint8Array());
  #size = 0;

  constructor(directory: string, format: EntryFormat) {
    this.#directory = directory;
    this.#format = format;
  }

  check(): FileCheck {
    const guard = new ForkGuard(join(this.#directory, 'released.dat'), false);
    try {
      const released = guard.read();
      const tornBytes = this.#checkBatches(released);
      for (const [name, length] of this.#derivedLengths) {
        if (!this.#derivedDamage.has(name) && this.#file(name).size < length)
          this.#derivedDamage.set(name, `${name} is too short`);
      }
      if (released !== undefined && released.treeSize > this.#size) {
        this.#damage.push(`a checkpoint over ${released.treeSize} entries was released, and ${this.#size} are there`);
      }
      return {
        treeSize: this.#size,
        rootHash: this.#frontier.root(),
        damage: this.#damage,
        derivedDamage: [...this.#derivedDamage.values()],
        tornBytes,
        released,
      };
    } finally {
      guard.close();
      for (const file of this.#files.values()) file.close();
    }
  }

  /** @returns bytes after the last whole batch */
  #checkBatches(released: ReleasedCheckpoint | undefined): number {
    const commits = this.#file('commit.log');
    const entries = this.#file('entries.dat');
    this.#checkReleased(released);
    let [offset, entriesEnd] = [0, 0];
    for (; offset + commitRecordSize <= commits.size; offset += commitRecordSize) {
      const record = decodeCommitRecord(commits.read(offset, commitRecordSize));
      const whole = record !== undefined && record.endOffset >= entriesEnd && record.endOffset <= entries.size;
      const bytes = whole ? entries.read(entriesEnd, record.endOffset - entriesEnd) : undefined;
      if (record === undefined || bytes === undefined || crc32(bytes) !== record.rangeChecksum) {
        const isLast = offset + 2 * commitRecordSize > commits.size;
        const known = released === undefined || this.#size >= released.treeSize;
        if (!isLast || !known)
          this.#damage.push(`the batch at byte ${offset} of commit.log is damaged (entry ${this.#size} on)`);
        break;
      }
      this.#checkBatch(record, bytes, entriesEnd, released);
      entriesEnd = record.endOffset;
    }
    return commits.size - offset + entries.size - entriesEnd;
  }

  #checkBatch(record: CommitRecord, bytes: Uint8Array, start: number, released: ReleasedCheckpoint | undefined): void {
    for (let offset = 0; offset < bytes.length; ) {
      const entry = bytes.subarray(offset, offset + this.#format.recordLength(bytes, offset));
      this.#checkEntry(entry, start + offset);
      offset += entry.length;
      this.#checkReleased(released);
    }
    const root = this.#frontier.root();
    if (record.treeSize !== this.#size || !equalBytes(record.rootHash, root)) {
      this.#damage.push(
        `commit.log says size ${record.treeSize} and root ${toHex(record.rootHash)}, the entries have size ${this.#size} and root ${toHex(root)}`,
      );
    }
  }

  #checkEntry(record: Uint8Array, offset: number): void {
    const leafHash = this.#format.leafHash(record);
    const key = this.#format.duplicateKey?.(record) ?? leafHash;
    const twin = this.#duplicates.find(key);
    if (twin === undefined) this.#duplicates.add(key, this.#size);
    else this.#damage.push(`entry ${this.#size} is entry ${twin} again`);
    this.#keys.push(key);
    for (const [level, value] of this.#frontier.append(leafHash).entries()) {
      this.#checkDerived(`L${level}.dat`, Math.floor(this.#size / 256 ** level) * merkleHashSize, value);
    }
    if (this.#format.duplicateKey !== undefined) this.#checkDerived('keys.dat', this.#size * merkleHashSize, key);
    if (this.#size % entriesPerOffset === 0) {
      const encoded = Buffer.alloc(8);
      encoded.writeBigUInt64BE(BigInt(offset));
      this.#checkDerived('entries.idx', (this.#size / entriesPerOffset) * 8, encoded);
    }
    this.#size += 1;
  }

  #checkReleased(released: ReleasedCheckpoint | undefined): void {
    if (released?.treeSize !== this.#size || equalBytes(released.rootHash, this.#frontier.root())) return;
    this.#damage.push(`the checkpoint that was released over ${this.#size} entries has another root than they have`);
  }

  #checkDerived(name: string, position: number, expected: Uint8Array): void {
    this.#derivedLengths.set(name, position + expected.length);
    if (!this.#files.has(name) && !existsSync(join(this.#directory, name))) {
      this.#derivedDamage.set(name, `${name} is missing`);
    }
    if (this.#derivedDamage.has(name)) return;
    const file = this.#file(name);
    if (position + expected.length > file.size) return;
    if (!equalBytes(file.read(position, expected.length), expected)) {
      this.#derivedDamage.set(name, `${name} is not what entry ${this.#size} makes of it, at byte ${position}`);
    }
  }

  #file(name: string): AppendFile {
    const known = this.#files.get(name);
    if (known !== undefined) return known;
    const file = AppendFile.open(join(this.#directory, name));
    this.#files.set(name, file);
    return file;
  }
}
