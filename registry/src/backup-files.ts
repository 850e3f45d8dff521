import { createHash } from 'node:crypto';
import { type FileHandle, lstat, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SignetError } from '@signet/primitives/formats';
import { makeDirectory } from './durable-files.ts';

/** A file of a backup. */
export interface BackedUpFile {
  /** Relative to the data directory, with `/`. */
  readonly path: string;
  readonly size: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
  /** Permission bits. */
  readonly mode: number;
}

/** A directory of a backup: empty ones too, with their permissions. */
export interface BackedUpDirectory {
  readonly path: string;
  readonly mode: number;
}

/** What belongs to a process and not to the instance, and what a crash left half-written. */
const left = /^(?:state\/(?:lock\.sqlite|rotation-[\w-]+\.lock)(?:-\w+)?|state\/running\.json|(?:.*\/)?\.[^/]+\.tmp)$/;
const chunkSize = 1 << 20;

/**
 * Everything below a data directory that belongs into a backup, in the order of its names.
 *
 * @param skipped paths that are left out, with all that is below them
 * @throws ERR_BACKUP for a symbolic link or a device: what it leads to could not be put back
 */
export async function listDirectory(
  root: string,
  skipped: (path: string) => boolean = () => false,
): Promise<{ readonly directories: BackedUpDirectory[]; readonly files: string[] }> {
  const directories: BackedUpDirectory[] = [];
  const files: string[] = [];
  const walk = async (below: string): Promise<void> => {
    const entries = await readdir(join(root, below), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`;
      if (left.test(path) || skipped(path)) continue;
      if (entry.isDirectory()) {
        directories.push({ path, mode: (await lstat(join(root, path))).mode & 0o777 });
        await walk(path);
      } else if (entry.isFile()) files.push(path);
      else throw new SignetError('ERR_BACKUP', `${join(root, path)} is neither a file nor a directory`);
    }
  };
  await walk('');
  return { directories, files };
}

/**
 * Copies a file and reads every byte of it while doing so. The copy is on disk when this resolves.
 *
 * @param target must not exist
 */
export async function copyFile(
  source: string,
  target: string,
  mode?: number,
): Promise<Pick<BackedUpFile, 'size' | 'sha256' | 'mode'>> {
  const from = await open(source, 'r');
  let to: FileHandle | undefined;
  try {
    const bits = mode ?? (await from.stat()).mode & 0o777;
    to = await open(target, 'wx', bits);
    const hash = createHash('sha256');
    const chunk = Buffer.alloc(chunkSize);
    let size = 0;
    for (;;) {
      const { bytesRead } = await from.read(chunk, 0, chunkSize, size);
      if (bytesRead === 0) break;
      hash.update(chunk.subarray(0, bytesRead));
      await to.writeFile(chunk.subarray(0, bytesRead));
      size += bytesRead;
    }
    // The mode of open passes through the umask.
    if (process.platform !== 'win32') await to.chmod(bits);
    await to.sync();
    return { size, sha256: hash.digest('hex'), mode: bits };
  } finally {
    await to?.close();
    await from.close();
  }
}

/** What {@link copyFile} would say of a file that is in its place already. */
export async function describeFile(path: string): Promise<Pick<BackedUpFile, 'size' | 'sha256' | 'mode'>> {
  const file = await open(path, 'r');
  try {
    const hash = createHash('sha256');
    let size = 0;
    const chunk = Buffer.alloc(chunkSize);
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, chunkSize, size);
      if (bytesRead === 0) break;
      hash.update(chunk.subarray(0, bytesRead));
      size += bytesRead;
    }
    return { size, sha256: hash.digest('hex'), mode: (await file.stat()).mode & 0o777 };
  } finally {
    await file.close();
  }
}

/** Makes the directories of a backup; parents stand before what is in them. */
export async function makeDirectories(root: string, directories: readonly BackedUpDirectory[]): Promise<void> {
  for (const { path, mode } of directories) await makeDirectory(join(root, path), mode);
}
