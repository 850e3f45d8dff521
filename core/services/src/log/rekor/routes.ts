import { parseRekorBody, SignetError, tlogEntryToJson, toBase64 } from '@signet/primitives/formats';
import type { FastifyInstance, FastifyPluginAsync, FastifyRequest, onRequestHookHandler } from 'fastify';
import { handleError, handleNotFound, sendError } from '../http/errors.ts';
import { serveOpenApi } from '../http/openapi.ts';
import { RateLimiter, type RateLimits } from '../http/rate-limits.ts';
import { ReadAccess } from '../http/read-access.ts';
import { TileCache } from '../http/tile-cache.ts';
import { addTileRoutes } from '../http/tile-routes.ts';
import type { LogShard, LogShards } from '../log-shards.ts';
import { maximumEntrySize } from '../tiled-format.ts';
import { type LoggedEntry, TransparencyLog } from '../transparency-log.ts';
import type { VerificationPool } from '../verification/verification-pool.ts';
import type { VerifiedEntry } from './create-entry.ts';
import { CreatedAnswer } from './created-answer.ts';
import { entryVerifier } from './entry-verifier.ts';
import { FrozenShardError, namingLatest } from './frozen-shard.ts';
import { LogMetrics } from './log-metrics.ts';
import { operations } from './schemas.ts';
import { readPackageUrls, readSearchRequest } from './search-request.ts';
import { searchShards } from './search-shards.ts';

export interface RekorV2Options {
  /** Largest request in bytes; default 4 MiB, as upstream. */
  readonly maximumRequestSize?: number;
  /** Whether `dsseRequestV002` is taken, which Rekor v2 dropped and @sigstore/sign still sends; default true. */
  readonly dsse?: boolean;
  /** Threads that verify signatures under load; default one for each processor, 0 for none. */
  readonly workers?: number;
  /** Requests that may be in verification at a time before 503; default 4,096. */
  readonly maximumWaiting?: number;
  /** How fast the log may be used; unlimited by default. Addresses are Fastify's `request.ip`: behind a proxy set `trustProxy`. */
  readonly limits?: RateLimits;
  /** Who has one of these may read the log; by default everybody may. Writing needs none: a signature is asked for anyway. */
  readonly readTokens?: readonly string[];
}

type Shards = Pick<LogShards<TransparencyLog>, 'all' | 'get'>;

const decimal = /^(0|[1-9][0-9]{0,14})$/;

/**
 * Rekor's v2 API over a log (rekor-tiles, rekor_service.proto), with paths relative to the log's base URL. Reads are
 * below `/api/v2` and directly below the base, since clients look in both places.
 *
 * A log with shards has the first at its base URL, as if there were no others, and each later one below its number: `/2`,
 * `/3`. Search goes over all of them.
 *
 * @throws ERR_LOG_CONFIG for options that make no sense
 */
export function rekorV2Routes(
  log: TransparencyLog | LogShards<TransparencyLog>,
  options: RekorV2Options = {},
): FastifyPluginAsync {
  const api = new RekorV2Api(log instanceof TransparencyLog ? onlyShard(log) : log, options);
  return async (app) => api.register(app);
}

function onlyShard(log: TransparencyLog): Shards {
  const shard = { number: 1, directory: '', openedAt: new Date(), frozenAt: undefined, log };
  return { all: [shard], get: (number) => (number === 1 ? shard : undefined) };
}

class RekorV2Api {
  readonly #shards: Shards;
  readonly #options: RekorV2Options;
  readonly #bodyLimit: number;
  readonly #limiter: RateLimiter;
  readonly #access: ReadAccess;
  readonly #verifier: VerificationPool<VerifiedEntry>;
  readonly #metrics: LogMetrics;
  readonly #answers = new CreatedAnswer();
  readonly #tiles = new TileCache();

