import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { TrustedLog, TrustMaterial } from '@signet/client/trust';
import { inert, SignetError } from '@signet/primitives/formats';
import { type CommandContext, type OptionValues, textOption } from '../../command.ts';
import { trustFor } from '../../trust-options.ts';
import { LogConnection, plainUrl } from './log-connection.ts';
import { RekorV1Log } from './rekor-v1-log.ts';
import { RekorV2Log } from './rekor-v2-log.ts';
import type { RemoteLog } from './remote-log.ts';

/**
 * The log of the command line, or the only one of the trust root. Logs of Rekor v1 sign with ECDSA, those of v2 with Ed25519: so the
 * key in the trust root says how a log is read.
 *
 * @throws ERR_OFFLINE, ERR_USAGE, ERR_TRUST_MATERIAL when the trust root has no key for it
 */
export async function openRemoteLog(context: CommandContext, values: OptionValues): Promise<RemoteLog> {
  if (context.offline) throw new SignetError('ERR_OFFLINE', 'a log is read over the network; leave --offline out');
  const trust = await trustFor(context, values);
  const given = textOption(values, 'log');
  const url = given === undefined ? onlyLog(trust) : plainUrl(given);
  const file = textOption(values, 'token-file');
  const token = file === undefined ? undefined : await readToken(resolve(context.cwd, file));
  const connection = new LogConnection(token, context.signal);
  const shards = shardsBelow(url, trust);
  if (shards.length > 0) return new RekorV2Log(url, shards, connection);
  const isV1 = trust.transparencyLogs.some((log) => plainUrl(log.baseUrl) === url);
  if (isV1) return new RekorV1Log(url, trust, connection);
  throw new SignetError('ERR_TRUST_MATERIAL', `the trust root has no key of the log at ${inert(url)}`, {
    found: trust.transparencyLogs.map(({ baseUrl }) => baseUrl).join(', ') || 'no logs',
  });
}

/** Logs of Rekor v2 in the trust root at a URL, or below it at a number: its shards. */
function shardsBelow(url: string, { transparencyLogs }: TrustMaterial): TrustedLog[] {
  return transparencyLogs.filter(({ baseUrl, key }) => {
    if (key.info.algorithm !== 'ed25519') return false;
    const base = plainUrl(baseUrl);
    return base === url || (base.startsWith(`${url}/`) && /^[1-9]\d{0,3}$/.test(base.slice(url.length + 1)));
  });
}

function onlyLog(trust: TrustMaterial): string {
  const tiled = trust.transparencyLogs.filter(({ key }) => key.info.algorithm === 'ed25519');
  const urls = tiled.map(({ baseUrl }) => plainUrl(baseUrl));
  const first = urls.filter((url) => shardsBelow(url, trust).length === urls.length);
  const [url] = first;
  if (url !== undefined) return url;
  throw new SignetError('ERR_USAGE', 'the trust root names several logs; say which one with --log URL', {
    expected: 'one log',
    found: urls.join(', ') || 'none',
  });
}

async function readToken(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new SignetError('ERR_USAGE', `--token-file ${inert(path)} cannot be read`, { cause });
  });
  return text.trim();
}
