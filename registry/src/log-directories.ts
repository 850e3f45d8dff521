import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { SignetError } from '@signet/primitives/formats';
import { findShards } from '@signet/services/log';
import { certificateLogDirectory, type Generations } from './generations.ts';
import type { InstanceLayout } from './layout.ts';

/**
 * The directories of all logs of an instance and of all their shards, also of those that are not made yet.
 *
 * @throws ERR_LOG_CORRUPT, ERR_LOG_FORMAT
 */
export function logDirectories(layout: InstanceLayout, { ctlog }: Pick<Generations, 'ctlog'>): readonly string[] {
  const certificateLogs = Array.from({ length: ctlog }, (_, before) => certificateLogDirectory(layout, before + 1));
  return [...shardDirectories(layout, 'log'), ...shardDirectories(layout, 'log-v1'), ...certificateLogs];
}

/** Whether there is a log in one of {@link logDirectories}: each is made when it is served first. */
export function isMade(directory: string): boolean {
  return existsSync(join(directory, 'log.json'));
}

function shardDirectories({ directory, logDirectory }: InstanceLayout, kind: 'log' | 'log-v1'): string[] {
  try {
    return findShards(directory, kind).map((shard) => shard.directory);
  } catch (error) {
    // Not made yet; a v1 log may never be.
    if (error instanceof SignetError && error.code === 'ERR_LOG_CONFIG') return kind === 'log' ? [logDirectory] : [];
    throw error;
  }
}
