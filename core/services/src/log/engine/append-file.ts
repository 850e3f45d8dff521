import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  read,
  readSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { SignetError } from '@signet/primitives/formats';

/**
 * A file that only grows. Appends go to the page cache; they are durable after {@link sync}. Positions are explicit and
 * counted here, so that a failed write leaves nothing that a later one would build on.
 */
export class AppendFile {
  readonly path: string;
  readonly #descriptor: number;
  #size: number;
  #closed = false;

  private constructor(path: string, descriptor: number, size: number) {
    this.path = path;
    this.#descriptor = descriptor;
    this.#size = size;
  }

  /** Opens or creates the file. @throws ERR_LOG_STORAGE */
  static open(path: string): AppendFile {
    try {
      const descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644);
      return new AppendFile(path, descriptor, fstatSync(descriptor).size);
    } catch (cause) {
      throw storageError('open', path, cause);
    }
  }

  get size(): number {
    return this.#size;
  }

  append(bytes: Uint8Array): void {
    this.write(bytes, this.#size);
  }

  /** Writes at a position, which only the fork guard does within the file. */
  write(bytes: Uint8Array, position: number): void {
    try {
      let written = 0;
      while (written < bytes.length) {
        written += writeSync(this.#descriptor, bytes, written, bytes.length - written, position + written);
      }
    } catch (cause) {
      throw storageError('write to', this.path, cause);
    }
    this.#size = Math.max(this.#size, position + bytes.length);
  }

  /** Resolves when everything appended before the call is on stable storage. */
  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fdatasync(this.#descriptor, (cause) => {
        if (cause === null) resolve();
        else reject(storageError('sync', this.path, cause));
      });
    });
  }

  /** Reads within the file; a shorter file than asked for is an error. */
  read(offset: number, length: number): Uint8Array {
    this.#checkOpen();
    const bytes = Buffer.allocUnsafe(length);
    let count = 0;
    try {
      while (count < length) {
        const got = readSync(this.#descriptor, bytes, count, length - count, offset + count);
        if (got === 0) break;
        count += got;
      }
    } catch (cause) {
      throw storageError('read', this.path, cause);
    }
    if (count < length) throw this.#tooShort(offset + length);
    return bytes;
  }

  /** As {@link read}, without holding up the event loop: for what may be megabytes. */
  async readLarge(offset: number, length: number): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafe(length);
    let count = 0;
    while (count < length) {
      this.#checkOpen();
      const got = await new Promise<number>((resolve, reject) => {
        read(this.#descriptor, bytes, count, length - count, offset + count, (cause, bytesRead) => {
          if (cause === null) resolve(bytesRead);
          else reject(storageError('read', this.path, cause));
        });
      });
      // Closed meanwhile: the descriptor may be another file's by now, and so may the bytes.
      this.#checkOpen();
      if (got === 0) throw this.#tooShort(offset + length);
      count += got;
    }
    return bytes;
  }

  truncate(size: number): void {
    try {
      ftruncateSync(this.#descriptor, size);
    } catch (cause) {
      throw storageError('truncate', this.path, cause);
    }
    this.#size = size;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#descriptor);
  }

  #checkOpen(): void {
    if (this.#closed) throw new SignetError('ERR_LOG_CLOSED', 'the log is closed');
  }

  #tooShort(expected: number): SignetError {
    return new SignetError('ERR_LOG_CORRUPT', `${this.path} ends before byte ${expected}; was it truncated?`);
  }
}

/**
 * Replaces a small file as a whole: after a crash there is the old content or the new, never a part. The name is durable
 * when the directory is synced too.
 */
export function replaceFile(path: string, content: Uint8Array): void {
  const temporary = `${path}.tmp`;
  try {
    const descriptor = openSync(temporary, 'w', 0o644);
    try {
      writeSync(descriptor, content);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
  } catch (cause) {
    throw storageError('write', path, cause);
  }
  syncDirectory(dirname(path));
}

/** Makes names created in `directory` durable. Windows has no such call and needs none. */
export function syncDirectory(directory: string): void {
  if (process.platform === 'win32') return;
  try {
    const descriptor = openSync(directory, 'r');
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch (cause) {
    throw storageError('sync', directory, cause);
  }
}

/** The error for what the operating system refused. */
export function storageError(verb: string, path: string, cause: unknown): SignetError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new SignetError('ERR_LOG_STORAGE', `the log cannot ${verb} ${path}: ${reason}`, { cause });
}
