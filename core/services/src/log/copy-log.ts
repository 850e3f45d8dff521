import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { SignetError } from '@signet/primitives/formats';
import { AppendFile, storageError, syncDirectory } from './engine/append-file.ts';
import { commitRecordSize, decodeCommitRecord } from './engine/commit-record.ts';
import { ForkGuard } from './engine/fork-guard.ts';
import { packageNamesFile, readPackageNames } from './search/package-names.ts';

const chunkBytes = 1 << 20;
/** What follows from the entries and is appended before their commit record is: a copy made later has all of it, and more at its end. */
const derivedFiles = /^(?:L\d\.dat|entries\.idx|keys\.dat)$/;

/** Files of a log's directory that change while it is served. */
export const changingLogFiles =
  /^(?:entries\.dat|commit\.log|released\.dat|packages\.txt|lock\.db|derived\.json|L\d\.dat|entries\.idx|keys\.dat|index\.db(?:-\w+)?)(?:\.tmp)?$/;

/** Directories of a log's directory whose files never change once they are there. */
export const growingLogDirectories: readonly string[] = ['issuers', 'attestations'];

/**
 * Copies a log that may be served meanwhile, as it was at one moment: at the last checkpoint that it had released when this was
 * called. Every entry that was acknowledged before is in the copy, and no other.
 *
 * The fork guard is read first. A checkpoint is written there after its entries and their commit record are on stable storage, and before
 * anybody is told; so whatever was promised is below it, and the two files, which only grow, hold all of it when they are read afterwards.
 * The search index is left out; it is built again from the entries.
 *
 * @param source the log's directory
 * @param target an existing directory without a log; `log.json` is not copied
 * @throws ERR_LOG_CORRUPT when the log has not what it released; ERR_LOG_STORAGE
 */
export async function copyLog(source: string, target: string): Promise<void> {
  const derived = join(source, 'derived.json');
  if (existsSync(derived)) write(join(target, 'derived.json'), readWhole(derived));
  const guardBytes = readWhole(join(source, 'released.dat'));
  const released = join(target, 'released.dat');
  write(released, guardBytes);
  const guard = new ForkGuard(released, false);
  const last = guard.read();
  guard.close();
  const { commitEnd, entriesEnd } = endOf(join(source, 'commit.log'), last?.treeSize);
  await copyBeginning(join(source, 'commit.log'), join(target, 'commit.log'), commitEnd);
  await copyBeginning(join(source, 'entries.dat'), join(target, 'entries.dat'), entriesEnd);
  for (const name of readdirSync(source).filter((one) => derivedFiles.test(one))) {
    await copyBeginning(join(source, name), join(target, name));
  }
  copyNames(source, target, last?.treeSize ?? 0);
  for (const name of growingLogDirectories) copyFinished(join(source, name), join(target, name));
  syncDirectory(target);
}

/** Where the files ended when the tree had `treeSize` entries. */
function endOf(path: string, treeSize: number | undefined): { commitEnd: number; entriesEnd: number } {
  if (treeSize === 0) return { commitEnd: 0, entriesEnd: 0 };
  const file = AppendFile.open(path);
  try {
    if (treeSize === undefined && file.size === 0) return { commitEnd: 0, entriesEnd: 0 };
    let [first, last] = [0, Math.floor(file.size / commitRecordSize) - 1];
    while (treeSize !== undefined && first <= last) {
      const middle = (first + last) >>> 1;
      const record = decodeCommitRecord(file.read(middle * commitRecordSize, commitRecordSize));
      if (record === undefined) break;
      if (record.treeSize === treeSize) {
        return { commitEnd: (middle + 1) * commitRecordSize, entriesEnd: record.endOffset };
      }
      if (record.treeSize < treeSize) first = middle + 1;
      else last = middle - 1;
    }
  } finally {
    file.close();
  }
  throw new SignetError(
    'ERR_LOG_CORRUPT',
    `${path} has no batch that ends with the checkpoint that the log released last; check it with signet log fsck`,
    { expected: `a batch up to ${treeSize ?? 'a released checkpoint'}` },
  );
}

/** Names of entries that are in the copy. A name may come later than its entry's checkpoint, and is cut off with what follows it. */
function copyNames(source: string, target: string, treeSize: number): void {
  const path = packageNamesFile(source);
  if (!existsSync(path)) return;
  const bytes = readWhole(path);
  const lines: Buffer[] = [];
  for (let start = 0, end = bytes.indexOf(10); end >= 0; start = end + 1, end = bytes.indexOf(10, start)) {
    const line = bytes.subarray(start, end + 1);
    // What names nothing is crossed out or damaged; the check of the copy says which.
    if (readPackageNames(line).every(({ entry }) => entry < treeSize)) lines.push(line);
  }
  write(packageNamesFile(target), Buffer.concat(lines));
}

/** Copies a directory of files that get their names when they are whole. */
function copyFinished(source: string, target: string): void {
  if (!existsSync(source)) return;
  mkdirSync(target, { recursive: true });
  for (const entry of readdirSync(source, { withFileTypes: true })) {
    if (entry.name.endsWith('.tmp')) continue;
    const [from, to] = [join(source, entry.name), join(target, entry.name)];
    if (entry.isDirectory()) copyFinished(from, to);
    else write(to, readWhole(from));
  }
  syncDirectory(target);
}

function readWhole(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw storageError('read', path, cause);
  }
}

function write(path: string, bytes: Uint8Array): void {
  try {
    const descriptor = openSync(path, 'wx', 0o644);
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch (cause) {
    throw storageError('write', path, cause);
  }
}

async function copyBeginning(source: string, target: string, until?: number): Promise<void> {
  const from = AppendFile.open(source);
  const length = until ?? from.size;
  const to = AppendFile.open(target);
  try {
    for (let offset = 0; offset < length; offset += chunkBytes) {
      to.append(from.read(offset, Math.min(chunkBytes, length - offset)));
    }
    await to.sync();
  } finally {
    from.close();
    to.close();
  }
}
