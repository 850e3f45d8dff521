import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromUtf8, type PublicKeyInfo, parseJson, SignetError, utf8 } from '@signet/primitives/formats';
import { replaceFile, storageError } from './engine/append-file.ts';

/** What is asked of a log that can be one shard of a larger one. */
export interface ShardLog {
  readonly size: bigint;
  readonly publicKey: PublicKeyInfo;
  /** Takes no more new entries; resolves when the tree has its last size. */
  freeze(): Promise<void>;
  close(): Promise<void>;
}

/** A place in the list of shards. */
export interface ShardPlace {
  /** From 1. */
  readonly number: number;
  /** Of this shard alone. */
  readonly directory: string;
  readonly openedAt: Date;
  /** From when on it takes no more entries; may lie ahead. */
  readonly frozenAt: Date | undefined;
}

export interface LogShard<Log extends ShardLog> extends ShardPlace {
  readonly log: Log;
}

export interface LogShardsOptions<Log extends ShardLog> {
  /** Of the first shard; later ones lie in `shard-2`, `shard-3`, … below it, and `shards.json` lists them. */
  readonly directory: string;
  /** When a log that has no list yet was opened; default now. */
  readonly created?: Date;
  /**
   * Opens the log of a shard, or makes it, with a key of its own. Called again with a place whose making was cut off, it finishes
   * it.
   */
  readonly open: (place: ShardPlace) => Promise<Log>;
  /** Told after shards have changed, before an old one is frozen: the moment to publish where to write and whom to trust. */
  readonly onChange?: (shards: LogShards<Log>) => void | Promise<void>;
}

const format = 1;

/**
 * A log that is continued in a new tree with a new key now and then, so that no tree and no key has to last for ever. All
 * shards can be read; the last one takes new entries, and the one before it until it is frozen.
 *
 * Every entry has a virtual index as well: its own behind the sizes of all shards before. It is settled as long as those are
 * frozen, which a rotation without overlap sees to.
 */
export class LogShards<Log extends ShardLog> {
  readonly #options: LogShardsOptions<Log>;
  #shards: LogShard<Log>[] = [];
  #rotation: Promise<unknown> = Promise.resolve();
  readonly #timers = new Set<NodeJS.Timeout>();

  private constructor(options: LogShardsOptions<Log>) {
    this.#options = options;
  }

