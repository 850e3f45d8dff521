import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { lockDirectory } from './engine/directory-lock.ts';
import { ForkGuard } from './engine/fork-guard.ts';
import { LogStore } from './engine/log-store.ts';
import { EntryIndex } from './search/entry-index.ts';
import { PackageNames } from './search/package-names.ts';
import { tiledFormat } from './tiled-format.ts';

/**
 * Throws the search index of a log away and builds it again from the entries.
 *
 * @param directory of one shard
 * @param entryTypes modules of entry types that the log takes beyond Rekor's
 * @returns number of entries indexed
 * @throws ERR_LOG_LOCKED while the log is served; ERR_LOG_INDEX; as opening the log for its files
 */
export async function reindexLog(directory: string, entryTypes: readonly string[] = []): Promise<number> {
  const lock = lockDirectory(directory);
  try {
    const guard = new ForkGuard(join(directory, 'released.dat'), false);
    const store = LogStore.open(directory, tiledFormat, guard.read());
    const { treeSize, endOffset } = store.state;
    const packages = await PackageNames.open(directory);
    const packagesEnd = packages.end;
    packages.close();
    store.closeFiles();
    guard.close();
    for (const suffix of ['', '-wal', '-shm']) rmSync(join(directory, `index.db${suffix}`), { force: true });
    const index = new EntryIndex(directory, entryTypes);
    try {
      index.follow({ treeSize, endOffset, packagesEnd });
      await index.catchUp();
    } finally {
      await index.close();
    }
    return treeSize;
  } finally {
    lock.release();
  }
}
