import { close, fstat, open, read } from 'node:fs';
import type { PackageStorage } from './verdaccio-host.ts';

/** Verdaccio's own storage of files, which knows where a package's are. */
interface LocalFolder {
  readonly path: string;
  _getStorage(file: string): string;
  /** Keeps other processes out while a package document is changed. */
  _lockAndReadJSON(...parameters: unknown[]): void;
}

/** Whether a document is locked while it is changed: that of files is, storages of objects only read and write. */
export function locksItself(storage: PackageStorage): boolean {
  return typeof (storage as Partial<LocalFolder>)._lockAndReadJSON === 'function';
}

/**
 * The path of a package's file, where the storage is Verdaccio's own of files.
 *
 * @returns undefined for every other storage
 */
export function localPath(storage: PackageStorage, file: string): string | undefined {
  const folder = storage as Partial<LocalFolder>;
  return typeof folder.path === 'string' && typeof folder._getStorage === 'function'
    ? folder._getStorage(file)
    : undefined;
}

/**
 * Reads a small file with as few calls as it takes: what goes through the streams of the storage costs four times as much.
 *
 * @param limit bytes
 * @returns undefined when there is none; `too large` when it has more
 * @throws what the file system says
 */
export function readSmallFile(path: string, limit: number): Promise<Uint8Array | 'too large' | undefined> {
  return new Promise((resolve, reject) => {
    open(path, 'r', (error, file) => {
      if (error) {
        if (error.code === 'ENOENT') resolve(undefined);
        else reject(error);
        return;
      }
      const end = (failure: Error | null, result?: Uint8Array | 'too large') => {
        close(file, () => undefined);
        if (failure) reject(failure);
        else resolve(result);
      };
      fstat(file, (failure, stats) => {
        if (failure) end(failure);
        else if (stats.size > limit) end(null, 'too large');
        else readWhole(file, Buffer.allocUnsafe(stats.size), 0, end);
      });
    });
  });
}

/** A file that was cut while it was read is as long as it is now. */
function readWhole(
  file: number,
  buffer: Buffer,
  length: number,
  end: (error: Error | null, bytes?: Uint8Array) => void,
): void {
  if (length === buffer.length) {
    end(null, buffer);
    return;
  }
  read(file, buffer, length, buffer.length - length, length, (error, count) => {
    if (error) end(error);
    else if (count === 0) end(null, buffer.subarray(0, length));
    else readWhole(file, buffer, length + count, end);
  });
}
