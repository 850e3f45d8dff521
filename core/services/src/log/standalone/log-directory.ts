import { access, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SignetError, utf8 } from '@signet/primitives/formats';
import { createKeyFile, openKeyFile, type Signer } from '@signet/primitives/keys';
import { parse } from 'yaml';
import { replaceFile } from '../engine/append-file.ts';
import { LogShards, type ShardPlace } from '../log-shards.ts';
import { RekorV1Tree } from '../rekor-v1/index.ts';
import { logOrigin, openTransparencyLog, type TransparencyLog } from '../transparency-log.ts';
import {
  defaultLimits,
  entryTypeModules,
  formatLogSettings,
  type LogSettings,
  parseLogSettings,
  parseLogUrl,
  readLogRules,
} from './settings.ts';
import { logSigningConfig, logTrustedRoot, type ShardedLogs, shardUrl } from './trust-documents.ts';

/** Where everything of a log that is served by itself lies. */
export interface LogLayout {
  readonly directory: string;
  readonly settingsFile: string;
  /** Of the first shard of the v2 log. */
  readonly logDirectory: string;
  /** Of the first shard of the v1 log. */
  readonly v1Directory: string;
  readonly keyDirectory: string;
  readonly trustedRoot: string;
  readonly signingConfig: string;
  /** Exists while the log is served: where, and with which word it is told to rotate. */
  readonly running: string;
}

export function logLayout(directory: string): LogLayout {
  return {
    directory,
    settingsFile: join(directory, 'log.yaml'),
    logDirectory: join(directory, 'log'),
    v1Directory: join(directory, 'log-v1'),
    keyDirectory: join(directory, 'keys'),
    trustedRoot: join(directory, 'trust', 'trusted_root.json'),
    signingConfig: join(directory, 'trust', 'signing_config.v0.2.json'),
    running: join(directory, 'running.json'),
  };
}

/** What a new log is to be; what is there already stays as it is. */
export interface NewLog {
  readonly publicUrl?: string;
  readonly host: string;
  readonly port: number;
}

/**
 * Reads the settings of a log, or writes those of a new one.
 *
 * @throws ERR_LOG_CONFIG when the directory holds something else, or the public URL is another; ERR_LOG_FORMAT
 */
export async function openSettings(layout: LogLayout, wanted: Partial<NewLog>): Promise<LogSettings | undefined> {
  if (!(await exists(layout.settingsFile))) return undefined;
  const settings = parseLogSettings(await readFile(layout.settingsFile, 'utf8'), layout.settingsFile);
  if (wanted.publicUrl !== undefined && parseLogUrl(wanted.publicUrl, '--public-url') !== settings.publicUrl) {
    throw new SignetError('ERR_LOG_CONFIG', `the public URL was fixed as ${settings.publicUrl} when the log was made`, {
      expected: settings.publicUrl,
      found: wanted.publicUrl,
    });
  }
  return settings;
}

/** @throws ERR_LOG_CONFIG, ERR_LOG_STORAGE */
export async function createSettings(layout: LogLayout, { publicUrl, host, port }: NewLog): Promise<LogSettings> {
  const settings: LogSettings = {
    publicUrl: parseLogUrl(publicUrl ?? `http://${host.includes(':') ? `[${host}]` : host}:${port}`, '--public-url'),
    created: new Date(),
    listen: { host, port },
    readTokens: [],
    proxies: [],
    dsse: true,
    entryTypes: [],
    limits: defaultLimits,
  };
  await mkdir(layout.directory, { recursive: true });
  replaceFile(layout.settingsFile, utf8(formatLogSettings(settings)));
  return settings;
}

/**
 * Modules of the entry types that the v1 log of a data directory is opened with, whether the log is served by itself or by an
 * instance: its index is built again with the same.
 *
 * @throws ERR_LOG_CONFIG, ERR_LOG_FORMAT
 */
