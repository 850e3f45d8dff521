import { DatabaseSync } from 'node:sqlite';
import { SignetError } from '@signet/primitives/formats';
import type { Principal } from './principal.ts';

/** An identity that got certificates. */
export interface IssuedIdentity {
  readonly issuer: string;
  readonly subjectType: string;
  readonly subject: string;
  readonly certificates: number;
  readonly first: Date;
  readonly last: Date;
}

/** Counts certificates by identity, across restarts: for `signet ca audit`. */
export interface IssuanceLedger {
  /** Notes a certificate; on disk within a second. The certificate log is what proves it, this only counts. */
  add(principal: Principal, time: Date): void;
  close(): void;
}

const formatVersion = 1;
const flushEveryMilliseconds = 1000;

interface Pending {
  count: number;
  readonly first: number;
  last: number;
}

/**
 * Opens the ledger, or creates it.
 *
 * @throws ERR_INSTANCE_FORMAT when a newer version of this program wrote it
 */
export function openIssuanceLedger(path: string): IssuanceLedger {
  const database = new DatabaseSync(path);
  try {
    prepare(database, path);
  } catch (error) {
    database.close();
    throw error;
  }
  const upsert = database.prepare(
    `INSERT INTO issued (issuer, subject_type, subject, certificates, first, last) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET certificates = certificates + excluded.certificates, last = max(last, excluded.last)`,
  );
  const pending = new Map<string, Pending>();
  let timer: NodeJS.Timeout | undefined;
  const flush = () => {
    timer = undefined;
    database.exec('BEGIN');
    for (const [key, { count, first, last }] of pending) {
      const [issuer = '', type = '', subject = ''] = JSON.parse(key) as string[];
      upsert.run(issuer, type, subject, count, first, last);
    }
    database.exec('COMMIT');
    pending.clear();
  };
  return {
    add({ subject, claims }, time) {
      const key = JSON.stringify([claims.issuer ?? '', subject.type, subject.value]);
      const known = pending.get(key);
      if (known === undefined) pending.set(key, { count: 1, first: time.getTime(), last: time.getTime() });
      else {
        known.count++;
        known.last = time.getTime();
      }
      timer ??= setTimeout(flush, flushEveryMilliseconds).unref();
    },
    close() {
      clearTimeout(timer);
      flush();
      database.close();
    },
  };
}

/**
 * The identities of a ledger, the latest first. It may be open elsewhere.
 *
 * @returns none when there is no ledger yet
 */
export function readIssuedIdentities(path: string): readonly IssuedIdentity[] {
  let database: DatabaseSync;
  try {
    database = new DatabaseSync(path, { readOnly: true });
  } catch {
    // SQLite does not say why; without a file nothing was issued yet.
    return [];
  }
  try {
    const rows = database.prepare('SELECT * FROM issued ORDER BY last DESC').all();
    return rows.map((row) => ({
      issuer: String(row.issuer),
      subjectType: String(row.subject_type),
      subject: String(row.subject),
      certificates: Number(row.certificates),
      first: new Date(Number(row.first)),
      last: new Date(Number(row.last)),
    }));
  } finally {
    database.close();
  }
}

function prepare(database: DatabaseSync, path: string): void {
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 2000;');
  const found = Number(database.prepare('PRAGMA user_version').get()?.user_version ?? 0);
  if (found > formatVersion) {
    throw new SignetError(
      'ERR_INSTANCE_FORMAT',
      `${path} has format ${found}; this version of Signet knows ${formatVersion}.`,
      { expected: String(formatVersion), found: String(found) },
    );
  }
  database.exec(
    `CREATE TABLE IF NOT EXISTS issued (issuer TEXT NOT NULL, subject_type TEXT NOT NULL, subject TEXT NOT NULL,
       certificates INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
       PRIMARY KEY (issuer, subject_type, subject)) WITHOUT ROWID;
     PRAGMA user_version = ${formatVersion};`,
  );
}
