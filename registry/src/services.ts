import { readFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { SignetError } from '@signet/primitives/formats';
import { CertificateAuthority, caRoutes, IssuerConfiguration, parseIssuers } from '@signet/services/ca';
import {
  type CertificateLog,
  ctRoutes,
  logOrigin,
  openCertificateLog,
  openTransparencyLog,
  rekorV2Routes,
  type TransparencyLog,
} from '@signet/services/log';
import { TimestampAuthority, tsaRoutes } from '@signet/services/tsa';
import Fastify from 'fastify';
import { describeInstance } from './description.ts';
import type { Instance } from './initialize.ts';
import type { InstanceMaterial } from './material.ts';
import { servicesPrefix } from './public-url.ts';

/** Everything below `/-/signet/` but the development identity provider. */
export interface Services {
  readonly handler: RequestListener;
  /** Finishes what was accepted and closes the logs. */
  close(): Promise<void>;
}

/** What the services are started with. */
export interface ServicesOptions {
  readonly instance: Instance;
  readonly material: InstanceMaterial;
  /** Whether the development identity provider is served now. */
  readonly devIdentity: boolean;
}

/**
 * Opens the logs and starts the authorities over them, each below its path (INTERFACES.md, "One origin").
 *
 * @throws ERR_ISSUER_CONFIG, ERR_AUTHORITY_CHAIN, and what opening a log throws
 */
export async function startServices(options: ServicesOptions): Promise<Services> {
  const { instance, material, devIdentity } = options;
  const { layout, urls } = instance;
  const { caSigner, timestampSigner, certificateLogSigner, logSigner, publicMaterial } = material;
  const issuers = await readIssuers(instance, devIdentity);
  const opened: (CertificateLog | TransparencyLog)[] = [];
  try {
    const certificateLog = await openCertificateLog({
      directory: layout.certificateLogDirectory,
      origin: logOrigin(urls.ct),
      signer: certificateLogSigner,
      acceptedRoots: publicMaterial.caChain.slice(-1),
    });
    opened.push(certificateLog);
    const log = await openTransparencyLog({
      directory: layout.logDirectory,
      origin: logOrigin(urls.log),
      signer: logSigner,
    });
    opened.push(log);
    const authority = new CertificateAuthority({
      signer: caSigner,
      chain: publicMaterial.caChain,
      issuers,
      certificateLog,
      certificateLogKey: publicMaterial.certificateLogKey.spki,
    });
    const timestampAuthority = new TimestampAuthority({
      signer: timestampSigner,
      chain: publicMaterial.timestampChain,
    });

    const app = Fastify({ routerOptions: { ignoreDuplicateSlashes: true }, return503OnClosing: false });
    await app.register(caRoutes(authority), { prefix: `${servicesPrefix}/ca` });
    await app.register(ctRoutes(certificateLog), { prefix: `${servicesPrefix}/ct` });
    await app.register(rekorV2Routes(log), { prefix: `${servicesPrefix}/log` });
    await app.register(tsaRoutes(timestampAuthority), { prefix: `${servicesPrefix}/tsa` });
    await app.register(describeInstance(instance, { devIdentity }), { prefix: `${servicesPrefix}/v1` });
    await app.ready();
    return {
      handler: (request, response) => app.routing(request, response),
      async close() {
        await app.close();
        await closeAll(opened);
      },
    };
  } catch (error) {
    await closeAll(opened);
    throw error;
  }
}

/** Closes in reverse order, all of them even if one fails. */
async function closeAll(logs: readonly (CertificateLog | TransparencyLog)[]): Promise<void> {
  const results = await Promise.allSettled([...logs].reverse().map((log) => log.close()));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/**
 * The issuers that the authority believes. The development provider counts only while it is served: otherwise whoever finds a
 * way to answer at that address would be believed.
 */
async function readIssuers(instance: Instance, devIdentity: boolean): Promise<IssuerConfiguration> {
  const { layout, urls } = instance;
  let text: string;
  try {
    text = await readFile(layout.issuersFile, 'utf8');
  } catch (cause) {
    throw new SignetError('ERR_INSTANCE', `${layout.issuersFile} cannot be read`, { cause });
  }
  const configured = parseIssuers(text);
  const served = configured.issuers.filter(({ url }) => devIdentity || (url !== urls.oidc && url !== urls.ciIssuer));
  if (served.length + configured.metaIssuers.length === 0) {
    throw new SignetError(
      'ERR_ISSUER_CONFIG',
      `${layout.issuersFile} names no issuer but the development identity provider; add one, or start with --dev-identity`,
    );
  }
  return new IssuerConfiguration(served, configured.metaIssuers);
}
