import { parseTilePath, SignetError, type TileAddress } from '@signet/primitives/formats';
import type { FastifyInstance, FastifyReply } from 'fastify';

/** What a log has to be read by. Undefined is what the log does not have (yet). */
export interface ReadableLog {
  checkpoint(): string | Promise<string>;
  readTile(level: number, index: number, width?: number): Uint8Array | undefined;
  readEntryBundle(index: number, width?: number): Promise<Uint8Array | undefined>;
}

/**
 * Reads of c2sp.org/tlog-tiles and c2sp.org/static-ct-api below `prefix`.
 *
 * @param entries what entry bundles are called: `entries` in the one, `data` in the other
 */
export function addTileRoutes(
  app: FastifyInstance,
  log: ReadableLog,
  prefix: string,
  entries: 'entries' | 'data',
): void {
  app.get(`${prefix}/checkpoint`, async (_request, reply) => {
    // Mutable, so nobody may answer for the log (tlog-tiles, Checkpoints).
    reply.header('cache-control', 'no-cache').type('text/plain; charset=utf-8');
    return log.checkpoint();
  });

  app.get<{ Params: { '*': string } }>(`${prefix}/tile/*`, async (request, reply) => {
    const path = request.params['*'];
    const tile = parseTilePath(path);
    const bytes = await readTile(log, tile, entries);
    if (bytes === undefined) throw new SignetError('ERR_TILE_PATH', `this log has no tile/${path} (yet)`);
    return sendImmutable(reply, bytes, 'application/octet-stream');
  });
}

/** Sends what never changes under its address. */
export function sendImmutable(reply: FastifyReply, bytes: Uint8Array, type: string): FastifyReply {
  return reply.header('cache-control', 'public, max-age=31536000, immutable').type(type).send(bytes);
}

function readTile(
  log: ReadableLog,
  { level, index, width }: TileAddress,
  entries: 'entries' | 'data',
): Uint8Array | undefined | Promise<Uint8Array | undefined> {
  if (typeof level === 'number') return log.readTile(level, index, width);
  return level === entries ? log.readEntryBundle(index, width) : undefined;
}
