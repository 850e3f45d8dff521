import {
  hashLeaf,
  logKeyId,
  type PublicKeyInfo,
  SignetError,
  toBase64,
  verifyInclusion,
} from '@signet/primitives/formats';
import type { Signer } from '@signet/primitives/keys';
import { checkpointSigner } from './checkpoint-signer.ts';
import { type BatchLimits, type BatchTimes, LogEngine } from './engine/log-engine.ts';
import { EntryIndex, type SearchQuery } from './search/entry-index.ts';
import type { FoundEntries } from './search/index-database.ts';
import { PackageNames } from './search/package-names.ts';
import { encodeTiledEntry, tiledFormat } from './tiled-format.ts';

export interface TransparencyLogOptions {
  /** Data directory of this log alone; created when missing. */
  readonly directory: string;
  /** Public URL of the log without its scheme, see {@link logOrigin}. It never changes. */
  readonly origin: string;
  /** Ed25519 for a log that Rekor v2's clients and witnesses read; P-256 for Rekor v1's. */
  readonly signer: Signer;
  /**
   * Makes this a tree of Rekor's v1 API: checkpoints are then of `<origin> - <tree id>`, signed under the name `origin`,
   * which is the host that the log is served at.
   */
  readonly treeId?: bigint;
  /** Whether entries are indexed for {@link TransparencyLog.search}; default true. */
  readonly search?: boolean;
  /** Modules of entry types beyond Rekor's, so that the index can read their entries (docs/operator/log-types.md). */
  readonly entryTypes?: readonly string[];
  readonly batch?: BatchLimits;
  /** A file on other storage in which the last released checkpoint is remembered, synced before every release. */
  readonly forkGuardFile?: string;
  /** Told once when the log cannot go on (see ERR_LOG_STORAGE); by default the process ends with the error. */
  readonly onFatal?: (error: unknown) => void;
}

/** An entry's place with its proof. */
export interface LoggedEntry {
  readonly index: bigint;
  readonly treeSize: bigint;
  readonly rootHash: Uint8Array;
  /** Inclusion proof, leaf upwards. */
  readonly hashes: readonly Uint8Array[];
  /** Signed note over `treeSize` and `rootHash`. */
  readonly checkpoint: string;
  /** Whether the entry was in the log before. */
  readonly duplicate: boolean;
  /** When it was sequenced, milliseconds since 1970, where that is at hand; see {@link TransparencyLog.integratedTime}. */
  readonly time?: number;
}

/**
 * A transparency log in one directory (c2sp.org/tlog-tiles). An entry's bytes are its identity: the same bytes get one
 * place, however often they come.
 */
export class TransparencyLog {
  readonly origin: string;
  readonly publicKey: PublicKeyInfo;
  /** All 32 bytes of the checkpoint key's id, which Rekor v2 answers as `logId.keyId`. */
  readonly keyId: Uint8Array;
  readonly #engine: LogEngine;
  readonly #index: EntryIndex | undefined;
  readonly #packages: PackageNames;

  readonly #batchListeners: ((batch: BatchTimes) => void)[];

