import { SignetError } from '@signet/primitives/formats';
import type { LogShard } from '../log-shards.ts';
import type { SearchQuery } from '../search/entry-index.ts';
import type { TransparencyLog } from '../transparency-log.ts';

/** A query over all shards. */
export interface ShardedQuery extends Omit<SearchQuery, 'from'> {
  /** `next` of the part before; absent at the beginning. */
  readonly from: string | undefined;
}

export interface FoundInShards {
  readonly found: readonly { readonly shard: LogShard<TransparencyLog>; readonly index: number }[];
  /** `from` for the rest; absent at the end. */
  readonly next: string | undefined;
}

/**
 * Entries that match, in their order, shard after shard.
 *
 * @throws ERR_LOG_REQUEST when `from` is not one that was given; what searching a shard throws
 */
export async function searchShards(
  shards: readonly LogShard<TransparencyLog>[],
  { terms, operator, limit, from }: ShardedQuery,
): Promise<FoundInShards> {
  const start = readCursor(from);
  const found: { shard: LogShard<TransparencyLog>; index: number }[] = [];
  for (const shard of shards.slice(start.shard - 1)) {
    const first = shard.number === start.shard ? start.index : 0;
    const rest = limit - found.length;
    // A full page may end with a shard: whether the next one has anything is asked with the next page.
    if (rest === 0) return { found, next: `${shard.number}-0` };
    const { entries, next } = await shard.log.search({ terms, operator, from: first, limit: rest });
    for (const index of entries) found.push({ shard, index });
    if (next !== undefined) return { found, next: `${shard.number}-${next}` };
  }
  return { found, next: undefined };
}

function readCursor(from: string | undefined): { shard: number; index: number } {
  const [, shard, index] = /^([1-9][0-9]{0,3})-(0|[1-9][0-9]{0,14})$/.exec(from ?? '1-0') ?? [];
  if (shard === undefined || index === undefined) {
    throw new SignetError('ERR_LOG_REQUEST', 'invalid request: from is not the "next" of an answer');
  }
  return { shard: Number(shard), index: Number(index) };
}
