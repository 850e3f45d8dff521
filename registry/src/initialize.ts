import { readdir } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { describeValue, SignetError } from '@signet/primitives/formats';
import { createDevelopmentKeys } from './development/index.ts';
import { lockDirectory } from './directory-lock.ts';
import { createDurably, makeDirectory, readIfPresent, writeDurably } from './durable-files.ts';
import { type FirstPublisher, formatFirstIssuers, formatFirstPolicy } from './first-files.ts';
import { freePort } from './http-server.ts';
import {
  checkOwnedName,
  checkScheme,
  defaultLimits,
  formatInstanceFile,
  type InstanceConfiguration,
  parseInstanceFile,
} from './instance-file.ts';
import { type InstanceLayout, instanceLayout } from './layout.ts';
import { createMaterial, type OfflineKeys, openMaterial } from './material.ts';
import { assertNothingPlanted, makePrivate } from './private-files.ts';
import { type InstanceUrls, instanceUrls, isLoopback, parsePublicUrl } from './public-url.ts';
import { ensureRegistryKey } from './registry-key.ts';
import type { TlsFiles } from './tls-files.ts';
import { createClientTrustConfig, createSigningConfig, createTrustedRoot } from './trust-documents.ts';
import { ensureTrustRepository } from './trust-repository.ts';
import { assertListens, assertWanted, type Wanted } from './wanted.ts';

/** Where an instance listens that was made without a word about it. */
export const defaultHost = '127.0.0.1';
export const defaultPort = 4873;

/** What a new instance is to be. */
export interface InitOptions {
  /** The data directory. */
  readonly directory: string;
  /** What clients call it, for ever. Default: `http://<host>:<port>`. */
  readonly publicUrl?: string;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Where it listens; 0 chooses a free one. Default 4873. */
  readonly port?: number;
  /** The package names it owns. Default, on a loopback address only: `@example/*`. */
  readonly names?: readonly string[];
  /** Who may publish them. */
  readonly publishers?: readonly FirstPublisher[];
  /** Prepare the development identity provider; loopback only. */
  readonly devIdentity?: boolean;
  readonly uplink?: InstanceConfiguration['uplink'];
  /** Serve HTTPS with these files; otherwise HTTP, behind a proxy or on a loopback address. */
  readonly tls?: TlsFiles;
  /** Encrypts the private keys. */
  readonly passphrase?: string;
  /** Make the keys of the roots (certificates and trust root) elsewhere; the instance runs without them. */
  readonly offlineKeys?: OfflineKeys;
  /** Files that describe a key (see openSigner), by the name of the key they are put in the place of: `ca-intermediate`, `tsa`, … */
  readonly keyFiles?: Readonly<Record<string, string>>;
  readonly now?: () => Date;
}

/** An instance on disk, complete. */
export interface Instance {
  readonly configuration: InstanceConfiguration;
  readonly layout: InstanceLayout;
  readonly urls: InstanceUrls;
  /** Whether this call made it or finished it; otherwise it was there. */
  readonly created: boolean;
}

interface FormatFile {
  readonly format: 1;
  readonly type: 'signet-instance';
  readonly state: 'initializing' | 'ready';
}

/**
 * Creates an instance, or opens the one that is there. Keys, certificates and trust are made once and never again: a file that
 * exists stays, so that an initialisation that was cut off is finished by the next call, and a complete instance is
 * left as it is.
 *
 * Order: the format file says "initializing", then `instance.yaml` fixes the public URL, then keys, certificates and trust, then
 * "ready". Each file is whole and on disk before the next is begun.
 *
 * @throws ERR_INSTANCE, ERR_INSTANCE_BUSY, ERR_INSTANCE_CONFIG, ERR_INSTANCE_FORMAT, ERR_INSTANCE_URL, ERR_DEVELOPMENT_ONLY
 */