  private constructor(
    options: TransparencyLogOptions,
    engine: LogEngine,
    index: EntryIndex | undefined,
    packages: PackageNames,
    batchListeners: ((batch: BatchTimes) => void)[],
  ) {
    this.#batchListeners = batchListeners;
    this.origin = checkpointOrigin(options);
    this.publicKey = options.signer.publicKey;
    this.keyId = logKeyId(options.origin, options.signer.publicKey);
    this.#engine = engine;
    this.#index = index;
    this.#packages = packages;
    index?.follow({ packagesEnd: this.#packages.end });
  }

  /** @internal See {@link openTransparencyLog}. */
  static async open(options: TransparencyLogOptions): Promise<TransparencyLog> {
    const { directory, signer, batch, forkGuardFile, onFatal } = options;
    checkOrigin(options.origin);
    const origin = checkpointOrigin(options);
    const index = options.search === false ? undefined : new EntryIndex(directory, options.entryTypes);
    const batchListeners: ((batch: BatchTimes) => void)[] = [];
    const engine = await LogEngine.open({
      directory,
      onPublish: ({ treeSize, endOffset }) => index?.follow({ treeSize, endOffset }),
      format: tiledFormat,
      identity: { origin, publicKey: signer.publicKey.spki },
      signCheckpoint: checkpointSigner(origin, signer, options.origin),
      ...(batch === undefined ? {} : { batch }),
      ...(forkGuardFile === undefined ? {} : { forkGuardFile }),
      ...(onFatal === undefined ? {} : { onFatal }),
      onBatch: (times) => {
        for (const listener of batchListeners) listener(times);
      },
    });
    try {
      return new TransparencyLog(options, engine, index, await PackageNames.open(directory), batchListeners);
    } catch (error) {
      await index?.close();
      await engine.close();
      throw error;
    }
  }

  /** Number of entries in the present checkpoint. */
  get size(): bigint {
    return BigInt(this.#engine.published.treeSize);
  }

  /** Entries that wait to be written. */
  get waiting(): number {
    return this.#engine.waiting;
  }

  /** Whether entries are taken. */
  get healthy(): boolean {
    return this.#engine.failure === undefined;
  }

  /**
   * Logs an entry. When this resolves, the entry is on stable storage and below a signed checkpoint.
   *
   * @param packageUrls by which {@link TransparencyLog.search} finds it, beside what it says itself; and digests of what it is
   *   about, as `sha512:<hex>`
   * @param leafHash the entry's, for who has it already
   * @throws ERR_LOG_ENTRY_SIZE, ERR_LOG_OVERLOADED, ERR_LOG_CLOSED, ERR_LOG_FROZEN, ERR_LOG_STORAGE
   */
  async append(
    entry: Uint8Array,
    packageUrls: readonly string[] = [],
    leafHash: Uint8Array = hashLeaf(entry),
  ): Promise<LoggedEntry> {
    const record = encodeTiledEntry(entry);
    const appended = await this.#engine.append({ key: leafHash, build: () => ({ record, leafHash }) });
    const index = BigInt(appended.index);
    if (packageUrls.length > 0) await this.#name(appended.index, packageUrls);
    if (appended.duplicate) return { ...this.#prove(index, leafHash), duplicate: true };
    const { time, published } = appended;
    const { treeSize, rootHash, checkpoint } = published;
    const hashes = this.#engine.inclusionProof(appended.index, treeSize);
    const proven = { index, treeSize: BigInt(treeSize), rootHash, hashes, checkpoint };
    return { ...proven, duplicate: false, ...(time === undefined ? {} : { time }) };
  }

  /** Has a listener told of the time that each batch takes. */
  watchBatches(listener: (batch: BatchTimes) => void): void {
    this.#batchListeners.push(listener);
  }

  /** Takes no more new entries, for ever. Resolves when the tree has its last size. @throws ERR_LOG_STORAGE */
  freeze(): Promise<void> {
    return this.#engine.freeze();
  }

  /** The latest signed checkpoint. */
  checkpoint(): string {
    return this.#engine.published.checkpoint;
  }

  /** The entry at `index`, or undefined when the log is shorter. */
  async entry(index: bigint): Promise<Uint8Array | undefined> {
    return (await this.#engine.readRecord(Number(index)))?.subarray(2);
  }

  /** Index of the entry with this leaf hash, or undefined. */
  indexOf(leafHash: Uint8Array): bigint | undefined {
    const index = this.#engine.indexOf(leafHash);
    return index === undefined ? undefined : BigInt(index);
  }

  /** When the entry at `index` was sequenced. @throws ERR_LOG_RANGE */
  integratedTime(index: bigint): Date {
    return new Date(this.#engine.timeAt(Number(index)));
  }

  /** The entry at `index` with its proof in the present tree, or undefined when the log is shorter. */
  async find(index: bigint): Promise<(LoggedEntry & { readonly body: Uint8Array }) | undefined> {
    const body = await this.entry(index);
    if (body === undefined) return undefined;
    return { ...this.#prove(index, hashLeaf(body)), duplicate: true, body };
  }

  /**
   * Indices of entries that match a query, ascending, a part at a time. Every entry that was acknowledged before the call is considered.
   *
   * @throws ERR_LOG_INDEX when this log has no index, or it cannot be built
   */
  search(query: SearchQuery): Promise<FoundEntries> {
    if (this.#index === undefined) {
      return Promise.reject(new SignetError('ERR_LOG_INDEX', 'this log keeps no search index'));
    }
    return this.#index.find(query);
  }

  /** A tile with its first `width` hashes, or undefined when the log is not so long. */
  readTile(level: number, index: number, width?: number): Uint8Array | undefined {
    return this.#engine.readTile(level, index, width);
  }

  /** An entry bundle with its first `width` entries, or undefined when the log is not so long. */
  readEntryBundle(index: number, width?: number): Promise<Uint8Array | undefined> {
    return this.#engine.readBundle(index, width);
  }

  /** @throws ERR_LOG_RANGE */
  inclusionProof(index: bigint, treeSize: bigint = this.size): Uint8Array[] {
    return this.#engine.inclusionProof(Number(index), Number(treeSize));
  }

  /** @throws ERR_LOG_RANGE */
  consistencyProof(oldSize: bigint, newSize: bigint = this.size): Uint8Array[] {
    return this.#engine.consistencyProof(Number(oldSize), Number(newSize));
  }

  /** Root of the log when it had `treeSize` entries. @throws ERR_LOG_RANGE */
  rootAt(treeSize: bigint): Uint8Array {
    return this.#engine.rootAt(Number(treeSize));
  }

  /** A proof of the entry at `index` that is verified offline (c2sp.org/tlog-proof). @throws ERR_LOG_RANGE */
  async proofText(index: bigint): Promise<string> {
    const entry = await this.find(index);
    if (entry === undefined) throw new SignetError('ERR_LOG_RANGE', `the log has no entry ${index}`);
    const { hashes, checkpoint } = entry;
    return `${['c2sp.org/tlog-proof@v1', `index ${index}`, ...hashes.map(toBase64)].join('\n')}\n\n${checkpoint}`;
  }

  /** Finishes what was taken and lets go of the directory. */
  async close(): Promise<void> {
    const closed = this.#engine.close();
    await this.#index?.close();
    await closed;
    this.#packages.close();
  }

  async #name(index: number, packageUrls: readonly string[]): Promise<void> {
    await this.#packages.add(index, packageUrls);
    this.#index?.follow({ packagesEnd: this.#packages.end });
  }

  /** Inclusion proof of what is on disk. Older tiles come from there, and a wrong proof must not leave the house. */
  #prove(index: bigint, leafHash: Uint8Array): Omit<LoggedEntry, 'duplicate'> {
    const { treeSize, rootHash, checkpoint } = this.#engine.published;
    const hashes = this.#engine.inclusionProof(Number(index), treeSize);
    verifyInclusion({ index, treeSize: BigInt(treeSize), leafHash, hashes, rootHash });
    return { index, treeSize: BigInt(treeSize), rootHash, hashes, checkpoint };
  }
}

/**
 * Opens a transparency log, or creates it.
 *
 * @throws ERR_LOG_LOCKED when another process has it; ERR_LOG_CORRUPT, ERR_LOG_BEHIND, ERR_LOG_MISMATCH, ERR_LOG_FORMAT
 *   when going on would be wrong; ERR_LOG_STORAGE
 */
export function openTransparencyLog(options: TransparencyLogOptions): Promise<TransparencyLog> {
  return TransparencyLog.open(options);
}

/** Origin of a log that is served at `url`: the URL without scheme and trailing slashes (c2sp.org/tlog-tiles). */
export function logOrigin(url: string | URL): string {
  const { host, pathname } = new URL(url);
  return `${host}${pathname}`.replace(/\/+$/, '');
}

/** What the checkpoints name: for Rekor v1 the tree as well (sigstore/rekor, pkg/util). */
function checkpointOrigin({ origin, treeId }: TransparencyLogOptions): string {
  return treeId === undefined ? origin : `${origin} - ${treeId}`;
}

function checkOrigin(origin: string): void {
  // It is the name of a note key as well (c2sp.org/signed-note).
  if (origin === '' || /[\s+]/u.test(origin) || origin.includes('://') || origin.endsWith('/')) {
    throw new SignetError('ERR_LOG_MISMATCH', `${JSON.stringify(origin)} cannot be the origin of a log`, {
      expected: 'a URL without scheme and trailing slash, such as npm.example.com/-/signet/log',
    });
  }
}