  /** @throws ERR_LOG_FORMAT, ERR_LOG_CORRUPT for the list, ERR_LOG_STORAGE, and what opening a log throws */
  static async open<Log extends ShardLog>(options: LogShardsOptions<Log>): Promise<LogShards<Log>> {
    const shards = new LogShards(options);
    try {
      for (const place of readPlaces(options)) shards.#shards.push({ ...place, log: await options.open(place) });
      for (const shard of shards.#shards) await shards.#freezeInTime(shard);
      if (!existsSync(join(options.directory, 'shards.json'))) shards.#save();
      return shards;
    } catch (error) {
      await shards.close();
      throw error;
    }
  }

  /** In order, the first one first. */
  get all(): readonly LogShard<Log>[] {
    return this.#shards;
  }

  /** The one that new entries belong into. */
  get active(): LogShard<Log> {
    const last = this.#shards.at(-1);
    if (last === undefined) throw new SignetError('ERR_LOG_CLOSED', 'the log is closed');
    return last;
  }

  get(number: number): LogShard<Log> | undefined {
    return this.#shards[number - 1];
  }

  /** Virtual index of an entry of a shard. */
  virtualIndex(shard: LogShard<Log>, index: bigint): bigint {
    return this.#shards.slice(0, shard.number - 1).reduce((sum, { log }) => sum + log.size, index);
  }

  /** Where the entry with a virtual index is; undefined beyond the last one. */
  locate(virtualIndex: bigint): { readonly shard: LogShard<Log>; readonly index: bigint } | undefined {
    let index = virtualIndex;
    for (const shard of this.#shards) {
      if (index < shard.log.size) return index < 0n ? undefined : { shard, index };
      index -= shard.log.size;
    }
    return undefined;
  }

  /**
   * Writes to the active shard, and to the next one when a rotation came in between.
   *
   * @throws what `write` throws
   */
  async write<Result>(write: (shard: LogShard<Log>) => Promise<Result>): Promise<Result> {
    for (;;) {
      const shard = this.active;
      try {
        return await write(shard);
      } catch (error) {
        if (!(error instanceof SignetError) || error.code !== 'ERR_LOG_FROZEN') throw error;
        await this.settled();
        if (this.active.number === shard.number) throw error;
      }
    }
  }

  /** Resolves when no rotation is under way: whoever finds the active shard frozen waits for that and looks again. */
  async settled(): Promise<void> {
    await this.#rotation;
  }

  /**
   * Opens a new shard and freezes the present one, without a moment in which nothing is taken: first the new one is there and
   * announced, then the old one takes no more.
   *
   * A crash in between leaves the old list or the new one; a shard that was made and not listed is used by the next rotation.
   *
   * @param overlapMilliseconds how long the present shard still takes entries, for clients that have not heard of the new one;
   *   with Infinity until {@link LogShards.freezeBefore} says when
   * @throws what opening a log throws; ERR_LOG_STORAGE
   */
  rotate(overlapMilliseconds = 0): Promise<LogShard<Log>> {
    return this.#inTurn(() => this.#rotate(overlapMilliseconds));
  }

  /**
   * Says from when on every shard before this one takes no more entries, where that is not said yet.
   *
   * @throws ERR_LOG_STORAGE
   */
  freezeBefore(number: number, frozenAt: Date): Promise<void> {
    return this.#inTurn(async () => {
      const open = this.#shards.filter((shard) => shard.number < number && shard.frozenAt === undefined);
      if (open.length === 0) return;
      const before = this.#shards;
      this.#shards = before.map((shard) => (open.includes(shard) ? { ...shard, frozenAt } : shard));
      try {
        this.#save();
      } catch (error) {
        this.#shards = before;
        throw error;
      }
      await this.#options.onChange?.(this);
      for (const shard of open) await this.#freezeInTime({ ...shard, frozenAt });
    });
  }

  #inTurn<Result>(change: () => Promise<Result>): Promise<Result> {
    const changed = this.#rotation.then(change);
    this.#rotation = changed.catch(() => undefined);
    return changed;
  }

  async #rotate(overlapMilliseconds: number): Promise<LogShard<Log>> {
    const previous = this.active;
    const openedAt = new Date();
    const frozenAt =
      overlapMilliseconds === Number.POSITIVE_INFINITY ? undefined : new Date(openedAt.getTime() + overlapMilliseconds);
    const number = previous.number + 1;
    const place = { number, directory: this.#directoryOf(number), openedAt, frozenAt: undefined };
    const shard = { ...place, log: await this.#options.open(place) };
    // Without overlap the new shard's virtual indices must be settled before anybody sees one.
    if (overlapMilliseconds <= 0) await previous.log.freeze();
    const before = this.#shards;
    this.#shards = [...before.slice(0, -1), { ...previous, frozenAt }, shard];
    try {
      this.#save();
    } catch (error) {
      this.#shards = before;
      await shard.log.close();
      throw error;
    }
    await this.#options.onChange?.(this);
    await this.#freezeInTime({ ...previous, frozenAt });
    return shard;
  }

  /** Closes every shard; the first failure is thrown after the last. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#rotation;
    const closed = await Promise.allSettled(this.#shards.map(({ log }) => log.close()));
    this.#shards = [];
    const failed = closed.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async #freezeInTime({ log, frozenAt }: LogShard<Log>): Promise<void> {
    if (frozenAt === undefined) return;
    const rest = frozenAt.getTime() - Date.now();
    if (rest <= 0) {
      await log.freeze();
      return;
    }
    // Timers cannot be longer than 24 days; a long overlap is looked at again.
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        this.#freezeInTime({ log, frozenAt } as LogShard<Log>).catch(() => {
          // The log has failed and says so itself.
        });
      },
      Math.min(rest, 2 ** 31 - 1),
    );
    timer.unref();
    this.#timers.add(timer);
  }

  #directoryOf(number: number): string {
    return directoryOf(this.#options.directory, number);
  }

  #save(): void {
    const shards = this.#shards.map(({ number, openedAt, frozenAt }) => ({ number, openedAt, frozenAt }));
    const text = `${JSON.stringify({ format, shards }, undefined, 2)}\n`;
    replaceFile(join(this.#options.directory, 'shards.json'), utf8(text));
  }
}

/**
 * The shards that a directory lists, without opening any.
 *
 * @throws ERR_LOG_FORMAT, ERR_LOG_CORRUPT, ERR_LOG_STORAGE
 */
export function readPlaces({ directory, created }: { directory: string; created?: Date }): ShardPlace[] {
  const path = join(directory, 'shards.json');
  if (!existsSync(path)) return [{ number: 1, directory, openedAt: created ?? new Date(), frozenAt: undefined }];
  let text: string;
  try {
    text = fromUtf8(readFileSync(path), path);
  } catch (cause) {
    throw storageError('read', path, cause);
  }
  const value = parseJson(text, path) as { format?: unknown; shards?: unknown } | null;
  if (typeof value?.format === 'number' && value.format > format) {
    throw new SignetError('ERR_LOG_FORMAT', `${path} was written by a newer version; update to open this log`, {
      expected: `format ${format}`,
      found: `format ${value.format}`,
    });
  }
  const list: unknown[] = Array.isArray(value?.shards) ? value.shards : [];
  const places = list.map((element, i) => readPlace(element, i + 1, directory));
  const whole = places.every((place) => place !== undefined);
  if (places.length === 0 || !whole) {
    throw new SignetError('ERR_LOG_CORRUPT', `${path} does not list the shards of a log; restore it from a backup`);
  }
  return places;
}

function readPlace(value: unknown, expected: number, directory: string): ShardPlace | undefined {
  const { number, openedAt, frozenAt } = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  const opened = readDate(openedAt);
  const frozen = frozenAt === undefined ? undefined : readDate(frozenAt);
  if (number !== expected || opened === undefined || (frozenAt !== undefined && frozen === undefined)) return undefined;
  return { number: expected, directory: directoryOf(directory, expected), openedAt: opened, frozenAt: frozen };
}

function readDate(value: unknown): Date | undefined {
  const date = typeof value === 'string' ? new Date(value) : new Date(Number.NaN);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

function directoryOf(directory: string, number: number): string {
  return number === 1 ? directory : join(directory, `shard-${number}`);
}
