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
 * @throws ERR_INSTANCE_BUSY when another process holds it, ERR_INSTANCE when it cannot be taken for another reason
 */
export function lockDirectory(path: string): DirectoryLock {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    database.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE');
    return { release: () => database?.close() };
  } catch (cause) {
    database?.close();
    const directory = dirname(dirname(path));
    if ((cause as { errcode?: unknown }).errcode === sqliteBusy) {
      throw new SignetError(
        'ERR_INSTANCE_BUSY',
        `Another process uses ${directory}: this instance is up already, or is being made or changed just now; stop that process first, or choose another --data`,
      );
    }
    throw new SignetError(
      'ERR_INSTANCE',
      `${path} cannot be opened and locked; this user must be able to write in ${directory}`,
      { cause },
    );
  }
}

/** SQLITE_BUSY (https://sqlite.org/rescode.html). */
const sqliteBusy = 5;
