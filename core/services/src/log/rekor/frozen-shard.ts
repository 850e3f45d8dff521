import { SignetError } from '@signet/primitives/formats';
import type { LogShard } from '../log-shards.ts';
import type { TransparencyLog } from '../transparency-log.ts';

/** ERR_LOG_FROZEN of a log that goes on elsewhere. */
export class FrozenShardError extends SignetError {
  /** Of the shard that takes entries: its URL without the scheme. */
  readonly latestOrigin: string;

  constructor({ number, log }: LogShard<TransparencyLog>, cause: SignetError) {
    // It begins with upstream's sentence, which clients may know.
    super(
      'ERR_LOG_FROZEN',
      `${cause.message} Shard ${number}, at ${log.origin}, takes entries now: fetch the signing config again, and submit there`,
      { cause },
    );
    this.latestOrigin = log.origin;
  }
}

/** What is said of an entry that a shard does not take any more: where it belongs, when another shard takes it. */
export function namingLatest(
  error: unknown,
  frozen: TransparencyLog,
  latest: LogShard<TransparencyLog> | undefined,
): unknown {
  if (!(error instanceof SignetError) || error.code !== 'ERR_LOG_FROZEN') return error;
  return latest === undefined || latest.log === frozen ? error : new FrozenShardError(latest, error);
}
