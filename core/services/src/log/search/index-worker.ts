import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { tiledFormat } from '../tiled-format.ts';
import type { EntryTypes } from '../types/index.ts';
import type { IndexTarget } from './entry-index.ts';
import { firstCursor, IndexDatabase } from './index-database.ts';
import { nameTerm, readPackageNames } from './package-names.ts';
import { entryTerms, type SearchTerm, searchKey } from './search-keys.ts';

/** Where the files are. */
export interface IndexWorkerData {
  readonly databaseFile: string;
  readonly entriesFile: string;
  readonly packagesFile: string;
  /** Modules of entry types that the log takes beyond Rekor's. */
  readonly entryTypes: readonly string[];
}

// Large enough that neighbours in the table meet, small enough that a search waits for milliseconds.
const bytesPerTransaction = 1 << 20;

const { databaseFile, entriesFile, packagesFile, entryTypes } = workerData as IndexWorkerData;
const database = new IndexDatabase(databaseFile);
let cursor = database.cursor();
let types: EntryTypes | undefined;

/** Indexes what is durable in `entries.dat` up to a size, a piece at a time, then the names, and says how far it is. */
parentPort?.on('message', async (target: IndexTarget) => {
  // An index that is ahead of its log belongs to a log that was restored from a backup.
  const { treeSize, endOffset, packagesEnd } = cursor;
  if (treeSize > target.treeSize || endOffset > target.endOffset || packagesEnd > target.packagesEnd) {
    database.clear();
    cursor = firstCursor;
  }
  if (cursor.treeSize < target.treeSize) {
    const file = openSync(entriesFile, 'r');
    try {
      while (cursor.treeSize < target.treeSize) await indexPiece(file, target.endOffset);
    } finally {
      closeSync(file);
    }
  }
  if (cursor.packagesEnd < target.packagesEnd) indexPackages(target.packagesEnd);
  parentPort?.postMessage(cursor);
});

function indexPackages(end: number): void {
  const file = openSync(packagesFile, 'r');
  try {
    while (cursor.packagesEnd < end) {
      const bytes = read(
        file,
        packagesFile,
        cursor.packagesEnd,
        Math.min(bytesPerTransaction, end - cursor.packagesEnd),
      );
      const length = bytes.lastIndexOf(10) + 1;
      if (length === 0) throw new Error(`${packagesFile} has no whole line at byte ${cursor.packagesEnd}`);
      const keys = readPackageNames(bytes.subarray(0, length)).map(({ entry, packageUrl }) => ({
        key: searchKey(nameTerm(packageUrl)),
        entry,
      }));
      const next = { ...cursor, packagesEnd: cursor.packagesEnd + length };
      database.add(keys, next);
      cursor = next;
    }
  } finally {
    closeSync(file);
  }
}

function read(file: number, path: string, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const got = readSync(file, bytes, filled, length - filled, offset + filled);
    if (got === 0) throw new Error(`${path} ends before byte ${offset + length}`);
    filled += got;
  }
  return bytes;
}

async function indexPiece(file: number, end: number): Promise<void> {
  const bytes = read(file, entriesFile, cursor.endOffset, Math.min(bytesPerTransaction, end - cursor.endOffset));
  const keys: { key: string; entry: number }[] = [];
  let [entry, offset] = [cursor.treeSize, 0];
  // A piece may end within an entry, which then begins the next one.
  while (offset + 2 <= bytes.length && offset + 2 + bytes.readUInt16BE(offset) <= bytes.length) {
    const length = tiledFormat.recordLength(bytes, offset);
    const terms = await termsOf(bytes.subarray(offset + 2, offset + length));
    for (const term of terms) keys.push({ key: searchKey(term), entry });
    entry += 1;
    offset += length;
  }
  if (offset === 0) throw new Error(`${entriesFile} has no whole entry at byte ${cursor.endOffset}`);
  const next = { ...cursor, treeSize: entry, endOffset: cursor.endOffset + offset };
  database.add(keys, next);
  cursor = next;
}

/** What bundles use is read at once; the other types are loaded when the first of their entries comes by. */
async function termsOf(body: Uint8Array): Promise<readonly SearchTerm[]> {
  const terms = entryTerms(body);
  if (terms.length > 0) return terms;
  if (types === undefined) {
    const { EntryTypes } = await import('../types/index.ts');
    types = await EntryTypes.load(entryTypes);
  }
  return types.searchTerms(body);
}
