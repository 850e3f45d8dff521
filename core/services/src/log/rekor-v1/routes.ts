import { parseJson, SignetError } from '@signet/primitives/formats';
import type { FastifyInstance, FastifyPluginAsync, FastifyRequest } from 'fastify';
import { serveOpenApi } from '../http/openapi.ts';
import { RateLimiter, type RateLimits } from '../http/rate-limits.ts';
import { ReadAccess } from '../http/read-access.ts';
import { LogMetrics } from '../rekor/log-metrics.ts';
import { readPackageUrls } from '../rekor/search-request.ts';
import { EntryTypes } from '../types/index.ts';
import type { VerificationPool } from '../verification/verification-pool.ts';
import { CreatedAnswer } from './created-answer.ts';
import { parseEntryId } from './entry-id.ts';
import { handleError, sendError, validationError } from './errors.ts';
import { proposalVerifier, type VerifiedBody } from './proposal-verifier.ts';
import { type RekorV1Entries, RekorV1Log, type RekorV1Trees } from './rekor-v1-log.ts';
import { RekorV1Tree } from './rekor-v1-tree.ts';
import { requestBody } from './request-body.ts';
import { operations } from './schemas.ts';
import { readSearchQuery } from './search-query.ts';

export interface RekorV1Options {
  /** Largest request in bytes; default 8 MiB. Artifacts of `rekord` entries come whole and in base64. */
  readonly maximumRequestSize?: number;
  /** Threads that verify entries under load; default one for each processor, 0 for none. */
  readonly workers?: number;
  /** Requests that may be in verification at a time before 503; default 4,096. */
  readonly maximumWaiting?: number;
  /** How fast the log may be used; unlimited by default. */
  readonly limits?: RateLimits;
  /**
   * Longest attestation (payload of an intoto entry, COSE message) that is kept and given out with its entry, bytes; default 0,
   * none. Upstream, which asks for it in the same way, keeps up to 102,400.
   */
  readonly attestationBytes?: number;
  /** Who has one of these may read the log; by default everybody may. */
  readonly readTokens?: readonly string[];
}

// As upstream (pkg/api).
const maximumQueries = 10;
const decimal = /^(0|[1-9][0-9]{0,18})$/;

/**
 * Rekor's v1 API (openapi.yaml), with paths relative to the log's base URL. Where upstream answers 409 for an entry that is
 * there, this one answers 201 with it: so a repeated request of a client that missed the first answer succeeds.
 *
 * @param trees one tree, or the shards of a log
 * @throws ERR_LOG_CONFIG for options that make no sense; ERR_LOG_TYPE, when it is registered, for a type that cannot be used
 */
export function rekorV1Routes(trees: RekorV1Tree | RekorV1Trees, options: RekorV1Options = {}): FastifyPluginAsync {
  const all = trees instanceof RekorV1Tree ? { all: [onlyTree(trees)] } : trees;
  const access = new ReadAccess(options.readTokens);
  return async (app) => {
    // The index reads entries by the types that the trees were opened with, so the same ones are taken.
    const modules = all.all.at(-1)?.log.entryTypes ?? [];
    const log = new RekorV1Log(all, await EntryTypes.load(modules));
    new RekorV1Api(log, modules, access, options).register(app);
  };
}

function onlyTree(log: RekorV1Tree): RekorV1Trees['all'][number] {
  return { number: 1, directory: '', openedAt: new Date(), frozenAt: undefined, log };
}

class RekorV1Api {
  readonly #log: RekorV1Log;
  readonly #bodyLimit: number;
  readonly #limiter: RateLimiter;
  readonly #access: ReadAccess;
  readonly #verifier: VerificationPool<VerifiedBody>;
  readonly #metrics: LogMetrics;
  readonly #answers = new CreatedAnswer();

