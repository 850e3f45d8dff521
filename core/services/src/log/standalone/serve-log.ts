import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { SignetError } from '@signet/primitives/formats';
import Fastify, { type FastifyInstance } from 'fastify';
import { handleError, handleNotFound } from '../http/errors.ts';
import { listenError } from '../http/listen-error.ts';
import { ReadAccess } from '../http/read-access.ts';
import type { LogShards } from '../log-shards.ts';
import { rekorV2Routes } from '../rekor/routes.ts';
import { rekorV1Routes } from '../rekor-v1/index.ts';
import type { TransparencyLog } from '../transparency-log.ts';
import { createSettings, type LogLayout, logLayout, type OpenLogs, openLogs, openSettings } from './log-directory.ts';
import { type LogSettings, routeOptions } from './settings.ts';
import { logSigningConfig, logTrustedRoot, shardUrl, v1Url } from './trust-documents.ts';

export interface ServeLogOptions {
  /** Data directory; a log is made in it when there is none. */
  readonly directory: string;
  /** Default: as the settings say, 3000 for a new log. 0 lets the system choose for a new log. */
  readonly port?: number;
  /** Default: as the settings say, 127.0.0.1 for a new log. */
  readonly host?: string;
  /** What clients call it, for ever. Default: `http://<host>:<port>`. */
  readonly publicUrl?: string;
  /** Of the private keys. */
  readonly passphrase?: string;
  /** Where a line in JSON is written for every request; default nowhere. */
  readonly requestLog?: Writable;
  readonly onFatal?: (error: unknown) => void;
}

/** A log that is being served. */
export interface RunningLog {
  readonly layout: LogLayout;
  readonly settings: LogSettings;
  readonly port: number;
  readonly shards: LogShards<TransparencyLog>;
  /** Finishes what is under way and lets go of the directory. */
  close(): Promise<void>;
}

/** Milliseconds that requests under way may take after a stop was asked for. */
const stopGrace = 10_000;
const defaultPort = 3000;

/**
 * Serves a transparency log by itself, without certificate authority and registry, on a port of its own. The paths of its public
 * URL are those of Rekor v2, and those below `/log-v1` of Rekor v1; `trusted_root.json` and `signing_config.v0.2.json` tell whom to trust and where to write.
 *
 * @throws ERR_LISTEN, ERR_LOG_CONFIG; what opening a log throws
 */
