import { existsSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { levelSize, parseCheckpoint, parseSignedNote, tilePath, tileWidth } from '@signet/primitives/formats';
import type { ReadableLog } from './http/tile-routes.ts';

/**
 * Writes a log as plain files that any web server can serve (c2sp.org/tlog-tiles): `checkpoint`, `tile/…` and the entry
 * bundles of the present tree. Full tiles that are there already never change and are skipped, so that exporting again
 * costs what is new.
 *
 * @param target folder, created when missing
 * @param entries `data` for a certificate log
 * @returns size of the exported tree
 */
export async function exportStatic(
  log: ReadableLog,
  target: string,
  entries: 'entries' | 'data' = 'entries',
): Promise<bigint> {
  const checkpoint = await log.checkpoint();
  const { treeSize } = parseCheckpoint(parseSignedNote(checkpoint).text);
  const size = Number(treeSize);
  for (let level = 0; levelSize(level, size) > 0; level++) {
    for (const { index, width } of tilesOf(levelSize(level, size))) {
      await write(target, tilePath({ level, index, width }), width, () => log.readTile(level, index, width));
    }
  }
  for (const { index, width } of tilesOf(size)) {
    const path = tilePath({ level: entries, index, width });
    await write(target, path, width, () => log.readEntryBundle(index, width));
  }
  // Last: who sees the checkpoint finds everything below it.
  await mkdir(target, { recursive: true });
  await replace(join(target, 'checkpoint'), checkpoint);
  return treeSize;
}

function* tilesOf(count: number): Generator<{ index: number; width: number }> {
  for (let index = 0; index * tileWidth < count; index++) {
    yield { index, width: Math.min(tileWidth, count - index * tileWidth) };
  }
}

async function write(
  target: string,
  path: string,
  width: number,
  read: () => Uint8Array | undefined | Promise<Uint8Array | undefined>,
): Promise<void> {
  const file = join(target, path);
  if (width === tileWidth && existsSync(file)) return;
  const bytes = await read();
  if (bytes === undefined) throw new RangeError(`the log has no ${path}`);
  await mkdir(dirname(file), { recursive: true });
  await replace(file, bytes);
}

/** A file is there as a whole or not at all, so that one that is there can be skipped. */
async function replace(file: string, content: Uint8Array | string): Promise<void> {
  await writeFile(`${file}.new`, content);
  await rename(`${file}.new`, file);
}