export async function initInstance(options: InitOptions): Promise<Instance> {
  const layout = instanceLayout(resolve(options.directory));
  const state = await readState(layout);
  if (state === 'ready') {
    const instance = await openInstance(layout.directory, options);
    assertListens(instance.configuration, options, layout);
    return instance;
  }
  const port = options.port === 0 ? await freePort(options.host ?? defaultHost) : options.port;
  const chosen = { ...options, port: port ?? defaultPort };
  if (state === undefined) {
    // What cannot become an instance is refused before there is a directory.
    firstConfiguration(chosen);
    await assertVacant(layout.directory);
  }
  await makeDirectory(layout.directory);
  // Closed first: from here on nobody else can put anything there.
  await makePrivate(layout);
  await assertNothingPlanted(layout.directory);
  await makeDirectory(layout.state.directory, 0o700);
  const lock = lockDirectory(layout.state.lock);
  try {
    return await createInstance(layout, chosen);
  } finally {
    lock.release();
  }
}

/**
 * Reads a complete instance.
 *
 * @param wanted what a command line asked for; what contradicts the instance is refused
 * @throws ERR_INSTANCE when there is none or it is unfinished, ERR_INSTANCE_CONFIG, ERR_INSTANCE_FORMAT, ERR_INSTANCE_URL
 */
export async function openInstance(directory: string, wanted: Wanted = {}): Promise<Instance> {
  const layout = instanceLayout(resolve(directory));
  const state = await readState(layout);
  if (state !== 'ready') {
    const found = state === undefined ? 'holds no Signet instance' : 'holds an instance whose creation was cut off';
    throw new SignetError('ERR_INSTANCE', `${layout.directory} ${found}; signet init makes or finishes it`);
  }
  const text = await readIfPresent(layout.instanceFile);
  if (text === undefined) {
    throw new SignetError('ERR_INSTANCE', `${layout.instanceFile} is missing; restore it from a backup`);
  }
  const configuration = parseInstanceFile(text, layout.instanceFile);
  assertWanted(configuration, wanted, layout);
  // An instance of before there was a v1 log goes on without one: its trust root does not vouch for such a key, and whoever holds
  // the trust root decides when it does.
  const logV1 = (await readIfPresent(layout.keys.logV1)) !== undefined;
  return { configuration, layout, urls: instanceUrls(configuration.publicUrl, { logV1 }), created: false };
}

async function createInstance(
  layout: InstanceLayout,
  options: InitOptions & { readonly port: number },
): Promise<Instance> {
  const format: FormatFile = { format: 1, type: 'signet-instance', state: 'initializing' };
  const before = await readIfPresent(layout.instanceFile);
  const configuration =
    before === undefined ? firstConfiguration(options) : parseInstanceFile(before, layout.instanceFile);
  assertWanted(configuration, options, layout);
  if (before !== undefined) assertListens(configuration, options, layout);
  const urls = instanceUrls(configuration.publicUrl);
  await writeDurably(layout.state.format, `${JSON.stringify(format)}\n`);
  await createDurably(layout.instanceFile, formatInstanceFile(configuration));
  await createDurably(layout.issuersFile, formatFirstIssuers(configuration, urls));
  await createDurably(layout.policyFile, formatFirstPolicy(configuration, urls, options.publishers ?? []));
  if (configuration.developmentIdentity) await createDevelopmentKeys(layout);

  await placeKeyFiles(layout, options.keyFiles ?? {});
  const holders = await createMaterial(layout, configuration, options.passphrase, options.offlineKeys);
  const { publicMaterial } = await openMaterial(layout, configuration, options.passphrase);
  const { created, developmentIdentity } = configuration;
  const signingConfig = createSigningConfig(urls, created, developmentIdentity);
  await makeDirectory(layout.trust.directory);
  await createDurably(layout.trust.trustedRoot, json(createTrustedRoot(urls, publicMaterial, created)));
  await createDurably(layout.trust.signingConfig, json(signingConfig));
  const trustedRoot: unknown = JSON.parse((await readIfPresent(layout.trust.trustedRoot)) ?? '');
  await createDurably(layout.trust.clientTrustConfig, json(createClientTrustConfig(trustedRoot, signingConfig)));
  await ensureRegistryKey(layout, options.passphrase);
  await ensureTrustRepository(layout, holders, options.passphrase);
  await writeDurably(layout.state.format, `${JSON.stringify({ ...format, state: 'ready' })}\n`);
  return { configuration, layout, urls, created: true };
}

