import { parseTilePath, SignetError, type TileAddress, tileWidth } from '@signet/primitives/formats';
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify';
import { TileCache } from './tile-cache.ts';

/** What a log has to be read by. Undefined is what the log does not have (yet). */
export interface ReadableLog {
  checkpoint(): string | Promise<string>;
  readTile(level: number, index: number, width?: number): Uint8Array | undefined | Promise<Uint8Array | undefined>;
  readEntryBundle(index: number, width?: number): Promise<Uint8Array | undefined>;
}

export interface TileRoutes {
  /** The log that a request is about. */
  readonly find: (request: FastifyRequest) => ReadableLog;
  readonly prefix: string;
  /** What entry bundles are called: `entries` in c2sp.org/tlog-tiles, `data` in c2sp.org/static-ct-api. */
  readonly entries: 'entries' | 'data';
  readonly schemas?: { readonly checkpoint: FastifySchema; readonly tile: FastifySchema };
  /** Whether nobody but the reader may keep what is read. */
  readonly private?: boolean;
  /** Shared by the places that one log is read at. */
  readonly cache?: TileCache;
}

/** Reads of c2sp.org/tlog-tiles and c2sp.org/static-ct-api below a prefix. */
export function addTileRoutes(app: FastifyInstance, { find, prefix, entries, schemas, ...options }: TileRoutes): void {
  const visibility = options.private === true ? 'private' : 'public';
  const { cache = new TileCache() } = options;
  // What is at hand is sent without a promise, and without returning the reply, which is one too.
  app.get(`${prefix}/checkpoint`, routeSchema(schemas?.checkpoint), (request, reply) => {
    // Mutable, so nobody may answer for the log (tlog-tiles, Checkpoints).
    reply.header('cache-control', 'no-cache').type('text/plain; charset=utf-8');
    const checkpoint = find(request).checkpoint();
    if (typeof checkpoint !== 'string') return checkpoint;
    reply.send(checkpoint);
    return undefined;
  });

  const read = async (log: ReadableLog, path: string): Promise<Uint8Array> => {
    const tile = parseTilePath(path);
    const bytes = await readTile(log, tile, entries);
    if (bytes === undefined) throw new SignetError('ERR_TILE_PATH', `this log has no tile/${path} (yet)`);
    if (tile.width === tileWidth) cache.keep(log, path, bytes);
    return bytes;
  };

  app.get(`${prefix}/tile/*`, routeSchema(schemas?.tile), (request, reply) => {
    const { '*': path = '' } = request.params as { '*'?: string };
    const log = find(request);
    const known = cache.find(log, path);
    if (known === undefined) {
      return read(log, path).then((bytes) => sendImmutable(reply, bytes, 'application/octet-stream', visibility));
    }
    sendImmutable(reply, known, 'application/octet-stream', visibility);
    return undefined;
  });
}

function routeSchema(schema: FastifySchema | undefined): { schema?: FastifySchema } {
  return schema === undefined ? {} : { schema };
}

/** Sends what never changes under its address. */
export function sendImmutable(
  reply: FastifyReply,
  bytes: Uint8Array,
  type: string,
  visibility: 'public' | 'private' = 'public',
): FastifyReply {
  return reply.header('cache-control', `${visibility}, max-age=31536000, immutable`).type(type).send(bytes);
}

function readTile(
  log: ReadableLog,
  { level, index, width }: TileAddress,
  entries: 'entries' | 'data',
): Uint8Array | undefined | Promise<Uint8Array | undefined> {
  if (typeof level === 'number') return log.readTile(level, index, width);
  return level === entries ? log.readEntryBundle(index, width) : undefined;
}
