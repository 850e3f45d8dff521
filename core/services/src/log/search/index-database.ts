import { DatabaseSync, type StatementSync } from 'node:sqlite';

const format = 2;

// A question may take many steps without an answer; the rest is for the next question.
const maximumSteps = 5000;

/** A part of the results. */
export interface FoundEntries {
  readonly entries: readonly number[];
  /** `from` for the rest; undefined at the end. */
  readonly next: number | undefined;
}

/** Up to where `entries.dat` has been indexed. */
export interface IndexCursor {
  readonly treeSize: number;
  readonly endOffset: number;
  /** The same of the file of package names. */
  readonly packagesEnd: number;
}

/** Of an index that has nothing yet. */
export const firstCursor: IndexCursor = { treeSize: 0, endOffset: 0, packagesEnd: 0 };

/**
 * The search index of a log: a table of (key, entry). It is derived from the entries and may be deleted; keys and cursor
 * change in one transaction, so whatever a crash leaves is a whole number of entries.
 */
export class IndexDatabase {
  readonly #database: DatabaseSync;
  readonly #selectMany: StatementSync;
  readonly #selectNext: StatementSync;

  constructor(path: string) {
    this.#database = new DatabaseSync(path);
    // Losing the last seconds to a power failure only means to index them again.
    this.#database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = OFF;
      PRAGMA busy_timeout = 5000;
      CREATE TABLE IF NOT EXISTS keys (key BLOB NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY (key, entry)) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS position (
        id INTEGER PRIMARY KEY CHECK (id = 1), format INTEGER, size INTEGER, offset INTEGER, packages INTEGER
      );
    `);
    const select = 'SELECT entry FROM keys WHERE key = ? AND entry >= ? ORDER BY entry LIMIT';
    this.#selectMany = this.#database.prepare(`${select} ?`);
    this.#selectNext = this.#database.prepare(`${select} 1`);
  }

  /** Where to go on; at the beginning when the index is of another version. */
  cursor(): IndexCursor {
    const row = this.#database.prepare('SELECT format, size, offset, packages FROM position').get();
    if (row === undefined || row.format !== format) {
      this.clear();
      return firstCursor;
    }
    return { treeSize: Number(row.size), endOffset: Number(row.offset), packagesEnd: Number(row.packages) };
  }

  clear(): void {
    this.#database.exec(
      `BEGIN; DELETE FROM keys; DELETE FROM position; INSERT INTO position VALUES (1, ${format}, 0, 0, 0); COMMIT`,
    );
  }

  /** Adds the keys of entries and moves the cursor behind them. */
  add(keys: readonly { readonly key: string; readonly entry: number }[], cursor: IndexCursor): void {
    // Neighbours in the table are written together.
    const sorted = [...keys].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
    const insert = this.#database.prepare('INSERT OR IGNORE INTO keys VALUES (?, ?)');
    this.#database.exec('BEGIN');
    try {
      let [text, bytes] = ['', Buffer.alloc(0)];
      for (const { key, entry } of sorted) {
        if (key !== text) [text, bytes] = [key, Buffer.from(key, 'latin1')];
        insert.run(bytes, entry);
      }
      const { treeSize, endOffset, packagesEnd } = cursor;
      this.#database
        .prepare('UPDATE position SET size = ?, offset = ?, packages = ?')
        .run(treeSize, endOffset, packagesEnd);
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  /** Entries that have all or any of the keys, ascending, from `from` on; and where to go on, if there may be more. */
  find(texts: readonly string[], operator: 'and' | 'or', from: number, limit: number): FoundEntries {
    const keys = texts.map((text) => Buffer.from(text, 'latin1'));
    if (operator === 'and' && keys.length > 1) return this.#findAll(keys, from, limit);
    const found = new Set<number>();
    // The first of the union are among the first of each: no more has to be read, however many there are.
    for (const key of keys)
      for (const row of this.#selectMany.iterate(key, from, limit + 1)) found.add(Number(row.entry));
    const entries = [...found].sort((a, b) => a - b);
    return { entries: entries.slice(0, limit), next: entries[limit] };
  }

  /** Leaps from each key's next entry to the others', so that the rarest key sets the pace. */
  #findAll(keys: readonly Uint8Array[], from: number, limit: number): FoundEntries {
    const entries: number[] = [];
    let candidate = from;
    let agreed = 0;
    for (let step = 0; step < maximumSteps; step++) {
      const row = this.#selectNext.get(keys[step % keys.length] ?? null, candidate);
      if (row === undefined) return { entries, next: undefined };
      const entry = Number(row.entry);
      agreed = entry === candidate ? agreed + 1 : 1;
      candidate = entry;
      if (agreed < keys.length) continue;
      if (entries.length === limit) return { entries, next: candidate };
      entries.push(candidate);
      candidate += 1;
      agreed = 0;
    }
    return { entries, next: candidate };
  }

  close(): void {
    this.#database.close();
  }
}
