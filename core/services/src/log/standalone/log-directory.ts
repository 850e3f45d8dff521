import { access, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SignetError, utf8 } from '@signet/primitives/formats';
import { createKeyFile, openKeyFile, type Signer } from '@signet/primitives/keys';
import { replaceFile } from '../engine/append-file.ts';
import { LogShards } from '../log-shards.ts';
import { logOrigin, openTransparencyLog, type TransparencyLog } from '../transparency-log.ts';
import { defaultLimits, formatLogSettings, type LogSettings, parseLogSettings, parseLogUrl } from './settings.ts';
import { logSigningConfig, logTrustedRoot, shardUrl } from './trust-documents.ts';

/** Where everything of a log that is served by itself lies. */
export interface LogLayout {
  readonly directory: string;
  readonly settingsFile: string;
  /** Of the first shard. */
  readonly logDirectory: string;
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
    limits: defaultLimits,
  };
  await mkdir(layout.directory, { recursive: true });
  replaceFile(layout.settingsFile, utf8(formatLogSettings(settings)));
  return settings;
}

/**
 * Opens all shards of a log, making the first one in a new directory, and writes down whom to trust and where to write.
 *
 * @param passphrase of the private keys, if they are encrypted
 * @throws what opening a log throws; ERR_KEY_FILE
 */
export async function openShards(
  layout: LogLayout,
  settings: LogSettings,
  options: { readonly passphrase?: string; readonly onFatal?: (error: unknown) => void } = {},
): Promise<LogShards<TransparencyLog>> {
  const { passphrase, onFatal } = options;
  await mkdir(layout.keyDirectory, { recursive: true, mode: 0o700 });
  await mkdir(join(layout.directory, 'trust'), { recursive: true });
  await mkdir(layout.logDirectory, { recursive: true });
  const onChange = (shards: LogShards<TransparencyLog>): void => {
    const log = { shards, publicUrl: settings.publicUrl };
    replaceFile(layout.trustedRoot, jsonBytes(logTrustedRoot(log)));
    replaceFile(layout.signingConfig, jsonBytes(logSigningConfig(log)));
  };
  const shards = await LogShards.open({
    directory: layout.logDirectory,
    created: settings.created,
    open: async ({ directory, number }) =>
      openTransparencyLog({
        directory,
        origin: logOrigin(shardUrl(settings.publicUrl, number)),
        signer: await shardSigner(layout, number, directory, passphrase),
        ...(onFatal === undefined ? {} : { onFatal }),
      }),
    onChange,
  });
  onChange(shards);
  return shards;
}

/** A key is made with its shard and never again: a log whose key is lost must not sign with another. */
async function shardSigner(
  layout: LogLayout,
  number: number,
  directory: string,
  passphrase: string | undefined,
): Promise<Signer> {
  const path = join(layout.keyDirectory, number === 1 ? 'log.key' : `log-${number}.key`);
  const options = passphrase === undefined ? {} : { passphrase };
  if (await exists(path)) return openKeyFile(path, options);
  if (await exists(join(directory, 'log.json'))) {
    throw new SignetError(
      'ERR_KEY_FILE',
      `the key ${path} of the log in ${directory} is missing; restore it from a backup`,
    );
  }
  return createKeyFile(path, 'PKIX_ED25519', options);
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
