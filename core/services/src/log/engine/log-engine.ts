import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { levelSize, SignetError, tileWidth } from '@signet/primitives/formats';
import { storageError } from './append-file.ts';
import { type DirectoryLock, lockDirectory } from './directory-lock.ts';
import { DuplicateIndex, maximumIndexed } from './duplicate-index.ts';
import type { EntryFormat, NewRecord } from './entry-format.ts';
import { ForkGuard } from './fork-guard.ts';
import { checkIdentity, type LogIdentity } from './log-identity.ts';
import { LogStore } from './log-store.ts';

/** What readers see: a tree that is durable, with its signed checkpoint. */
export interface PublishedTree {
  readonly treeSize: number;
  readonly rootHash: Uint8Array;
  readonly checkpoint: string;
  /** Length of `entries.dat`. */
  readonly endOffset: number;
}

/** An entry before it has a place. Where its bytes depend on that place, they are built when it is known. */
export interface Candidate {
  readonly key: Uint8Array;
  /** @param time milliseconds since 1970, never less than an earlier entry's */
  build(index: number, time: number): Omit<NewRecord, 'key'>;
}

export interface Appended {
  readonly index: number;
  /** Whether the entry was there before, or came twice at once. */
  readonly duplicate: boolean;
  /** When it was sequenced, milliseconds since 1970; of a new entry alone, since that of older ones is read from the disk. */
  readonly time?: number;
  /** A tree that has the entry. */
  readonly published: PublishedTree;
}

/** Bounds of a batch and of what waits for one. */
export interface BatchLimits {
  /** Default 2,048. */
  readonly maximumEntries?: number;
  /** Default 8 MiB. */
  readonly maximumBytes?: number;
  /** Entries that may wait before ERR_LOG_OVERLOADED; default 16,384. */
  readonly maximumWaiting?: number;
  /** Entries that the log may have before ERR_LOG_FULL; default and at most as many as the index of duplicates can number. */
  readonly maximumSize?: number;
}

export interface EngineOptions {
  readonly directory: string;
  readonly format: EntryFormat;
  readonly identity: LogIdentity;
  /** Signs a tree head. @param time milliseconds since 1970 */
  readonly signCheckpoint: (tree: { treeSize: number; rootHash: Uint8Array; time: number }) => Promise<string>;
  readonly batch?: BatchLimits;
  /** A file on other storage that remembers the last checkpoint; see {@link ForkGuard}. */
  readonly forkGuardFile?: string;
  /** Told of every tree that has become visible. */
  readonly onPublish?: (tree: PublishedTree) => void;
  /**
   * Told once when the log can't go on: after a failed write or fsync nobody knows what is on the disk, and trying again
   * would only hide that. The default throws it as an uncaught exception, which ends the process.
   */
  readonly onFatal?: (error: unknown) => void;
  /** Told of the time that each batch took. */
  readonly onBatch?: (batch: BatchTimes) => void;
}

/** Where the time of a batch went, in milliseconds. */
export interface BatchTimes {
  readonly entries: number;
  /** Places, hashes, root and writes to the page cache. */
  readonly sequence: number;
  /** Until signed and on stable storage. */
  readonly sync: number;
}

interface Waiting {
  readonly candidate: Candidate;
  readonly keyText: string;
  readonly promise: Promise<Appended>;
  readonly resolve: (appended: Appended) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The sequencer: gives each entry its place, makes it durable, signs, and only then answers. Batches are formed by group
 * commit: the first entry goes at once, and what arrives while the disk is busy goes together with the next fsync.
 *
 * Invariant: a checkpoint leaves the process only after the entries below it and their commit record are on stable
 * storage, and everything that it says is a function of those bytes. So no crash can make the log sign two histories.
 */
export class LogEngine {
  readonly #options: EngineOptions;
  readonly #limits: Required<BatchLimits>;
  readonly #lock: DirectoryLock;
  readonly #guard: ForkGuard;
  readonly #store: LogStore;
  readonly #duplicates: DuplicateIndex;
  readonly #queue: Waiting[] = [];
  readonly #waitingByKey = new Map<string, Waiting>();
  #published: PublishedTree = { treeSize: 0, rootHash: new Uint8Array(), checkpoint: '', endOffset: 0 };
  #running: Promise<void> | undefined;
  #failure: SignetError | undefined;
  #closing: Promise<void> | undefined;
  #frozen = false;
  #refreshWanted = false;

  private constructor(options: EngineOptions) {
    this.#options = options;
    this.#limits = {
      maximumEntries: 2048,
      maximumBytes: 8 << 20,
      maximumWaiting: 16_384,
      ...options.batch,
      maximumSize: Math.min(maximumIndexed, options.batch?.maximumSize ?? maximumIndexed),
    };
    const { directory, format, identity } = options;
    try {
      mkdirSync(directory, { recursive: true });
    } catch (cause) {
      throw storageError('create', directory, cause);
    }
    this.#lock = lockDirectory(directory);
    let guard: ForkGuard | undefined;
    try {
      checkIdentity(directory, format.kind, identity);
      const { forkGuardFile } = options;
      guard = new ForkGuard(forkGuardFile ?? join(directory, 'released.dat'), forkGuardFile !== undefined);
      this.#store = LogStore.open(directory, format, guard.read());
      this.#guard = guard;
    } catch (error) {
      guard?.close();
      this.#lock.release();
      throw error;
    }
    this.#duplicates = new DuplicateIndex((index) => this.#store.keyAt(index));
    let index = 0;
    for (const keys of this.#store.keys()) {
      for (let offset = 0; offset < keys.length; offset += 32) {
        this.#duplicates.add(keys.subarray(offset, offset + 32), index++);
      }
    }
  }

