import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SignetError } from '@signet/primitives/formats';

/** Holds a data directory for one process until {@link DirectoryLock.release} or the end of the process. */
export interface DirectoryLock {
  release(): void;
}

/**
 * Takes the data directory for this process by an exclusive SQLite transaction (ARCHITECTURE.md, decision 6). The
 * operating system drops the lock with the process, so a crash leaves nothing to clean up.
 *
 * @param path the lock file, created when missing
 * @throws ERR_INSTANCE_BUSY when another process holds it
 */
export function lockDirectory(path: string): DirectoryLock {
  const database = new DatabaseSync(path);
  try {
    database.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE');
  } catch (cause) {
    database.close();
    throw new SignetError(
      'ERR_INSTANCE_BUSY',
      `Another process uses ${dirname(dirname(path))}: this instance is up already, or is being made or changed just now; stop that process first, or choose another --data`,
      { cause },
    );
  }
  return { release: () => database.close() };
}
