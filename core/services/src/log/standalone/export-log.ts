import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SignetError, type TileKind, tilePath } from '@signet/primitives/formats';
import { exportStatic } from '../export-static.ts';
import { tiledFormat } from '../tiled-format.ts';
import { logLayout } from './log-directory.ts';
import { parseLogSettings } from './settings.ts';
import { findShards, openStoredLog } from './stored-log.ts';

/** One shard as it was written. */
export interface ExportedShard {
  readonly number: number;
  readonly treeSize: bigint;
}

/**
 * Writes all shards of a log as plain files for any web server (c2sp.org/tlog-tiles): the first at the top, later ones below their
 * numbers, as they are served. A log that is being served by itself is read through its server.
 *
 * @throws ERR_LOG_LOCKED when an instance serves it; ERR_LOG_CONFIG; as reading the files
 */
export async function exportLog(directory: string, target: string): Promise<ExportedShard[]> {
  const exported: ExportedShard[] = [];
  for (const { number, directory: own } of findShards(directory)) {
    const folder = number === 1 ? target : join(target, String(number));
    exported.push({ number, treeSize: await exportShard(directory, own, number, folder) });
  }
  return exported;
}

async function exportShard(directory: string, own: string, number: number, target: string): Promise<bigint> {
  let log: ReturnType<typeof openStoredLog>;
  try {
    log = openStoredLog(own, tiledFormat);
  } catch (error) {
    if (!(error instanceof SignetError) || error.code !== 'ERR_LOG_LOCKED') throw error;
    const served = await servedShard(directory, number);
    if (served === undefined) throw error;
    return exportStatic(served, target);
  }
  try {
    return await exportStatic(log, target);
  } finally {
    log.close();
  }
}

async function servedShard(directory: string, number: number): Promise<Parameters<typeof exportStatic>[0] | undefined> {
  const layout = logLayout(directory);
  const running = await readFile(layout.running, 'utf8').catch(() => undefined);
  const settings = await readFile(layout.settingsFile, 'utf8').catch(() => undefined);
  if (running === undefined || settings === undefined) return undefined;
  const { url } = JSON.parse(running) as { url: string };
  const [token] = parseLogSettings(settings, layout.settingsFile).readTokens;
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const get = async (path: string): Promise<Uint8Array> => {
    const answer = await fetch(`${url}/${number}/${path}`, {
      headers,
      redirect: 'error',
      signal: AbortSignal.timeout(30_000),
    });
    if (answer.status !== 200)
      throw new SignetError('ERR_LOG_RANGE', `${url}/${number}/${path}: HTTP ${answer.status}`);
    return new Uint8Array(await answer.arrayBuffer());
  };
  const tile = (level: TileKind, index: number, width?: number): Promise<Uint8Array> =>
    get(tilePath({ level, index, width: width ?? 256 }));
  return {
    checkpoint: async () => Buffer.from(await get('checkpoint')).toString(),
    readTile: (level, index, width) => tile(level, index, width),
    readEntryBundle: (index, width) => tile('entries', index, width),
  };
}
