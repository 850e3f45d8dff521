import { DatabaseSync } from 'node:sqlite';
import { SignetError } from '@signet/primitives/formats';
import type { UsedTokens } from './used-tokens.ts';

const formatVersion = 1;
const forgetEveryMilliseconds = 60_000;

/** Used tokens in a file. */
export interface UsedTokensFile extends UsedTokens {
  close(): void;
}

/**
 * Remembers used tokens across restarts. A token is on disk before its certificate is asked for: after a crash it may be
 * used up without a certificate, never free with one.
 *
 * @param path SQLite database; created when missing
 * @throws ERR_INSTANCE_FORMAT when a newer version of this program wrote it
 */
export function openUsedTokens(path: string, clock: () => Date = () => new Date()): UsedTokensFile {
  const database = new DatabaseSync(path);
  try {
    prepare(database, path);
  } catch (error) {
    database.close();
    throw error;
  }
  const insert = database.prepare('INSERT OR IGNORE INTO used (id, until) VALUES (?, ?)');
  const remove = database.prepare('DELETE FROM used WHERE id = ?');
  const forget = database.prepare('DELETE FROM used WHERE until <= ?');
  let forgotten = Number.NEGATIVE_INFINITY;
  return {
    take(id, until) {
      const now = clock().getTime();
      if (now - forgotten > forgetEveryMilliseconds) {
        forget.run(now);
        forgotten = now;
      }
      return insert.run(id, until.getTime()).changes === 1;
    },
    giveBack(id) {
      remove.run(id);
    },
    close() {
      database.close();
    },
  };
}

function prepare(database: DatabaseSync, path: string): void {
  // FULL: the transaction is on disk when it returns.
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 2000;');
  const row = database.prepare('PRAGMA user_version').get();
  const found = Number(row?.user_version ?? 0);
  if (found > formatVersion) {
    throw new SignetError(
      'ERR_INSTANCE_FORMAT',
      `${path} has format ${found}; this version of Signet knows ${formatVersion}.`,
      {
        expected: String(formatVersion),
        found: String(found),
      },
    );
  }
  database.exec(
    `CREATE TABLE IF NOT EXISTS used (id TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
     CREATE INDEX IF NOT EXISTS used_until ON used (until);
     PRAGMA user_version = ${formatVersion};`,
  );
}
