import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { levelSize, merkleHashSize, SignetError, tileWidth } from '@signet/primitives/formats';
import { lockDirectory } from '../engine/directory-lock.ts';
import type { EntryFormat } from '../engine/entry-format.ts';
import { ForkGuard } from '../engine/fork-guard.ts';
import { LogStore } from '../engine/log-store.ts';
import type { ReadableLog } from '../http/tile-routes.ts';
import { readPlaces, type ShardPlace } from '../log-shards.ts';

/** A log as it lies in its directory, read without its key. */
export interface StoredLog extends ReadableLog {
  close(): void;
}

/**
 * Opens the files of a log that is not served, up to the last checkpoint that it has released.
 *
 * @throws ERR_LOG_LOCKED while it is served; ERR_LOG_CORRUPT, ERR_LOG_BEHIND, ERR_LOG_STORAGE; ERR_LOG_RANGE for a log that has
 *   released nothing yet
 */
export function openStoredLog(directory: string, format: EntryFormat): StoredLog {
  const lock = lockDirectory(directory);
  const guard = new ForkGuard(join(directory, 'released.dat'), false);
  let store: LogStore | undefined;
  const close = (): void => {
    store?.closeFiles();
    guard.close();
    lock.release();
  };
  try {
    const released = guard.read();
    if (released === undefined) throw new SignetError('ERR_LOG_RANGE', `the log in ${directory} has no checkpoint yet`);
    store = LogStore.open(directory, format, released);
    const { treeSize, checkpoint } = released;
    const files = store;
    return {
      checkpoint: () => checkpoint,
      readTile: (level, index, width = tileWidth) =>
        index * tileWidth + width > levelSize(level, treeSize)
          ? undefined
          : files.readHashes(level, index * tileWidth, width).subarray(0, width * merkleHashSize),
      readEntryBundle: async (index, width = tileWidth) =>
        index * tileWidth + width > treeSize ? undefined : files.readBundle(index, width),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

/**
 * The shards of the log that a data directory holds: of an instance, of a log that is served by itself, or of one log alone.
 *
 * @param kind `log-v1` for Rekor v1's, `ct` for the certificate log of an instance
 * @throws ERR_LOG_CONFIG when there is none
 */
export function findShards(directory: string, kind: 'log' | 'log-v1' | 'ct' = 'log'): ShardPlace[] {
  const candidates = kind === 'log' ? [join(directory, 'log'), directory] : [join(directory, kind)];
  const found = candidates.find((candidate) => existsSync(join(candidate, 'log.json')));
  if (found === undefined) throw new SignetError('ERR_LOG_CONFIG', `${directory} holds no log`);
  return readPlaces({ directory: found });
}
