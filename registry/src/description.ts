import { readFile } from 'node:fs/promises';
import { shardUrl } from '@signet/services/log';
import type { TufRepository } from '@signet/services/tuf';
import type { FastifyPluginAsync } from 'fastify';
import type { Generations } from './generations.ts';
import type { Instance } from './initialize.ts';
import { certificateLogUrl } from './public-url.ts';
import { timestampUrl } from './trust-documents.ts';

/** What the instance says of itself, for `signet trust init URL` and for signers; `null` is what this version has not. */
export interface InstanceDescription {
  readonly format: 1;
  readonly publicUrl: string;
  readonly registry: string;
  readonly ca: string;
  readonly ct: string;
  readonly log: string;
  readonly logV1: string | null;
  readonly tsa: string;
  readonly timestamp: string;
  readonly tuf: string;
  readonly oidc: string | null;
  readonly names: readonly string[];
  /** URLs; a client pins what it fetched. */
  readonly trustedRoot: string;
  readonly signingConfig: string;
  /** SHA-256 of the newest root's file, lower-case hexadecimal, and the version that it is of. */
  readonly tufRootFingerprint: string;
  readonly tufRootVersion: number;
}

/** The routes `instance`, `trusted_root.json` and `signing_config.v0.2.json` below `/-/signet/v1`. */
export function describeInstance(
  instance: Instance,
  now: { readonly devIdentity: boolean; readonly trust: TufRepository; readonly generations: Generations },
): FastifyPluginAsync {
  const { configuration, layout, urls } = instance;
  const description = (): InstanceDescription => ({
    format: 1,
    publicUrl: urls.publicUrl,
    registry: urls.registry,
    ca: urls.ca,
    ct: certificateLogUrl(urls, now.generations.ctlog),
    log: shardUrl(urls.log, now.generations.log),
    logV1: urls.logV1,
    tsa: urls.tsa,
    timestamp: timestampUrl(urls),
    tuf: urls.tuf,
    oidc: now.devIdentity ? urls.oidc : null,
    names: configuration.names,
    trustedRoot: urls.trustedRoot,
    signingConfig: urls.signingConfig,
    tufRootFingerprint: now.trust.rootFingerprint,
    tufRootVersion: now.trust.rootVersion,
  });
  return async (app) => {
    // Public facts; a web page may show them.
    app.addHook('onRequest', async (_request, reply) => {
      reply.header('access-control-allow-origin', '*').header('cache-control', 'no-cache');
    });
    app.get('/instance', async () => description());
    for (const [path, file] of [
      ['/trusted_root.json', layout.trust.trustedRoot],
      ['/signing_config.v0.2.json', layout.trust.signingConfig],
    ] as const) {
      app.get(path, async (_request, reply) => reply.type('application/json').send(await readFile(file)));
    }
  };
}