/** Keys that are elsewhere: their descriptions stand where their files would. */
async function placeKeyFiles(layout: InstanceLayout, files: Readonly<Record<string, string>>): Promise<void> {
  const { directory, ...paths } = layout.keys;
  await makeDirectory(directory, 0o700);
  for (const [name, file] of Object.entries(files)) {
    const path = Object.values(paths).find((candidate) => basename(candidate) === `${name}.key`);
    if (path === undefined) {
      const known = Object.values(paths).map((candidate) => basename(candidate, '.key'));
      throw new SignetError('ERR_INSTANCE_CONFIG', `there is no key ${JSON.stringify(name)}`, {
        expected: known.join(', '),
      });
    }
    const text = await readIfPresent(file);
    if (text === undefined) throw new SignetError('ERR_KEY_FILE', `${file} is not there`);
    await createDurably(path, text, 0o600);
  }
}

function firstConfiguration(options: InitOptions & { readonly port: number }): InstanceConfiguration {
  const { host = defaultHost, port, now = () => new Date() } = options;
  const scheme = options.tls === undefined ? 'http' : 'https';
  const publicUrl = parsePublicUrl(
    options.publicUrl ?? `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`,
  );
  checkScheme(publicUrl, options.tls);
  const loopback = isLoopback(publicUrl);
  if (options.names === undefined && !loopback) {
    throw new SignetError(
      'ERR_INSTANCE_CONFIG',
      'Say which package names the instance owns, for example --names "@acme/*"; only those can be published',
    );
  }
  const unnamed = options.publishers?.find(({ issuer }) => issuer === undefined);
  if (unnamed !== undefined && options.devIdentity !== true) {
    throw new SignetError(
      'ERR_INSTANCE_CONFIG',
      `--publisher ${JSON.stringify(unnamed.subject)} does not say whose login that is: only with --dev-identity it is the development provider's`,
      {
        expected: `--publisher 'https://login.acme.example ${unnamed.subject}'`,
        found: `--publisher '${unnamed.subject}'`,
      },
    );
  }
  // Certificates and windows of validity count whole seconds.
  const created = new Date(Math.floor(now().getTime() / 1000) * 1000);
  return {
    publicUrl,
    listen: { host, port },
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    created,
    names: (options.names ?? ['@example/*']).map(checkOwnedName),
    developmentIdentity: options.devIdentity ?? false,
    uplink: options.uplink ?? 'npmjs',
    registration: loopback ? 'open' : 'closed',
    tarballs: 'enforce',
    advertiseEvidence: false,
    uplinkEvidence: 'verify',
    attestPublish: false,
    trustedPublishing: [],
    changes: {},
    limits: defaultLimits,
  };
}

async function readState(layout: InstanceLayout): Promise<FormatFile['state'] | undefined> {
  const text = await readIfPresent(layout.state.format);
  if (text === undefined) return undefined;
  let file: Partial<FormatFile> | null;
  try {
    file = JSON.parse(text);
  } catch (cause) {
    throw new SignetError('ERR_INSTANCE', `${layout.state.format} is not JSON`, { cause });
  }
  if (file?.type !== 'signet-instance') {
    throw new SignetError('ERR_INSTANCE', `${layout.state.format} does not belong to a Signet instance`);
  }
  if (file.format !== 1) {
    throw new SignetError(
      'ERR_INSTANCE_FORMAT',
      `${layout.directory} has format ${describeValue(file.format)}; this Signet knows format 1. Use a newer Signet.`,
    );
  }
  return file.state === 'ready' ? 'ready' : 'initializing';
}

/** A directory with other things in it is not ours to fill; what a fresh volume holds does not count. */
async function assertVacant(directory: string): Promise<void> {
  let entries: string[] = [];
  try {
    entries = await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const foreign = entries.filter((name) => name !== 'lost+found' && name !== 'state' && !name.startsWith('.'));
  if (foreign.length === 0) return;
  throw new SignetError(
    'ERR_INSTANCE',
    `${directory} is neither empty nor a Signet instance (it holds ${JSON.stringify(foreign[0])}); choose another --data`,
  );
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
