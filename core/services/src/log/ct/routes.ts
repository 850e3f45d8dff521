import {
  fromBase64,
  parseJson,
  type SignedCertificateTimestamp,
  SignetError,
  toBase64,
} from '@signet/primitives/formats';
import type { FastifyPluginAsync } from 'fastify';
import { digitallySigned } from '../checkpoint-signer.ts';
import { handleError, handleNotFound, sendError } from '../http/errors.ts';
import { Metrics } from '../http/metrics.ts';
import { serveOpenApi } from '../http/openapi.ts';
import { addTileRoutes, sendImmutable } from '../http/tile-routes.ts';
import type { CertificateLog } from './certificate-log.ts';
import { operations } from './schemas.ts';

export interface CtOptions {
  /** Largest request in bytes; default 256 KiB. */
  readonly maximumRequestSize?: number;
}

/**
 * Submissions of RFC 6962 §4 and reads of c2sp.org/static-ct-api over a certificate log, with paths relative to its base
 * URL.
 */
export function ctRoutes(log: CertificateLog, options: CtOptions = {}): FastifyPluginAsync {
  const bodyLimit = options.maximumRequestSize ?? 256 << 10;

  return async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    const metrics = new Metrics();
    const countPromise = metrics.counter('signet_ct_promises_total', 'Certificates answered with an SCT.', [
      { kind: 'certificate' },
      { kind: 'precertificate' },
    ]);
    const countRefused = metrics.counter('signet_ct_refused_total', 'Requests refused, by reason.');
    metrics.gauge('signet_ct_size', 'Entries in the published tree.', () => [[{}, Number(log.size)]]);
    metrics.gauge('signet_ct_healthy', 'Whether entries are taken.', () => [[{}, log.healthy ? 1 : 0]]);

    app.setErrorHandler((error: Parameters<typeof handleError>[0], request, reply) => {
      countRefused({ reason: error instanceof SignetError ? error.code : String(error.statusCode ?? 500) });
      return handleError(error, request, reply);
    });
    app.setNotFoundHandler(handleNotFound);
    app.addHook('onRequest', (request, reply, done) => {
      if (request.method === 'GET' || request.method === 'HEAD') reply.header('access-control-allow-origin', '*');
      done();
    });
    serveOpenApi(app, '', {
      title: 'Certificate transparency log',
      description: 'Submissions of RFC 6962 and reads of c2sp.org/static-ct-api, by Signet.',
    });

    app.post('/ct/v1/add-chain', { bodyLimit, schema: operations.addChain }, async (request) => {
      const sct = await log.addChain(readChain(request.body));
      countPromise({ kind: 'certificate' });
      return sctToJson(sct);
    });

    app.post('/ct/v1/add-pre-chain', { bodyLimit, schema: operations.addPreChain }, async (request) => {
      const sct = await log.addPreChain(readChain(request.body));
      countPromise({ kind: 'precertificate' });
      return sctToJson(sct);
    });

    app.get('/ct/v1/get-sth', { schema: operations.getSth }, async (_request, reply) => {
      const { treeSize, timestamp, rootHash, signature } = await log.treeHead();
      reply.header('cache-control', 'no-cache');
      return {
        tree_size: Number(treeSize),
        timestamp: timestamp.getTime(),
        sha256_root_hash: toBase64(rootHash),
        tree_head_signature: toBase64(signature),
      };
    });

    app.get('/ct/v1/get-roots', { schema: operations.getRoots }, async () => ({
      certificates: log.acceptedRoots.map(toBase64),
    }));

    app.get('/issuer/:fingerprint', { schema: operations.getIssuer }, async (request, reply) => {
      const { fingerprint = '' } = request.params as { fingerprint?: string };
      const certificate = log.issuer(fingerprint);
      if (certificate === undefined) return sendError(reply, 404, 5, 'no entry of this log names such an issuer');
      return sendImmutable(reply, certificate, 'application/pkix-cert');
    });

    const { checkpoint, tile } = operations;
    addTileRoutes(app, { find: () => log, prefix: '', entries: 'data', schemas: { checkpoint, tile } });

    app.get('/metrics', { schema: operations.metrics, logLevel: 'warn' }, async (_request, reply) =>
      reply.type('text/plain; version=0.0.4; charset=utf-8').send(metrics.toText()),
    );

    app.get('/healthz', { schema: operations.health, logLevel: 'warn' }, async (_request, reply) =>
      log.healthy ? { status: 'SERVING' } : reply.code(503).send({ status: 'NOT_SERVING' }),
    );
  };
}

/** `{"chain": [base64 DER, …]}` (RFC 6962 §4.1). */
function readChain(body: unknown): Uint8Array[] {
  const request: unknown = parseJson(body instanceof Uint8Array ? body : new Uint8Array(), 'the request');
  const chain = typeof request === 'object' && request !== null && 'chain' in request ? request.chain : undefined;
  if (!Array.isArray(chain) || chain.length > 100) {
    throw new SignetError('ERR_LOG_REQUEST', 'invalid request: "chain" is not an array of certificates');
  }
  return chain.map((certificate: unknown, i) => {
    if (typeof certificate !== 'string') {
      throw new SignetError('ERR_LOG_REQUEST', `invalid request: chain[${i}] is not a base64 string`);
    }
    return fromBase64(certificate, `chain[${i}]`);
  });
}

/** The answer of RFC 6962 §4.1. */
function sctToJson(sct: SignedCertificateTimestamp): Record<string, unknown> {
  return {
    sct_version: 0,
    id: toBase64(sct.logId),
    timestamp: sct.timestamp.getTime(),
    extensions: toBase64(sct.extensions),
    signature: toBase64(digitallySigned(sct.signature)),
  };
}