export async function serveLog(options: ServeLogOptions): Promise<RunningLog> {
  const layout = logLayout(resolve(options.directory));
  const existing = await openSettings(layout, options);
  const host = options.host ?? existing?.listen.host ?? '127.0.0.1';
  const wanted = existing !== undefined && options.port === 0 ? undefined : options.port;
  // It listens before the settings are written, so that nobody else takes a chosen port in between.
  const fixedBy = existing !== undefined && wanted === undefined ? layout.settingsFile : undefined;
  const server = await listen(host, wanted ?? existing?.listen.port ?? defaultPort, fixedBy);
  const { port } = server.address() as AddressInfo;
  let logs: OpenLogs | undefined;
  try {
    const settings = existing ?? (await createSettings(layout, { ...options, host, port }));
    logs = await openLogs(layout, settings, options);
    const control = randomBytes(32).toString('base64url');
    const app = await application({ ...options, logs, settings, control });
    server.removeAllListeners('request');
    server.on('request', app.routing);
    writeRunning(layout, { url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`, control, settings });
    const opened = logs;
    let closing: Promise<void> | undefined;
    const close = async (): Promise<void> => {
      rmSync(layout.running, { force: true });
      await stop(server);
      await app.close();
      await opened.close();
    };
    return {
      layout,
      settings,
      port,
      shards: logs.shards,
      close: () => {
        closing ??= close();
        return closing;
      },
    };
  } catch (error) {
    await stop(server);
    await logs?.close();
    throw error;
  }
}

async function application(
  options: ServeLogOptions & {
    readonly logs: OpenLogs;
    readonly settings: LogSettings;
    readonly control: string;
  },
): Promise<FastifyInstance> {
  const { logs, settings, control, requestLog } = options;
  const { shards, v1 } = logs;
  const { publicUrl, proxies } = settings;
  const app = Fastify({
    routerOptions: { ignoreDuplicateSlashes: true },
    return503OnClosing: false,
    trustProxy: proxies.length === 0 ? false : [...proxies],
    ...(requestLog === undefined ? {} : { logger: { level: 'info', stream: requestLog } }),
  });
  app.setErrorHandler(handleError);
  const prefix = new URL(publicUrl).pathname.replace(/\/+$/, '');
  // Below the root the log has one of its own.
  if (prefix !== '') app.setNotFoundHandler(handleNotFound);
  const routes = routeOptions(settings);
  await app.register(rekorV2Routes(shards, routes.v2), { prefix });
  await app.register(rekorV1Routes(v1, routes.v1), { prefix: new URL(v1Url(publicUrl)).pathname });
  const documents = { 'trusted_root.json': logTrustedRoot, 'signing_config.v0.2.json': logSigningConfig };
  for (const [name, make] of Object.entries(documents)) {
    app.get(`${prefix}/${name}`, async (_request, reply) => {
      // Public facts; whoever fetches them pins what was fetched.
      reply.header('access-control-allow-origin', '*').header('cache-control', 'no-cache');
      return make(logs);
    });
  }
  const mayControl = new ReadAccess([control]);
  app.post<{ Body: RotationRequest }>(`${prefix}/control/rotate`, async (request) => {
    mayControl.check(request.headers.authorization);
    return rotate(logs, request.body ?? {});
  });
  await app.ready();
  return app;
}

/** Which log goes on in a new shard, and how long the present one takes entries. */
export interface RotationRequest {
  readonly api?: unknown;
  readonly overlapSeconds?: unknown;
}

/** What a rotation is answered with. */
export interface Rotation {
  readonly api: 'v1' | 'v2';
  readonly number: number;
  readonly url: string;
  readonly origin: string;
}

/**
 * Opens a new shard of one of the logs. The shards of the v1 log have one URL and indices that run through all of them, so there
 * the change is at once.
 *
 * @throws ERR_LOG_REQUEST; what opening a log throws
 */
export async function rotate({ shards, v1, publicUrl }: OpenLogs, request: RotationRequest): Promise<Rotation> {
  const { api = 'v2' } = request;
  if (api === 'v1') {
    const { number, log } = await v1.rotate();
    return { api, number, url: v1Url(publicUrl), origin: log.log.origin };
  }
  if (api !== 'v2') throw new SignetError('ERR_LOG_REQUEST', 'invalid request: api is neither v1 nor v2');
  const { number, log } = await shards.rotate(readOverlap(request.overlapSeconds) * 1000);
  return { api, number, url: shardUrl(publicUrl, number), origin: log.origin };
}

function readOverlap(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= 366 * 86_400) return value;
  throw new SignetError('ERR_LOG_REQUEST', 'invalid request: overlapSeconds is not a whole number up to a year');
}

/** Readable by the owner alone: who has the word can rotate the log. */
function writeRunning(
  layout: LogLayout,
  { url, control, settings }: { url: string; control: string; settings: LogSettings },
): void {
  const prefix = new URL(settings.publicUrl).pathname.replace(/\/+$/, '');
  rmSync(layout.running, { force: true });
  const text = `${JSON.stringify({ format: 1, pid: process.pid, url: `${url}${prefix}`, control })}\n`;
  writeFileSync(layout.running, text, { mode: 0o600 });
}

async function listen(host: string, port: number, fixedBy: string | undefined): Promise<Server> {
  const server = createServer((_request, response) => {
    response.writeHead(503, { 'retry-after': '1' }).end();
  });
  // A client that sends nothing holds a connection for so long.
  server.headersTimeout = 30_000;
  server.requestTimeout = 60_000;
  await new Promise<void>((done, refuse) => {
    server.once('error', (cause) => refuse(listenError(host, port, cause, fixedBy)));
    server.listen(port, host, () => done());
  });
  server.removeAllListeners('error');
  return server;
}

function stop(server: Server): Promise<void> {
  return new Promise((done) => {
    const cut = setTimeout(() => server.closeAllConnections(), stopGrace);
    server.close(() => {
      clearTimeout(cut);
      done();
    });
    server.closeIdleConnections();
  });
}
