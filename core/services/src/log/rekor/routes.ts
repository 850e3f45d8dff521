import { tlogEntryToJson } from '@signet/primitives/formats';
import type { FastifyPluginAsync } from 'fastify';
import { handleError, handleNotFound, sendError } from '../http/errors.ts';
import { addTileRoutes } from '../http/tile-routes.ts';
import type { TransparencyLog } from '../transparency-log.ts';
import { EntryVerifier } from './entry-verifier.ts';

export interface RekorV2Options {
  /** Largest request in bytes; default 4 MiB, as upstream. */
  readonly maximumRequestSize?: number;
  /** Whether `dsseRequestV002` is taken, which Rekor v2 dropped and @sigstore/sign still sends; default true. */
  readonly dsse?: boolean;
  /** Threads that verify signatures under load; default one for each processor, 0 for none. */
  readonly workers?: number;
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
    const verifier = new EntryVerifier({
      dsse,
      ...(options.workers === undefined ? {} : { workers: options.workers }),
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
      const body = Buffer.isBuffer(request.body) ? request.body : new Uint8Array();
      const { kind, version, canonicalizedBody } = await verifier.verify(body);
      const logged = await log.append(canonicalizedBody);
      const { index, treeSize, rootHash, hashes, checkpoint } = logged;
      const entry = {
        logIndex: index,
        logId: log.keyId,
        kind,
        version,
        integratedTime: 0n,
        inclusionProof: { logIndex: index, rootHash, treeSize, hashes, checkpoint },
        canonicalizedBody,
      };
      // Upstream writes unset fields too; a v2 log promises nothing, it proves.
      return reply.code(201).send({ ...tlogEntryToJson(entry), inclusionPromise: null });
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
