import { opendir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createDurably, readIfPresent } from './durable-files.ts';

/**
 * What Verdaccio's file storage leaves when its process dies: a lock that makes every later change of the package wait for two
 * minutes, and half-written files, which stand in the way when the package is removed.
 */
const abandoned = /^(?:package\.json\.lock|.+\.tmp-?\d+)$/;

/**
 * Clears away what a crash left in Verdaccio's storage. Only for a process that holds the instance's lock: nobody else can be
 * writing there.
 *
 * @param storage folder with packages, scopes one level below
 * @returns the files that were removed
 */
export async function sweepStorage(storage: string): Promise<readonly string[]> {
  const removed: string[] = [];
  const sweep = async (folder: string, depth: number): Promise<void> => {
    for await (const entry of await opendir(folder)) {
      const path = join(folder, entry.name);
      if (entry.isDirectory() && depth < 2) await sweep(path, depth + 1);
      if (!entry.isFile() || depth === 0 || !abandoned.test(entry.name)) continue;
      await rm(path, { force: true });
      removed.push(path);
    }
  };
  await sweep(storage, 0);
  return removed;
}

/** Notes that the instance runs, and says whether it ran before and never came to its end. */
export async function markRunning(marker: string): Promise<{ readonly crashed: boolean }> {
  const crashed = (await readIfPresent(marker)) !== undefined;
  if (!crashed) await createDurably(marker, '{"format":1}\n');
  return { crashed };
}

/** Takes the note back at the end of a clean stop. */
export async function markStopped(marker: string): Promise<void> {
  await rm(marker, { force: true });
}