  constructor(log: RekorV1Log, modules: readonly string[], access: ReadAccess, options: RekorV1Options) {
    const { workers, maximumWaiting } = options;
    this.#log = log;
    this.#access = access;
    this.#bodyLimit = options.maximumRequestSize ?? 8 << 20;
    this.#limiter = new RateLimiter(options.limits ?? {});
    this.#verifier = proposalVerifier(
      log.types,
      { modules, signers: this.#limiter.asksForSigners, attestationBytes: options.attestationBytes ?? 0 },
      {
        onVerified: (entries, times) => this.#metrics.countVerified(entries, times),
        ...(workers === undefined ? {} : { workers }),
        ...(maximumWaiting === undefined ? {} : { maximumWaiting }),
      },
    );
    this.#metrics = new LogMetrics(
      () => log.trees.map((tree) => tree.log),
      () => this.#verifier.waiting,
    );
  }

  register(app: FastifyInstance): void {
    app.addHook('onClose', () => this.#verifier.close());
    // JSON is read whatever the type says, and strictly: JSON.parse alone would hide a repeated key.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    app.setErrorHandler((error: Parameters<typeof handleError>[0], request, reply) => {
      this.#metrics.countRefused(error instanceof SignetError ? error.code : String(error.statusCode ?? 500));
      return handleError(error, request, reply);
    });
    app.setNotFoundHandler((request, reply) => sendError(reply, 404, `path ${request.url} was not found`));
    app.addHook('onRequest', async (request, reply) => {
      reply.header('access-control-allow-origin', '*');
      // Proofs grow old with every entry.
      if (request.method === 'GET') reply.header('cache-control', 'no-cache');
    });
    app.options('/*', async (_request, reply) => {
      reply.header('access-control-allow-methods', 'GET, HEAD, POST').header('access-control-max-age', '86400');
      return reply.header('access-control-allow-headers', 'authorization, content-type').code(204).send();
    });
    serveOpenApi(app, '', { title: 'Transparency log, v1', description: "Rekor's v1 API, by Signet." });
    this.#addCreate(app);
    this.#addEntries(app);
    this.#addLog(app);
    this.#addOperator(app);
  }

  #addCreate(app: FastifyInstance): void {
    app.post(
      '/api/v1/log/entries',
      {
        bodyLimit: this.#bodyLimit,
        schema: operations.createLogEntry,
        // Before the body is read, which is what a flood would cost.
        onRequest: async (request) => this.#limiter.takeRequest('address', request.ip),
      },
      async (request, reply) => {
        const named = readPackageUrls(request.headers['signet-package-url']);
        const { body, subjects, signers, attestation } = await this.#verifier.verify(requestBody(request));
        this.#limiter.takeEntry(signers);
        const packages = [...new Set([...named, ...subjects])];
        const { id, entry, duplicate } = await this.#log.append({ body, attestation, packages }, this.#metrics);
        this.#metrics.countEntry(duplicate ? 'duplicate' : 'new');
        const started = performance.now();
        const text = this.#answers.write(id, entry);
        this.#metrics.countStage('answer', 0, performance.now() - started);
        const location = `${request.url.split('?')[0]}/${id}`;
        return reply
          .code(201)
          .header('location', location)
          .header('etag', id)
          .type('application/json; charset=utf-8')
          .send(text);
      },
    );
  }

  #addEntries(app: FastifyInstance): void {
    const onRequest = this.#reading;
    app.get('/api/v1/log/entries', { schema: operations.getLogEntryByIndex, onRequest }, async (request) =>
      this.#log.entryByIndex(numberOf(request, 'logIndex', 0)),
    );

    app.get<{ Params: { entryUUID: string } }>(
      '/api/v1/log/entries/:entryUUID',
      { schema: operations.getLogEntryByUUID, onRequest },
      async (request) => this.#log.entryById(entryId(request.params.entryUUID, 'entryUUID in path')),
    );

    app.post(
      '/api/v1/log/entries/retrieve',
      { schema: operations.searchLogQuery, onRequest, bodyLimit: this.#bodyLimit },
      async (request) => {
        this.#limiter.takeRequest('search', request.ip);
        return this.#retrieve(parseJson(requestBody(request), 'the query', { maxLength: this.#bodyLimit }));
      },
    );

    app.post(
      '/api/v1/index/retrieve',
      { schema: operations.searchIndex, onRequest, bodyLimit: 1 << 20 },
      async (request, reply) => {
        this.#limiter.takeRequest('search', request.ip);
        const { ids, next } = await this.#log.search(readSearchQuery(requestBody(request), this.#log.types));
        this.#metrics.countSearch();
        // Upstream's answer is a plain list, so where to go on stands beside it.
        if (next !== undefined) reply.header('signet-next', String(next));
        return ids;
      },
    );
  }

  #addLog(app: FastifyInstance): void {
    const onRequest = this.#reading;
    app.get('/api/v1/log', { schema: operations.getLogInfo, onRequest }, async () => this.#log.info());

    app.get('/api/v1/log/proof', { schema: operations.getLogProof, onRequest }, async (request) =>
      this.#log.proof(numberOf(request, 'firstSize', 1, 1n), numberOf(request, 'lastSize', 1), treeIdOf(request)),
    );

    app.get('/api/v1/log/publicKey', { schema: operations.getPublicKey, onRequest }, async (request, reply) =>
      reply.type('application/x-pem-file').send(this.#log.publicKey(treeIdOf(request))),
    );
  }

  #addOperator(app: FastifyInstance): void {
    const onRequest = this.#reading;
    app.get('/ping', { schema: operations.ping, logLevel: 'warn' }, async (_request, reply) =>
      reply.type('text/plain').send('.'),
    );

    app.get('/', { schema: operations.describeLog, onRequest }, async () => ({
      format: 1,
      readers: this.#access.public ? 'public' : 'token',
      types: this.#log.types.list.map(({ kind, version }) => ({ kind, version })),
      trees: this.#log.trees.map(({ treeId, logId, size }) => ({
        treeID: String(treeId),
        logID: logId,
        treeSize: Number(size),
      })),
      limits: { requestBytes: this.#bodyLimit },
    }));

    app.get<{ Params: { kind: string; version: string } }>(
      '/api/v1/types/:kind/:version',
      { schema: operations.getTypeSchema, onRequest },
      async ({ params }) => {
        const type = this.#log.types.list.find(
          ({ kind, version }) => kind === params.kind && version === params.version,
        );
        if (type === undefined) throw new SignetError('ERR_LOG_RANGE', 'no such entry type');
        return type.schema;
      },
    );

    app.get('/healthz', { schema: operations.health, logLevel: 'warn' }, async (_request, reply) => {
      const healthy = this.#log.trees.every(({ log }) => log.healthy);
      return healthy ? { status: 'SERVING' } : reply.code(503).send({ status: 'NOT_SERVING' });
    });

    app.get('/metrics', { schema: operations.metrics, onRequest, logLevel: 'warn' }, async (_request, reply) =>
      reply.type('text/plain; version=0.0.4; charset=utf-8').send(this.#metrics.toText()),
    );
  }

  /** What is not there is left out of the answer. */
  async #retrieve(value: unknown): Promise<RekorV1Entries[]> {
    const query = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
    const uuids = listOf(query, 'entryUUIDs');
    const indexes = listOf(query, 'logIndexes');
    const proposals = listOf(query, 'entries');
    if (uuids.length + indexes.length + proposals.length > maximumQueries) {
      throw validationError(422, `more than max allowed ${maximumQueries} entries in request`);
    }
    const wanted = [
      ...uuids.map((uuid) => () => this.#log.entryById(entryId(uuid, 'entryUUIDs in body'))),
      ...proposals.map((proposal) => () => this.#log.entryByProposal(proposal)),
      ...indexes.map((index) => () => this.#log.entryByIndex(indexOf(index))),
    ];
    const found: RekorV1Entries[] = [];
    for (const find of wanted) {
      try {
        found.push(await find());
      } catch (error) {
        if (!(error instanceof SignetError) || error.code !== 'ERR_LOG_RANGE') throw error;
      }
    }
    return found;
  }

  readonly #reading = async (request: FastifyRequest): Promise<void> => {
    this.#access.check(request.headers.authorization);
  };
}

