import { readFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { resolve } from 'node:path';
import { TrustMaterial } from '@signet/client/trust';
import { equalBytes, SignetError } from '@signet/primitives/formats';
import { certificateEnds } from './certificate-expiry.ts';
import { developmentIdentityProvider, readDevelopmentKeys } from './development/index.ts';
import { type DirectoryLock, lockDirectory } from './directory-lock.ts';
import { type InstanceEvent, watchRegistry, watchRequest } from './events.ts';
import { trustRootName } from './first-files.ts';
import { type Generations, readGenerations } from './generations.ts';
import { type Mount, OriginServer } from './http-server.ts';
import { defaultHost, defaultPort, type InitOptions, type Instance, initInstance, openInstance } from './initialize.ts';
import { Maintenance } from './maintenance.ts';
import { type InstanceMaterial, openMaterial } from './material.ts';
import { startPackageRegistry } from './package-registry.ts';
import { makePrivate } from './private-files.ts';
import { type InstanceUrls, instanceUrls, servicesPrefix } from './public-url.ts';
import { assertContinued } from './restored-logs.ts';
import { type ServiceName, startServices } from './services.ts';
import { markRunning, markStopped } from './storage-sweep.ts';
import { readTlsFiles, type TlsFiles, tlsFilesOf, watchTlsFiles } from './tls-files.ts';
import { openTrustRepository } from './trust-repository.ts';

/** How an instance is started. Without an instance in the directory, the options are those of a new one. */
export interface StartOptions extends Omit<InitOptions, 'port'> {
  /**
   * Default: as the instance says. 0 lets the system choose for a new instance, and means the instance's own port afterwards.
   */
  readonly port?: number;
  /** Default: everything, with the registry. */
  readonly only?: readonly ServiceName[];
  /** Takes sentences for the operator: what expires, how far a rotation is. */
  readonly onNote?: (sentence: string) => void;
  /** Takes what happens: decisions, and what Verdaccio warns of. */
  readonly onEvent?: (event: InstanceEvent) => void;
  /** Whether every request is an event. */
  readonly requests?: boolean;
}

/** A running instance. */
export interface RunningInstance {
  readonly instance: Instance;
  readonly urls: InstanceUrls;
  /** The port it listens on. */
  readonly port: number;
  readonly devIdentity: boolean;
  /** The newest root of the trust root. */
  readonly tufRoot: { readonly path: string; readonly fingerprint: string };
  /** Whether this start made the instance. */
  readonly created: boolean;
  /** Finishes what is under way and lets go of the data directory. May be called more than once. */
  stop(): Promise<void>;
}

/**
 * Starts an instance, making it first when the directory holds none: CA, CT log, transparency log, timestamp authority and
 * Verdaccio on one port. When this resolves, everything answers.
 *
 * @throws what {@link initInstance} throws; ERR_PLUGIN_INACTIVE, ERR_PLUGIN_CONFIG, ERR_ISSUER_CONFIG and what opening the logs
 *   throws
 */
export async function startInstance(options: StartOptions): Promise<RunningInstance> {
  const stops: (() => void | Promise<void>)[] = [];
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= stopAll(stops);
    return stopping;
  };
  try {
    const { instance, server, lock, tlsFiles } = await listenForInstance(options);
    const { onEvent } = options;
    const unwatch = onEvent && watchRegistry(instance.layout.registry.auditLog, onEvent);
    if (onEvent !== undefined && options.requests) {
      server.onRequest = (request, response) => watchRequest(request, response, onEvent);
    }
    stops.push(() => {
      lock.release();
      unwatch?.();
    });
    stops.push(() => server.stop());
    if (tlsFiles !== undefined) {
      const { onNote: say = () => undefined } = options;
      stops.push(
        watchTlsFiles(
          tlsFiles,
          (material) => {
            server.exchangeCertificate(material);
            say(`the certificate for HTTPS was renewed and is valid until ${material.leaf.validTo}`);
          },
          say,
        ),
      );
    }
    const { crashed } = await markRunning(instance.layout.state.running);
    const devIdentity = options.devIdentity ?? false;
    const { passphrase, onNote = () => undefined, now = () => new Date() } = options;
    for (const note of await makePrivate(instance.layout)) onNote(note);
    const generations = await readGenerations(instance.layout);
    const material = await openMaterial(instance.layout, instance.configuration, passphrase, generations);
    await checkTrustedRoot(instance, material);
    for (const { name, notAfter, isNear, next } of certificateEnds(material.publicMaterial, now())) {
      if (isNear) onNote(`${name} is valid until ${notAfter.toISOString().slice(0, 10)}: ${next}`);
    }
    const trust = await openTrustRepository(instance.layout, passphrase, now);
    const only = options.only === undefined ? {} : { only: new Set(options.only) };
    const services = await startServices({ instance, generations, trust, passphrase, devIdentity, ...only });
    // Requests end before the logs close, the logs close before the directory is given back.
    stops.splice(1, 0, () => services.close());
    const onSwitch = (next: Generations) => services.use(next);
    const { logs } = services;
    const maintenance = new Maintenance({ instance, trust, generations, passphrase, onSwitch, logs, onNote, now });
    stops.splice(2, 0, () => maintenance.stop());
    await maintenance.start();
    await assertContinued(instance);
    const mounts: Mount[] = [];
    if (devIdentity) {
      const keys = await readDevelopmentKeys(instance.layout);
      const handler = developmentIdentityProvider(instance.urls, keys);
      mounts.push({ prefix: `${servicesPrefix}/oidc`, handler });
    }
    const { path } = trust.newestRoot;
    const running: RunningInstance = {
      instance,
      urls: instance.urls,
      port: server.port,
      devIdentity,
      tufRoot: { path, fingerprint: trust.rootFingerprint },
      created: instance.created,
      stop,
    };
    if (options.only !== undefined) {
      server.mount([...mounts, { prefix: servicesPrefix, handler: services.handler }], notFound);
      return running;
    }
    const registry = await startPackageRegistry(instance.configuration, instance.layout, {
      passphrase: options.passphrase,
      sweep: crashed,
    });
    stops.splice(1, 0, () => markStopped(instance.layout.state.running));
    stops.splice(2, 0, () => registry.plugin.close());
    // Evidence is the plugin's, which stands in Verdaccio and knows its users.
    for (const prefix of registry.prefixes) mounts.push({ prefix, handler: registry.handler });
    mounts.push({ prefix: servicesPrefix, handler: services.handler });
    server.mount(mounts, registry.handler);
    return running;
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * Opens or makes the instance, takes its directory and listens. The directory comes before the port, so that a second start is
 * told that the instance runs, not that something has its port. The port of a new instance is bound before its public URL is
 * written down, so that nobody else can take it in between.
 */
async function listenForInstance(
  options: StartOptions,
): Promise<{ instance: Instance; server: OriginServer; lock: DirectoryLock; tlsFiles: TlsFiles | undefined }> {
  const directory = resolve(options.directory);
  const existing = await openInstance(directory, options).catch((error: unknown) => {
    if (error instanceof SignetError && error.code === 'ERR_INSTANCE') return undefined;
    throw error;
  });
  let lock = existing && lockDirectory(existing.layout.state.lock);
  let server: OriginServer | undefined;
  try {
    const { host, port } = existing?.configuration.listen ?? { host: defaultHost, port: defaultPort };
    const wanted = existing !== undefined && options.port === 0 ? undefined : options.port;
    if (existing !== undefined) assertReachable(existing, wanted ?? port);
    const files = existing === undefined ? options.tls : existing.configuration.tls;
    const tlsFiles = files && tlsFilesOf(directory, files);
    const tls = tlsFiles && (await readTlsFiles(tlsFiles));
    const fixedBy = existing?.layout.instanceFile;
    server = await OriginServer.listen(options.host ?? host, wanted ?? port, { fixedBy, tls });
    const instance = existing ?? (await initInstance({ ...options, directory, port: server.port }));
    if (instance.created && !instance.configuration.developmentIdentity) {
      options.onNote?.(
        `made ${directory}; it needs an identity provider in ${instance.layout.issuersFile}. To try Signet out, make another with --dev-identity in another --data`,
      );
    }
    assertReachable(instance, server.port);
    lock ??= lockDirectory(instance.layout.state.lock);
    return { instance, server, lock, tlsFiles };
  } catch (error) {
    lock?.release();
    await server?.stop();
    throw error;
  }
}

/** On a loopback address nothing stands in front that could lead another port to this one. */
function assertReachable(instance: Instance, port: number): void {
  const url = new URL(instance.urls.publicUrl);
  const { listen } = instance.configuration;
  if (port === listen.port || Number(url.port) !== listen.port) return;
  throw new SignetError(
    'ERR_INSTANCE_URL',
    `The public URL ${instance.urls.publicUrl} was fixed when the instance was made; start it without --port`,
    { expected: `port ${listen.port}`, found: `port ${port}` },
  );
}

/**
 * The trusted root on disk must speak of the keys on disk: otherwise everything signed from now on would be refused by every
 * client.
 *
 * @throws ERR_INSTANCE, and what reading the trusted root throws
 */
async function checkTrustedRoot(instance: Instance, material: InstanceMaterial): Promise<void> {
  const path = instance.layout.trust.trustedRoot;
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new SignetError('ERR_INSTANCE', `${path} is missing; restore it from a backup`, { cause });
  }
  const trust = TrustMaterial.fromTrustedRoot(text, { name: trustRootName });
  const { logKey, logV1Key, certificateLogKey } = material.publicMaterial;
  const promised = trust.transparencyLogs.find(
    ({ baseUrl }) => baseUrl === instanceUrls(instance.urls.publicUrl).logV1,
  );
  if (promised !== undefined && logV1Key === undefined) {
    throw new SignetError(
      'ERR_INSTANCE',
      `The key ${instance.layout.keys.logV1} is missing, but ${path} promises its log; restore it from a backup`,
    );
  }
  for (const [what, logs, key] of [
    ['the transparency log', trust.transparencyLogs, logKey],
    ['the v1 transparency log', trust.transparencyLogs, logV1Key],
    ['the certificate log', trust.certificateLogs, certificateLogKey],
  ] as const) {
    if (key === undefined || logs.some((log) => equalBytes(log.key.info.spki, key.spki))) continue;
    throw new SignetError(
      'ERR_INSTANCE',
      `${path} does not know the key of ${what} in ${instance.layout.keys.directory}`,
    );
  }
}

const notFound: RequestListener = (_request, response) => {
  response.writeHead(404, { 'content-type': 'application/json' });
  response.end('{"error":"only a part of the instance is served here"}\n');
};

/** Runs every step in reverse order of starting; the first failure is thrown after the last step. */
async function stopAll(stops: readonly (() => void | Promise<void>)[]): Promise<void> {
  let failure: { readonly error: unknown } | undefined;
  for (const step of [...stops].reverse()) {
    try {
      await step();
    } catch (error) {
      failure ??= { error };
    }
  }
  if (failure !== undefined) throw failure.error;
}
