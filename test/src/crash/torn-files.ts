import { randomInt } from 'node:crypto';
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Does to the files of logs what a power failure could have done after the process died: bytes that no sync had confirmed are
 * cut, garbled or left.
 *
 * @param directory of the folders of the logs
 * @param journalFile see `log-server.ts`
 */
export async function tearFiles(directory: string, journalFile: string): Promise<void> {
  const durable = new Map<string, number>();
  for (const line of (await readFile(journalFile, 'utf8')).split('\n')) {
    const [name = '', size] = line.split(' ');
    // A later sync of a file that had been cut confirms less.
    durable.set(name, Number(size));
  }
  for (const log of await readdir(directory)) {
    for (const name of await readdir(join(directory, log))) {
      if (!/\.(dat|idx|log|txt)$/.test(name) || name === 'released.dat') continue;
      await tearTail(join(directory, log, name), durable.get(join(log, name)) ?? 0);
    }
  }
}

async function tearTail(path: string, durableLength: number): Promise<void> {
  const content = await readFile(path);
  const tail = content.length - durableLength;
  if (tail <= 0) return;
  const kind = randomInt(4);
  if (kind === 0) return;
  if (kind === 1) {
    await truncate(path, durableLength + randomInt(tail + 1));
    return;
  }
  // Blocks that were allocated and not written read as zeros, or as what stood there before.
  const start = durableLength + randomInt(tail);
  content.fill(kind === 2 ? 0 : 0x5a, start, Math.min(content.length, start + 1 + randomInt(4096)));
  await writeFile(path, content);
}
