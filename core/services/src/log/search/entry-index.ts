import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { SignetError } from '@signet/primitives/formats';
import { type FoundEntries, IndexDatabase } from './index-database.ts';
import type { IndexWorkerData } from './index-worker.ts';
import { packageNamesFile } from './package-names.ts';
import { type SearchTerm, searchKey } from './search-keys.ts';

// Entries are indexed together, since a transaction costs as much as several of them. A search does not wait for it.
const gatherMilliseconds = 100;
const youngGenerationMegabytes = 8;

/** What to look for. */
export interface SearchQuery {
  /** At least one. */
  readonly terms: readonly SearchTerm[];
  readonly operator: 'and' | 'or';
  /** Index to begin at. */
  readonly from: number;
  readonly limit: number;
}

/** What a follower needs to know of a log. */
export interface FollowedTree {
  readonly treeSize: number;
  readonly endOffset: number;
}

/** A tree, and the length of the file of package names. */
export interface IndexTarget extends FollowedTree {
  readonly packagesEnd: number;
}

/**
 * The search index of a log, built by a thread of its own that follows behind the entries: writing never waits for it. A
 * search waits until it has caught up with what was acknowledged before, so that nothing acknowledged is ever missed.
 */
export class EntryIndex {
  readonly #files: IndexWorkerData;
  #worker: Worker | undefined;
  #reader: IndexDatabase | undefined;
  #target: IndexTarget = { treeSize: 0, endOffset: 0, packagesEnd: 0 };
  #indexed: Omit<IndexTarget, 'endOffset'> = { treeSize: 0, packagesEnd: 0 };
  #working = false;
  #timer: NodeJS.Timeout | undefined;
  #failure: unknown;
  readonly #waiting = new Set<{ target: IndexTarget; resolve: () => void; reject: (error: unknown) => void }>();

  /**
   * @param directory the log's
   * @param entryTypes modules of entry types that the log takes beyond Rekor's
   */
  constructor(directory: string, entryTypes: readonly string[] = []) {
    this.#files = {
      databaseFile: join(directory, 'index.db'),
      entriesFile: join(directory, 'entries.dat'),
      packagesFile: packageNamesFile(directory),
      entryTypes,
    };
  }

  /** Indexes up to this tree, and this length of the file of package names, sooner or later. */
  follow(target: Partial<IndexTarget>): void {
    this.#target = { ...this.#target, ...target };
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#next();
    }, gatherMilliseconds);
    this.#timer.unref();
  }

  /**
   * Entries that match, ascending.
   *
   * @throws ERR_LOG_INDEX when the index cannot be built
   */
  async find({ terms, operator, from, limit }: SearchQuery): Promise<FoundEntries> {
    if (this.#target.treeSize === 0) return { entries: [], next: undefined };
    await this.catchUp();
    try {
      this.#reader ??= new IndexDatabase(this.#files.databaseFile);
      return this.#reader.find(terms.map(searchKey), operator, from, limit);
    } catch (cause) {
      throw this.#unusable(cause);
    }
  }

  /** Resolves when everything followed so far is indexed. @throws ERR_LOG_INDEX */
  async catchUp(): Promise<void> {
    const target = this.#target;
    this.#next();
    await this.#caughtUp(target);
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#fail(new SignetError('ERR_LOG_CLOSED', 'the log is closed'));
    this.#reader?.close();
    await this.#worker?.terminate();
  }

  #next(): void {
    if (this.#working || this.#failure !== undefined || this.#reached(this.#target)) return;
    this.#working = true;
    try {
      this.#worker ??= this.#start();
      this.#worker.postMessage(this.#target);
    } catch (cause) {
      // Whatever becomes of the index, the log goes on.
      this.#fail(this.#unusable(cause));
    }
  }

  #reached({ treeSize, packagesEnd }: IndexTarget): boolean {
    return this.#indexed.treeSize >= treeSize && this.#indexed.packagesEnd >= packagesEnd;
  }

  #caughtUp(target: IndexTarget): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#reached(target)) return Promise.resolve();
    // A process may end while it indexes, and not while somebody waits for that.
    this.#worker?.ref();
    return new Promise((resolve, reject) => this.#waiting.add({ target, resolve, reject }));
  }

  #start(): Worker {
    // The sources run as they are, and as they are built.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const worker = new Worker(new URL(`./index-worker.${extension}`, import.meta.url), {
      workerData: this.#files,
      // What it makes is short-lived; without a bound the young generation alone grows to a hundred megabytes.
      resourceLimits: { maxYoungGenerationSizeMb: youngGenerationMegabytes },
    });
    worker.unref();
    worker.on('message', (indexed: IndexTarget) => {
      this.#indexed = indexed;
      this.#working = false;
      for (const waiting of this.#waiting) {
        if (!this.#reached(waiting.target)) continue;
        this.#waiting.delete(waiting);
        waiting.resolve();
      }
      if (this.#waiting.size === 0) worker.unref();
      this.#next();
    });
    worker.on('error', (cause) => this.#fail(this.#unusable(cause)));
    return worker;
  }

  #unusable(cause: unknown): SignetError {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const { databaseFile } = this.#files;
    return new SignetError(
      'ERR_LOG_INDEX',
      `the search index cannot be used: ${reason}; delete ${databaseFile}, from which nothing is lost, and start again`,
      { cause },
    );
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting) reject(this.#failure);
    this.#waiting.clear();
  }
}
