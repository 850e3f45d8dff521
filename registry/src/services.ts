import { readFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { SignetError } from '@signet/primitives/formats';
import {
  CertificateAuthority,
  caRoutes,
  IssuerConfiguration,
  openIssuanceLedger,
  openUsedTokens,
  parseIssuers,
} from '@signet/services/ca';
import {
  type CertificateLog,
  ctRoutes,
  logOrigin,
  openCertificateLog,
  rekorV1Routes,
  rekorV2Routes,
  routeOptions,
} from '@signet/services/log';
import { TimestampAuthority, TimeWatch, tsaRoutes } from '@signet/services/tsa';
import { type TufRepository, tufRoutes } from '@signet/services/tuf';
import Fastify, { type FastifyInstance } from 'fastify';
import { describeInstance } from './description.ts';
import { certificateLogDirectory, type Generations, generationPaths } from './generations.ts';
import type { Instance } from './initialize.ts';
import { InstanceLogs } from './instance-logs.ts';
import { type InstanceMaterial, openCertificateLogSigner, openMaterial } from './material.ts';
import { certificateLogUrl, servicesPrefix } from './public-url.ts';

/** Parts of an instance that can be served without the others. */
export const serviceNames = ['ca', 'log', 'tsa', 'tuf'] as const;

export type ServiceName = (typeof serviceNames)[number];

/** Everything below `/-/signet/` but the development identity provider. */
export interface Services {
  readonly handler: RequestListener;
  /**
   * Exchanges keys and certificates without an outage: requests under way end with the old ones.
   *
   * @throws what opening them throws; then the old ones go on
   */
  use(generations: Generations): Promise<void>;
  /** The transparency logs, if they are served. */
  readonly logs: InstanceLogs | undefined;
  /** Finishes what was accepted and closes the logs. */
  close(): Promise<void>;
}

/** What the services are started with. */
export interface ServicesOptions {
  readonly instance: Instance;
  readonly generations: Generations;
  readonly trust: TufRepository;
  readonly passphrase: string | undefined;
  /** Whether the development identity provider is served now. */
  readonly devIdentity: boolean;
  /** Default: all. The certificate log comes with the authority. */
  readonly only?: ReadonlySet<ServiceName>;
}

/**
 * Opens the logs and starts the authorities over them, each below its path (INTERFACES.md, "One origin").
 *
 * @throws ERR_ISSUER_CONFIG, ERR_AUTHORITY_CHAIN, and what opening keys and logs throws
 */
export async function startServices(options: ServicesOptions): Promise<Services> {
  const opened = new OpenServices(options);
  try {
    await opened.use(options.generations);
    return opened;
  } catch (error) {
    await opened.close().catch(() => undefined);
    throw error;
  }
}

class OpenServices implements Services {
  readonly #options: ServicesOptions;
  readonly #closing: (() => void | Promise<void>)[] = [];
  readonly #certificateLogs = new Map<number, CertificateLog>();
  #logs: InstanceLogs | undefined;
  #memory: { usedTokens: ReturnType<typeof openUsedTokens>; issued: ReturnType<typeof openIssuanceLedger> } | undefined;
  #app: FastifyInstance | undefined;
  #timeWatch: TimeWatch | undefined;

  constructor(options: ServicesOptions) {
    this.#options = options;
  }

  readonly handler: RequestListener = (request, response) => {
    if (this.#app === undefined) response.writeHead(503).end();
    else this.#app.routing(request, response);
  };

  async use(generations: Generations): Promise<void> {
    const { instance, passphrase } = this.#options;
    const material = await openMaterial(instance.layout, instance.configuration, passphrase, generations);
    const app = await this.#build(material, generations);
    const before = this.#app;
    this.#app = app;
    await before?.close();
  }

  get logs(): InstanceLogs | undefined {
    return this.#logs;
  }

  async close(): Promise<void> {
    await this.#app?.close();
    // In reverse order, all of them even if one fails.
    const results = await Promise.allSettled([...this.#closing].reverse().map(async (close) => close()));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  #serves(name: ServiceName): boolean {
    return this.#options.only?.has(name) ?? true;
  }

  async #build(material: InstanceMaterial, generations: Generations): Promise<FastifyInstance> {
    const { instance, devIdentity, trust } = this.#options;
    const rules = instance.configuration.log;
    const app = Fastify({
      routerOptions: { ignoreDuplicateSlashes: true },
      return503OnClosing: false,
      trustProxy: rules === undefined || rules.proxies.length === 0 ? false : [...rules.proxies],
    });
    if (this.#serves('ca')) await this.#addAuthority(app, material, generations);
    if (this.#serves('log')) {
      const { v2, v1 } = await this.#openLogs(generations);
      const options = rules === undefined ? { v1: {}, v2: {} } : routeOptions(rules);
      await app.register(rekorV2Routes(v2, options.v2), { prefix: `${servicesPrefix}/log` });
      if (v1 !== undefined) await app.register(rekorV1Routes(v1, options.v1), { prefix: `${servicesPrefix}/log-v1` });
    }
    if (this.#serves('tsa')) {
      const signer = material.timestampSigner;
      const chain = material.publicMaterial.timestampChain;
      const authority = new TimestampAuthority({ signer, chain, timeWatch: await this.#watchTime() });
      await app.register(tsaRoutes(authority), { prefix: `${servicesPrefix}/tsa` });
    }
    if (this.#serves('tuf')) await app.register(tufRoutes(trust), { prefix: `${servicesPrefix}/tuf` });
    const description = describeInstance(instance, { devIdentity, trust, generations });
    await app.register(description, { prefix: `${servicesPrefix}/v1` });
    await app.ready();
    return app;
  }

  async #watchTime(): Promise<TimeWatch | undefined> {
    const { time } = this.#options.instance.configuration;
    if (time === undefined || this.#timeWatch !== undefined) return this.#timeWatch;
    const watch = new TimeWatch(time);
    this.#timeWatch = watch;
    this.#closing.push(() => watch.stop());
    await watch.start();
    return watch;
  }

  async #addAuthority(app: FastifyInstance, material: InstanceMaterial, generations: Generations): Promise<void> {
    const { instance, devIdentity } = this.#options;
    const { layout } = instance;
    const { caChain, certificateLogKey } = material.publicMaterial;
    const issuers = await readIssuers(instance, devIdentity);
    const certificateLog = await this.#openCertificateLogs(generations.ctlog, caChain.slice(-1));
    if (this.#memory === undefined) {
      const usedTokens = openUsedTokens(layout.state.usedTokens);
      this.#closing.push(() => usedTokens.close());
      const issued = openIssuanceLedger(layout.state.issued);
      this.#closing.push(() => issued.close());
      this.#memory = { usedTokens, issued };
    }
    const { usedTokens, issued } = this.#memory;
    const authority = new CertificateAuthority({
      signer: material.caSigner,
      chain: caChain,
      issuers,
      certificateLog: { addPreChain: (chain) => certificateLog.addIssued(chain) },
      certificateLogKey: certificateLogKey.spki,
      certificateLogIsHere: true,
      usedTokens,
      onIssued: (principal, time) => issued.add(principal, time),
    });
    await app.register(caRoutes(authority), { prefix: `${servicesPrefix}/ca` });
    for (const [generation, log] of this.#certificateLogs) {
      const { pathname } = new URL(certificateLogUrl(instance.urls, generation));
      await app.register(ctRoutes(log), { prefix: pathname });
    }
  }

  /** Old logs go on being read; the newest takes what the authority issues. */
  async #openCertificateLogs(newest: number, roots: readonly Uint8Array[]): Promise<CertificateLog> {
    const { instance, passphrase } = this.#options;
    const { layout, urls } = instance;
    for (let generation = 1; generation <= newest; generation++) {
      const known = this.#certificateLogs.get(generation);
      if (known !== undefined) {
        known.acceptRoots(roots);
        continue;
      }
      const { key } = generationPaths(layout, 'ctlog', generation);
      const log = await openCertificateLog({
        directory: certificateLogDirectory(layout, generation),
        origin: logOrigin(certificateLogUrl(urls, generation)),
        signer: await openCertificateLogSigner(key, passphrase),
        acceptedRoots: roots,
      });
      this.#closing.push(() => log.close());
      this.#certificateLogs.set(generation, log);
    }
    const log = this.#certificateLogs.get(newest);
    if (log === undefined) throw new SignetError('ERR_INSTANCE', `there is no certificate log ${newest}`);
    return log;
  }

  async #openLogs(generations: Generations): Promise<InstanceLogs> {
    const { instance, passphrase } = this.#options;
    if (this.#logs === undefined) {
      const logs = await InstanceLogs.open(instance, passphrase);
      this.#logs = logs;
      this.#closing.push(() => logs.close());
    }
    await this.#logs.reach(generations);
    return this.#logs;
  }
}

/**
 * The issuers that the authority believes. The development provider counts only while it is served: otherwise whoever finds a
 * way to answer at that address would be believed.
 */
export async function readIssuers(instance: Instance, devIdentity: boolean): Promise<IssuerConfiguration> {
  const { layout, urls } = instance;
  let text: string;
  try {
    text = await readFile(layout.issuersFile, 'utf8');
  } catch (cause) {
    throw new SignetError('ERR_INSTANCE', `${layout.issuersFile} cannot be read`, { cause });
  }
  const configured = parseIssuers(text, layout.issuersFile);
  const served = configured.issuers.filter(({ url }) => devIdentity || (url !== urls.oidc && url !== urls.ciIssuer));
  if (served.length + configured.metaIssuers.length === 0) {
    throw new SignetError(
      'ERR_ISSUER_CONFIG',
      `${layout.issuersFile} names no issuer but the development identity provider; start with --dev-identity, or add one`,
    );
  }
  return new IssuerConfiguration(served, configured.metaIssuers);
}