  constructor(shards: Shards, options: RekorV2Options) {
    const { workers, maximumWaiting } = options;
    this.#shards = shards;
    this.#options = options;
    this.#bodyLimit = options.maximumRequestSize ?? 4 << 20;
    this.#limiter = new RateLimiter(options.limits ?? {});
    this.#access = new ReadAccess(options.readTokens);
    this.#verifier = entryVerifier(
      { dsse: options.dsse ?? true, signers: this.#limiter.asksForSigners },
      {
        onVerified: (entries, times) => this.#metrics.countVerified(entries, times),
        ...(workers === undefined ? {} : { workers }),
        ...(maximumWaiting === undefined ? {} : { maximumWaiting }),
      },
    );
    this.#metrics = new LogMetrics(
      () => shards.all.map((shard) => shard.log),
      () => this.#verifier.waiting,
    );
  }

  register(app: FastifyInstance): void {
    app.addHook('onClose', () => this.#verifier.close());
    // The gateway reads JSON whatever the type says, and strictly: JSON.parse alone would hide a repeated key.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    app.setErrorHandler((error: Parameters<typeof handleError>[0], request, reply) => {
      this.#metrics.countRefused(error instanceof SignetError ? error.code : String(error.statusCode ?? 500));
      // RFC 5829 §3.2. Without a scheme, since the log does not know by which it is reached.
      if (error instanceof FrozenShardError) reply.header('link', `<//${error.latestOrigin}>; rel="latest-version"`);
      return handleError(error, request, reply);
    });
    app.setNotFoundHandler(handleNotFound);
    // Hooks with a callback: a promise for each would cost a fifth of a read.
    app.addHook('onRequest', (request, reply, done) => {
      // Whoever may read a log may read it from a web page.
      if (request.method !== 'POST') reply.header('access-control-allow-origin', '*');
      done();
    });
    app.options('/*', async (_request, reply) => {
      // What a browser asks before it sends a read token, or a query in JSON.
      reply.header('access-control-allow-methods', 'GET, HEAD, POST').header('access-control-max-age', '86400');
      return reply.header('access-control-allow-headers', 'authorization, content-type').code(204).send();
    });
    serveOpenApi(app, '', {
      title: 'Transparency log',
      description: "Rekor's v2 API with search, by Signet.",
    });
    for (const prefix of ['', '/:shard(^[1-9][0-9]{0,3}$)']) this.#addShardRoutes(app, prefix);
    this.#addLogRoutes(app);
  }

  #addShardRoutes(app: FastifyInstance, prefix: string): void {
    const schema = operations;
    const bodyLimit = this.#bodyLimit;
    const onRequest = this.#reading;
    // Before the body is read, which is what a flood would cost.
    const limited = async (request: FastifyRequest): Promise<void> => this.#limiter.takeRequest('address', request.ip);

    app.post(
      `${prefix}/api/v2/log/entries`,
      { bodyLimit, schema: schema.createEntry, onRequest: limited },
      async (request, reply) => {
        const { log } = this.#shard(request);
        const packages = readPackageUrls(request.headers['signet-package-url']);
        const entry = await this.#verifier.verify(requestBody(request));
        this.#limiter.takeEntry(entry.signers);
        this.#metrics.watch(log);
        const logged = await log.append(entry.body, packages).catch((error: unknown) => {
          throw namingLatest(error, log, this.#shards.all.at(-1));
        });
        this.#metrics.countEntry(logged.duplicate ? 'duplicate' : 'new');
        const started = performance.now();
        const text = this.#answers.write(log, logged, entry);
        this.#metrics.countStage('answer', 1, performance.now() - started);
        return reply.code(201).type('application/json; charset=utf-8').send(text);
      },
    );

    app.get(`${prefix}/api/v2/log/entries/:index`, { schema: schema.getEntry, onRequest }, async (request, reply) => {
      const index = indexOf(request);
      if (index === undefined) return sendError(reply, 400, 3, 'the index of an entry is a plain decimal number');
      reply.header('cache-control', 'no-cache');
      return findEntry(this.#shard(request).log, index);
    });

    app.get(`${prefix}/api/v2/proof/:index`, { schema: schema.getProof, onRequest }, async (request, reply) => {
      const index = indexOf(request);
      if (index === undefined) return sendError(reply, 400, 3, 'the index of an entry is a plain decimal number');
      reply.header('cache-control', 'no-cache').type('text/plain; charset=utf-8');
      return this.#shard(request).log.proofText(index);
    });

    app.get(
      `${prefix}/api/v2/consistency/:oldSize/:newSize`,
      { schema: schema.getConsistency, onRequest },
      async (request, reply) => {
        const { oldSize = '', newSize = '' } = request.params as Record<string, string>;
        if (!decimal.test(oldSize) || !decimal.test(newSize)) {
          return sendError(reply, 400, 3, 'sizes of a log are plain decimal numbers');
        }
        const { log } = this.#shard(request);
        const [older, newer] = [BigInt(oldSize), BigInt(newSize)];
        return {
          oldSize,
          newSize,
          oldRootHash: toBase64(log.rootAt(older)),
          newRootHash: toBase64(log.rootAt(newer)),
          hashes: log.consistencyProof(older, newer).map(toBase64),
        };
      },
    );

    const find = (request: FastifyRequest): TransparencyLog => this.#shard(request).log;
    const { checkpoint, tile } = schema;
    const schemas = { checkpoint, tile };
    const tiles = { find, entries: 'entries', schemas, private: !this.#access.public, cache: this.#tiles } as const;
    for (const below of ['', '/api/v2']) {
      app.register(async (reads) => {
        reads.addHook('onRequest', onRequest);
        addTileRoutes(reads, { ...tiles, prefix: `${prefix}${below}` });
      });
    }
  }

  #addLogRoutes(app: FastifyInstance): void {
    const onRequest = this.#reading;
    app.post(
      '/api/v2/index/retrieve',
      { bodyLimit: 64 << 10, schema: operations.search, onRequest },
      async (request, reply) => {
        reply.header('access-control-allow-origin', '*').header('cache-control', 'no-cache');
        this.#limiter.takeRequest('search', request.ip);
        const { found, next } = await searchShards(this.#shards.all, readSearchRequest(requestBody(request)));
        this.#metrics.countSearch();
        const entries = await Promise.all(found.map(({ shard, index }) => findEntry(shard.log, BigInt(index))));
        return { format: 1, entries, next: next ?? null };
      },
    );

    app.get('/api/v2/log', { schema: operations.describeLog, onRequest }, async (_request, reply) => {
      reply.header('cache-control', 'no-cache');
      return {
        format: 1,
        readers: this.#access.public ? 'public' : 'token',
        shards: this.#shards.all.map(describeShard),
        limits: { entryBytes: maximumEntrySize, requestBytes: this.#bodyLimit, ...rates(this.#options.limits) },
      };
    });

    app.get('/healthz', { schema: operations.health, logLevel: 'warn' }, async (_request, reply) => {
      const healthy = this.#shards.all.every(({ log }) => log.healthy);
      return healthy ? { status: 'SERVING' } : reply.code(503).send({ status: 'NOT_SERVING' });
    });

    app.get('/metrics', { schema: operations.metrics, onRequest, logLevel: 'warn' }, async (_request, reply) =>
      reply.type('text/plain; version=0.0.4; charset=utf-8').send(this.#metrics.toText()),
    );
  }

  readonly #reading: onRequestHookHandler = (request, _reply, done) => {
    this.#access.check(request.headers.authorization);
    done();
  };

  /** The shard that a path names by its number; without one it is the first. */
  #shard(request: FastifyRequest): LogShard<TransparencyLog> {
    const { shard: number = '1' } = request.params as { shard?: string };
    const shard = this.#shards.get(Number(number));
    if (shard === undefined) throw new SignetError('ERR_LOG_RANGE', `the log has no shard ${number}`);
    return shard;
  }
}

function requestBody(request: FastifyRequest): Uint8Array {
  return Buffer.isBuffer(request.body) ? request.body : new Uint8Array();
}

function indexOf(request: FastifyRequest): bigint | undefined {
  const { index = '' } = request.params as { index?: string };
  return decimal.test(index) ? BigInt(index) : undefined;
}

function describeShard({ number, openedAt, frozenAt, log }: LogShard<TransparencyLog>): object {
  return {
    number,
    path: number === 1 ? '' : `/${number}`,
    origin: log.origin,
    publicKey: toBase64(log.publicKey.spki),
    keyId: toBase64(log.keyId),
    treeSize: String(log.size),
    openedAt: openedAt.toISOString(),
    ...(frozenAt === undefined ? {} : { frozenAt: frozenAt.toISOString() }),
  };
}

function rates(limits: RateLimits = {}): object {
  return Object.keys(limits).length === 0 ? {} : { rates: limits };
}

async function findEntry(log: TransparencyLog, index: bigint): Promise<Record<string, unknown>> {
  const entry = await log.find(index);
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