  /**
   * Opens the log in a directory, or creates it there.
   *
   * @throws ERR_LOG_LOCKED, ERR_LOG_FORMAT, ERR_LOG_MISMATCH, ERR_LOG_CORRUPT, ERR_LOG_BEHIND, ERR_LOG_STORAGE
   */
  static async open(options: EngineOptions): Promise<LogEngine> {
    const engine = new LogEngine(options);
    try {
      await engine.#publish();
      await engine.#store.saveDerived();
      return engine;
    } catch (error) {
      engine.#release();
      throw error;
    }
  }

  /** The present tree. */
  get published(): PublishedTree {
    return this.#published;
  }

  /** Why the log has stopped, if it has. */
  get failure(): SignetError | undefined {
    return this.#failure;
  }

  /** Entries that wait for a place. */
  get waiting(): number {
    return this.#queue.length;
  }

  /**
   * Appends an entry, or finds the one that is there. Resolves when the entry is durable and in a signed tree.
   *
   * @throws ERR_LOG_OVERLOADED, ERR_LOG_CLOSED, ERR_LOG_FROZEN, ERR_LOG_FULL; ERR_LOG_STORAGE when the log has failed
   */
  append(candidate: Candidate): Promise<Appended> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#closing !== undefined) return Promise.reject(new SignetError('ERR_LOG_CLOSED', 'the log is closed'));
    const keyText = Buffer.from(candidate.key).toString('latin1');
    const twin = this.#waitingByKey.get(keyText);
    if (twin !== undefined) return twin.promise.then((appended) => ({ ...appended, duplicate: true }));
    const index = this.#duplicates.find(candidate.key);
    if (index !== undefined) return Promise.resolve({ index, duplicate: true, published: this.#published });
    if (this.#frozen) {
      return Promise.reject(
        new SignetError('ERR_LOG_FROZEN', 'This log has been frozen, please switch to the latest log.'),
      );
    }
    if (this.#queue.length >= this.#limits.maximumWaiting) {
      return Promise.reject(
        new SignetError(
          'ERR_LOG_OVERLOADED',
          `${this.#queue.length} entries are waiting to be logged; try again later`,
        ),
      );
    }
    // A batch in flight is counted twice, which matters to nobody at a log's end.
    if (this.#store.state.treeSize + this.#waitingByKey.size >= this.#limits.maximumSize) {
      return Promise.reject(
        new SignetError('ERR_LOG_FULL', `the log holds ${this.#store.state.treeSize} entries; open a new shard`),
      );
    }
    const { promise, resolve, reject } = Promise.withResolvers<Appended>();
    const waiting = { candidate, keyText, promise, resolve, reject };
    this.#queue.push(waiting);
    this.#waitingByKey.set(keyText, waiting);
    this.#running ??= this.#run();
    return promise;
  }

  /**
   * Takes no more new entries. Resolves when what was taken is durable: from then on the tree never grows again. Entries that
   * are there are still found.
   */
  async freeze(): Promise<void> {
    this.#frozen = true;
    await this.#running;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Signs the present tree again, for tree heads that say when they were signed. */
  async refresh(): Promise<void> {
    if (this.#failure !== undefined || this.#closing !== undefined) return;
    this.#refreshWanted = true;
    this.#running ??= this.#run();
    await this.#running;
  }

  /** Inclusion proof in the present tree or an earlier one. @throws ERR_LOG_RANGE */
  inclusionProof(index: number, treeSize = this.#published.treeSize): Uint8Array[] {
    this.#checkSize(treeSize);
    return this.#store.tree.inclusionProof(index, treeSize);
  }

  /** @throws ERR_LOG_RANGE */
  consistencyProof(oldSize: number, newSize = this.#published.treeSize): Uint8Array[] {
    this.#checkSize(newSize);
    return this.#store.tree.consistencyProof(oldSize, newSize);
  }

  /** Root of an earlier tree. @throws ERR_LOG_RANGE */
  rootAt(treeSize: number): Uint8Array {
    this.#checkSize(treeSize);
    return this.#store.tree.root(treeSize);
  }

  /** Bytes of a tile, or undefined when the present tree does not have so much of it. */
  readTile(level: number, index: number, width = tileWidth): Uint8Array | undefined {
    const start = index * tileWidth;
    if (start + width > levelSize(level, this.#published.treeSize)) return undefined;
    return this.#store.readHashes(level, start, width);
  }

  /** Bytes of an entry bundle, or undefined as for tiles. */
  async readBundle(index: number, width = tileWidth): Promise<Uint8Array | undefined> {
    if (index * tileWidth + width > this.#published.treeSize) return undefined;
    return this.#store.readBundle(index, width);
  }

  /** The record of an entry, or undefined when there is none at this index. */
  async readRecord(index: number): Promise<Uint8Array | undefined> {
    if (!Number.isSafeInteger(index) || index < 0 || index >= this.#published.treeSize) return undefined;
    return this.#store.readRecord(index);
  }

  /** Index of the entry with this key, or undefined when the published tree has none. */
  indexOf(key: Uint8Array): number | undefined {
    const index = this.#duplicates.find(key);
    return index === undefined || index >= this.#published.treeSize ? undefined : index;
  }

  /** When an entry of the published tree was sequenced, milliseconds since 1970. @throws ERR_LOG_RANGE */
  timeAt(index: number): number {
    this.#checkSize(index + 1);
    return this.#store.timeAt(index);
  }

  /** Takes no more entries, finishes those that wait, and lets go of the directory. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#running;
    try {
      if (this.#failure === undefined) await this.#store.saveDerived(true);
    } finally {
      this.#release();
    }
  }

  async #run(): Promise<void> {
    // Requests that arrive in the same turn of the event loop share the first batch.
    await new Promise((resolve) => setImmediate(resolve));
    try {
      while (this.#queue.length > 0 || this.#refreshWanted) {
        if (this.#queue.length > 0) await this.#commit(this.#nextBatch());
        else await this.#publish();
      }
    } catch (cause) {
      this.#fail(cause);
    } finally {
      this.#running = undefined;
    }
  }

  #nextBatch(): { batch: Waiting[]; records: NewRecord[]; time: number } {
    const { maximumEntries, maximumBytes } = this.#limits;
    const { treeSize, time: lastTime } = this.#store.state;
    const time = Math.max(Date.now(), lastTime);
    const batch: Waiting[] = [];
    const records: NewRecord[] = [];
    let bytes = 0;
    let taken = 0;
    for (const waiting of this.#queue) {
      if (records.length >= maximumEntries || bytes >= maximumBytes) break;
      taken += 1;
      try {
        const built = waiting.candidate.build(treeSize + records.length, time);
        records.push({ ...built, key: waiting.candidate.key });
        batch.push(waiting);
        bytes += built.record.length;
      } catch (error) {
        this.#waitingByKey.delete(waiting.keyText);
        waiting.reject(error);
      }
    }
    this.#queue.splice(0, taken);
    return { batch, records, time };
  }

  async #commit({ batch, records, time }: { batch: Waiting[]; records: NewRecord[]; time: number }): Promise<void> {
    if (records.length === 0) return;
    const firstIndex = this.#store.state.treeSize;
    const started = performance.now();
    try {
      this.#store.append(records, time);
      const written = performance.now();
      await this.#publish();
      const entries = records.length;
      this.#options.onBatch?.({ entries, sequence: written - started, sync: performance.now() - written });
    } catch (error) {
      for (const waiting of batch) waiting.reject(error);
      throw error;
    }
    for (const [i, { candidate }] of batch.entries()) this.#duplicates.add(candidate.key, firstIndex + i);
    for (const [i, waiting] of batch.entries()) {
      this.#waitingByKey.delete(waiting.keyText);
      waiting.resolve({ index: firstIndex + i, duplicate: false, time, published: this.#published });
    }
    this.#store.saveDerived().catch((cause: unknown) => this.#fail(cause));
  }

  /** Makes the store's state durable and signed, then visible. Signing runs beside the disk; releasing waits for both. */
  async #publish(): Promise<void> {
    const { treeSize, rootHash, time, endOffset } = this.#store.state;
    this.#refreshWanted = false;
    const signed = this.#options.signCheckpoint({ treeSize, rootHash, time: Math.max(Date.now(), time) });
    const [checkpoint] = await Promise.all([signed, this.#store.sync()]);
    await this.#guard.write({ treeSize, rootHash, checkpoint });
    this.#published = { treeSize, rootHash, checkpoint, endOffset };
    this.#options.onPublish?.(this.#published);
  }

  #fail(cause: unknown): void {
    if (this.#failure !== undefined) return;
    const reason = cause instanceof Error ? cause.message : String(cause);
    this.#failure = new SignetError('ERR_LOG_STORAGE', `the log has stopped and takes no more entries: ${reason}`, {
      cause,
    });
    for (const waiting of this.#waitingByKey.values()) waiting.reject(this.#failure);
    this.#waitingByKey.clear();
    this.#queue.length = 0;
    const { onFatal = throwUncaught } = this.#options;
    onFatal(this.#failure);
  }

  #checkSize(treeSize: number): void {
    if (treeSize > this.#published.treeSize) {
      throw new SignetError('ERR_LOG_RANGE', `the log has ${this.#published.treeSize} entries, not ${treeSize}`);
    }
  }

  #release(): void {
    this.#store.closeFiles();
    this.#guard.close();
    this.#lock.release();
  }
}

function throwUncaught(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}
