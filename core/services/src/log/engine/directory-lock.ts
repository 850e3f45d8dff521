import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SignetError } from '@signet/primitives/formats';
import { storageError } from './append-file.ts';

/** Holds a directory for this process. */
export interface DirectoryLock {
  release(): void;
}

/**
 * Takes a directory for this process alone. Node has no flock, but an exclusive SQLite transaction is one: the operating
 * system drops it when the process ends, however it ends.
 *
 * @throws ERR_LOG_LOCKED when another process (or another log in this one) holds it; ERR_LOG_STORAGE
 */
export function lockDirectory(directory: string): DirectoryLock {
  const path = join(directory, 'lock.db');
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    database.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE');
  } catch (cause) {
    database?.close();
    if (cause instanceof Error && cause.message.includes('database is locked')) {
      throw new SignetError(
        'ERR_LOG_LOCKED',
        `another process serves the log in ${directory}; a log has one writer, so stop that one first`,
        { cause },
      );
    }
    throw storageError('lock', path, cause);
  }
  return { release: () => database.close() };
}