export async function readEntryTypes(directory: string): Promise<readonly string[]> {
  const layout = logLayout(directory);
  const settings = await openSettings(layout, {});
  if (settings !== undefined) return entryTypeModules(settings, directory);
  const path = join(directory, 'instance.yaml');
  if (!(await exists(path))) return [];
  const { log } = (parse(await readFile(path, 'utf8'), { maxAliasCount: 0 }) ?? {}) as { log?: unknown };
  return log === undefined ? [] : entryTypeModules(readLogRules(log, path), directory);
}

/** Both logs of a directory: entries of Rekor's two versions lie in trees of their own. */
export interface OpenLogs extends ShardedLogs {
  readonly shards: LogShards<TransparencyLog>;
  readonly v1: LogShards<RekorV1Tree>;
  close(): Promise<void>;
}

/**
 * Opens all shards of both logs, making the first ones in a new directory, and writes down whom to trust and where to write.
 *
 * @throws what opening a log throws; ERR_KEY_FILE
 */
export async function openLogs(
  layout: LogLayout,
  settings: LogSettings,
  options: {
    /** Of the private keys, if they are encrypted. */
    readonly passphrase?: string;
    readonly onFatal?: (error: unknown) => void;
  } = {},
): Promise<OpenLogs> {
  const { passphrase, onFatal } = options;
  const { publicUrl, created } = settings;
  await mkdir(layout.keyDirectory, { recursive: true, mode: 0o700 });
  for (const directory of [join(layout.directory, 'trust'), layout.logDirectory, layout.v1Directory]) {
    await mkdir(directory, { recursive: true });
  }
  const fatal = onFatal === undefined ? {} : { onFatal };
  const entryTypes = entryTypeModules(settings, layout.directory);
  const opened: { shards?: LogShards<TransparencyLog>; v1?: LogShards<RekorV1Tree> } = {};
  const onChange = (): void => {
    const { shards, v1 } = opened;
    if (shards === undefined || v1 === undefined) return;
    const logs = { shards, v1, publicUrl };
    replaceFile(layout.trustedRoot, jsonBytes(logTrustedRoot(logs)));
    replaceFile(layout.signingConfig, jsonBytes(logSigningConfig(logs)));
  };
  const close = async (): Promise<void> => {
    const closed = await Promise.allSettled([opened.shards?.close(), opened.v1?.close()]);
    const failed = closed.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  };
  try {
    opened.shards = await LogShards.open({
      directory: layout.logDirectory,
      created,
      open: async (place) =>
        openTransparencyLog({
          ...fatal,
          directory: place.directory,
          origin: logOrigin(shardUrl(publicUrl, place.number)),
          signer: await shardSigner(layout, 'log', place, passphrase),
        }),
      onChange,
    });
    opened.v1 = await LogShards.open({
      directory: layout.v1Directory,
      created,
      open: async (place) =>
        RekorV1Tree.open({
          ...fatal,
          directory: place.directory,
          host: new URL(publicUrl).host,
          entryTypes,
          signer: await shardSigner(layout, 'log-v1', place, passphrase),
        }),
      onChange,
    });
    onChange();
    return { shards: opened.shards, v1: opened.v1, publicUrl, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A key is made with its shard and never again: a log whose key is lost must not sign with another. */
async function shardSigner(
  layout: LogLayout,
  name: 'log' | 'log-v1',
  { number, directory }: ShardPlace,
  passphrase: string | undefined,
): Promise<Signer> {
  const path = join(layout.keyDirectory, number === 1 ? `${name}.key` : `${name}-${number}.key`);
  const options = passphrase === undefined ? {} : { passphrase };
  if (await exists(path)) return openKeyFile(path, options);
  if (await exists(join(directory, 'log.json'))) {
    throw new SignetError(
      'ERR_KEY_FILE',
      `the key ${path} of the log in ${directory} is missing; restore it from a backup`,
    );
  }
  return createKeyFile(path, name === 'log' ? 'PKIX_ED25519' : 'PKIX_ECDSA_P256_SHA_256', options);
}

function jsonBytes(value: object): Uint8Array {
  return utf8(`${JSON.stringify(value, undefined, 2)}\n`);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