function entryId(value: unknown, where: string): ReturnType<typeof parseEntryId> {
  const pattern = '^([0-9a-fA-F]{64}|[0-9a-fA-F]{80})$';
  if (typeof value !== 'string' || !new RegExp(pattern).test(value)) {
    throw validationError(605, `${where} should match '${pattern}'`);
  }
  return parseEntryId(value);
}

function indexOf(value: unknown): bigint {
  if (typeof value !== 'number' || !Number.isSafeInteger(value))
    throw validationError(601, 'logIndexes in body must be of type int64');
  if (value < 0) throw validationError(609, 'logIndexes in body should be greater than or equal to 0');
  return BigInt(value);
}

function listOf(query: Record<string, unknown>, name: string): readonly unknown[] {
  const value = query[name] ?? [];
  if (!Array.isArray(value)) throw validationError(601, `${name} in body must be of type array`);
  if (value.length > maximumQueries)
    throw validationError(611, `${name} in body should have at most ${maximumQueries} items`);
  return value;
}

function numberOf(request: FastifyRequest, name: string, least: number, fallback?: bigint): bigint {
  const text = (request.query as Record<string, unknown>)[name];
  if (text === undefined || text === '') {
    if (fallback !== undefined) return fallback;
    throw validationError(602, `${name} in query is required`);
  }
  if (typeof text !== 'string' || !/^-?\d{1,19}$/.test(text))
    throw validationError(601, `${name} in query must be of type int64`);
  const number = BigInt(text);
  if (number < BigInt(least))
    throw validationError(609, `${name} in query should be greater than or equal to ${least}`);
  return number;
}

function treeIdOf(request: FastifyRequest): bigint | undefined {
  const text = (request.query as Record<string, unknown>).treeID;
  if (text === undefined || text === '') return undefined;
  if (typeof text !== 'string' || !decimal.test(text))
    throw validationError(605, "treeID in query should match '^[0-9]+$'");
  return BigInt(text);
}
