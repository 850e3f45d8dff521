import { parseRekorBody, SignetError, tlogEntryToJson } from '@signet/primitives/formats';
import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import { handleError, handleNotFound, sendError } from '../http/errors.ts';
import { addTileRoutes } from '../http/tile-routes.ts';
import type { LoggedEntry, TransparencyLog } from '../transparency-log.ts';
import { EntryVerifier } from './entry-verifier.ts';
import { readSearchRequest } from './search-request.ts';

export interface RekorV2Options {
  /** Largest request in bytes; default 4 MiB, as upstream. */
  readonly maximumRequestSize?: number;
  /** Whether `dsseRequestV002` is taken, which Rekor v2 dropped and @sigstore/sign still sends; default true. */
  readonly dsse?: boolean;
  /** Threads that verify signatures under load; default one for each processor, 0 for none. */
  readonly workers?: number;
  /** Requests that may be in verification at a time before 503; default 4,096. */
  readonly maximumWaiting?: number;
}

const proofIndex = /^(0|[1-9][0-9]{0,14})$/;

/**
 * Rekor's v2 API over a log (rekor-tiles, rekor_service.proto), with paths relative to the log's base URL. Reads are
 * below `/api/v2` and directly below the base, since clients look in both places.
 */
export function rekorV2Routes(log: TransparencyLog, options: RekorV2Options = {}): FastifyPluginAsync {
  const bodyLimit = options.maximumRequestSize ?? 4 << 20;
  const dsse = options.dsse ?? true;

  return async (app) => {
    const { workers, maximumWaiting } = options;
    const verifier = new EntryVerifier({
      dsse,
      ...(workers === undefined ? {} : { workers }),
      ...(maximumWaiting === undefined ? {} : { maximumWaiting }),
    });
    app.addHook('onClose', () => verifier.close());
    // The gateway reads JSON whatever the type says, and strictly: JSON.parse alone would hide a repeated key.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    app.setErrorHandler(handleError);
    app.setNotFoundHandler(handleNotFound);
    app.addHook('onRequest', async (request, reply) => {
      // Whoever may read a log may read it from a web page.
      if (request.method === 'GET' || request.method === 'HEAD') reply.header('access-control-allow-origin', '*');
    });

    app.post('/api/v2/log/entries', { bodyLimit }, async (request, reply) => {
      const { kind, version, canonicalizedBody } = await verifier.verify(requestBody(request));
      const logged = await log.append(canonicalizedBody);
      return reply.code(201).send(entryToJson(log, logged, { kind, version, canonicalizedBody }));
    });

    app.post('/api/v2/index/retrieve', { bodyLimit: 64 << 10 }, async (request, reply) => {
      const found = await log.search(readSearchRequest(requestBody(request)));
      const entries = await Promise.all(found.entries.map((index) => findEntry(log, index)));
      reply.header('cache-control', 'no-cache');
      // `next` is `from` of the query for the rest.
      return { format: 1, entries, next: found.next ?? null };
    });

    addTileRoutes(app, log, '', 'entries');
    addTileRoutes(app, log, '/api/v2', 'entries');

    app.get<{ Params: { index: string } }>('/api/v2/proof/:index', async (request, reply) => {
      const { index } = request.params;
      if (!proofIndex.test(index)) return sendError(reply, 400, 3, 'the index of an entry is a plain decimal number');
      reply.header('cache-control', 'no-cache').type('text/plain; charset=utf-8');
      return log.proofText(BigInt(index));
    });

    app.get('/healthz', async (_request, reply) =>
      log.healthy ? { status: 'SERVING' } : reply.code(503).send({ status: 'NOT_SERVING' }),
    );
  };
}

function requestBody(request: FastifyRequest): Uint8Array {
  return Buffer.isBuffer(request.body) ? request.body : new Uint8Array();
}

async function findEntry(log: TransparencyLog, index: number): Promise<Record<string, unknown>> {
  const entry = await log.find(BigInt(index));
  if (entry === undefined) throw new SignetError('ERR_LOG_RANGE', `the log has no entry ${index}`);
  const { kind, version } = parseRekorBody(entry.body);
  return entryToJson(log, entry, { kind, version, canonicalizedBody: entry.body });
}

/** Sigstore's TransparencyLogEntry as upstream writes it: unset fields too. A v2 log promises nothing, it proves. */
function entryToJson(
  log: TransparencyLog,
  { index, rootHash, treeSize, hashes, checkpoint }: LoggedEntry,
  entry: { kind: string; version: string; canonicalizedBody: Uint8Array },
): Record<string, unknown> {
  const inclusionProof = { logIndex: index, rootHash, treeSize, hashes, checkpoint };
  const json = tlogEntryToJson({ ...entry, logIndex: index, logId: log.keyId, integratedTime: 0n, inclusionProof });
  return { ...json, inclusionPromise: null };
}
