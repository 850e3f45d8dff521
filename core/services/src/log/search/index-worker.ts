import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { tiledFormat } from '../tiled-format.ts';
import { IndexDatabase } from './index-database.ts';
import { entryTerms, searchKey } from './search-keys.ts';

/** Where the files are. */
export interface IndexWorkerData {
  readonly databaseFile: string;
  readonly entriesFile: string;
}

// Large enough that neighbours in the table meet, small enough that a search waits for milliseconds.
const bytesPerTransaction = 4 << 20;

const { databaseFile, entriesFile } = workerData as IndexWorkerData;
const database = new IndexDatabase(databaseFile);
let cursor = database.cursor();

/** Indexes what is durable in `entries.dat` up to a size, a piece at a time, and says how far it is. */
parentPort?.on('message', (target: { treeSize: number; endOffset: number }) => {
  // An index that is ahead of its log belongs to a log that was restored from a backup.
  if (cursor.treeSize > target.treeSize || cursor.endOffset > target.endOffset) {
    database.clear();
    cursor = { treeSize: 0, endOffset: 0 };
  }
  const file = openSync(entriesFile, 'r');
  try {
    while (cursor.treeSize < target.treeSize) indexPiece(file, target.endOffset);
  } finally {
    closeSync(file);
  }
  parentPort?.postMessage(cursor.treeSize);
});

function indexPiece(file: number, end: number): void {
  const bytes = Buffer.alloc(Math.min(bytesPerTransaction, end - cursor.endOffset));
  let filled = 0;
  while (filled < bytes.length) {
    const got = readSync(file, bytes, filled, bytes.length - filled, cursor.endOffset + filled);
    if (got === 0) throw new Error(`${entriesFile} ends before byte ${end}`);
    filled += got;
  }
  const keys: { key: Uint8Array; entry: number }[] = [];
  let [entry, offset] = [cursor.treeSize, 0];
  // A piece may end within an entry, which then begins the next one.
  while (offset + 2 <= bytes.length && offset + 2 + bytes.readUInt16BE(offset) <= bytes.length) {
    const length = tiledFormat.recordLength(bytes, offset);
    for (const term of entryTerms(bytes.subarray(offset + 2, offset + length)))
      keys.push({ key: searchKey(term), entry });
    entry += 1;
    offset += length;
  }
  if (offset === 0) throw new Error(`${entriesFile} has no whole entry at byte ${cursor.endOffset}`);
  const next = { treeSize: entry, endOffset: cursor.endOffset + offset };
  database.add(keys, next);
  cursor = next;
}
