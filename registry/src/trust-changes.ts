import {
  type Certificate,
  parseSigningConfig,
  parseTrustedRoot,
  SignetError,
  toBase64,
} from '@signet/primitives/formats';
import type { RotatedService } from './generations.ts';
import { authority, certificateLog, transparencyLog, type WritableLog, writableLog } from './trust-documents.ts';

/** What identifies one generation of a service in a trusted root. */
export type ServiceIdentity =
  | {
      readonly service: 'ca' | 'tsa';
      readonly uri: string;
      readonly name: string;
      readonly chain: readonly Uint8Array[];
    }
  | { readonly service: 'ctlog'; readonly uri: string; readonly key: Certificate['publicKey'] }
  | {
      readonly service: 'log' | 'log-v1';
      readonly uri: string;
      readonly key: Certificate['publicKey'];
      /** Of the first shard, which tells the logs of one trusted root apart. */
      readonly firstUri: string;
    };

const lists = {
  ca: 'certificateAuthorities',
  tsa: 'timestampAuthorities',
  ctlog: 'ctlogs',
  log: 'tlogs',
  'log-v1': 'tlogs',
} as const;

interface Entry {
  baseUrl?: string;
  validFor?: { start?: string; end?: string };
  publicKey?: { rawBytes?: string; validFor?: { start?: string; end?: string } };
  certChain?: { certificates?: { rawBytes?: string }[] };
}

/** Whether a trusted root (JSON text) vouches for this generation. */
export function trustsService(text: string, identity: ServiceIdentity): boolean {
  return entriesOf(text, identity.service).some((entry) => matches(entry, identity));
}

/**
 * Adds a generation to a trusted root, from `start` on, beside all that it has.
 *
 * @param text JSON of the trusted root; the same comes back when the generation stands in it
 */
export function addService(text: string, identity: ServiceIdentity, start: Date): string {
  if (trustsService(text, identity)) return text;
  const root = parse(text);
  root[lists[identity.service]].push(entryOf(identity, start) as Entry);
  return format(root);
}

function entryOf(identity: ServiceIdentity, start: Date): object {
  switch (identity.service) {
    case 'ca':
    case 'tsa':
      return authority(identity.uri, identity.name, identity.chain, { start: start.toISOString() });
    case 'log':
      return transparencyLog(identity.uri, identity.key, start);
    // Both are named by the hash of their key.
    case 'ctlog':
    case 'log-v1':
      return certificateLog(identity.uri, identity.key, start);
  }
}

/**
 * Ends the trust in every other generation of a service that has no end yet. What they vouched for until then stays valid.
 *
 * @throws ERR_ROTATION when nothing would be trusted any more
 */
export function endOtherServices(text: string, identity: ServiceIdentity, end: Date): string {
  if (!trustsService(text, identity)) {
    throw new SignetError('ERR_ROTATION', 'the trusted root does not name the new generation; nothing was ended');
  }
  const root = parse(text);
  for (const entry of root[lists[identity.service]]) {
    if (!isSameService(entry, identity)) continue;
    const range = 'key' in identity ? entry.publicKey?.validFor : entry.validFor;
    if (range !== undefined && range.end === undefined && !matches(entry, identity)) range.end = end.toISOString();
  }
  return format(root);
}

function matches(entry: Entry, identity: ServiceIdentity): boolean {
  if ('key' in identity) return entry.publicKey?.rawBytes === toBase64(identity.key.spki);
  const [first] = identity.chain;
  return first !== undefined && entry.certChain?.certificates?.[0]?.rawBytes === toBase64(first);
}

/** Logs of both of Rekor's versions stand in one list; each ends its own shards alone. */
function isSameService({ baseUrl = '' }: Entry, identity: ServiceIdentity): boolean {
  if (!('firstUri' in identity)) return true;
  const { firstUri } = identity;
  return (
    baseUrl === firstUri || (baseUrl.startsWith(`${firstUri}/`) && /^\d+$/.test(baseUrl.slice(firstUri.length + 1)))
  );
}

/**
 * Names a shard in a signing config (JSON text) as the first place to write to, from `start` on.
 *
 * @returns the same text when the shard stands in it
 */
export function addWritableLog(text: string, url: string, start: Date): string {
  const config = parseConfig(text);
  if (config.rekorTlogUrls.some((one) => one.url === url)) return text;
  const operator = config.rekorTlogUrls[0]?.operator ?? new URL(url).host;
  config.rekorTlogUrls.unshift(writableLog(url, start, operator));
  return format(config);
}

/** Ends every place to write to in a signing config but one; ends that are there stay. */
export function endOtherWritableLogs(text: string, url: string, end: Date): string {
  const config = parseConfig(text);
  const open = config.rekorTlogUrls.filter((one) => one.url !== url && one.validFor.end === undefined);
  if (open.length === 0) return text;
  for (const { validFor } of open) validFor.end = end.toISOString();
  return format(config);
}

type Config = { rekorTlogUrls: WritableLog[] };

function parseConfig(text: string): Config {
  parseSigningConfig(text);
  return JSON.parse(text) as Config;
}

type Root = Record<(typeof lists)[keyof typeof lists], Entry[]>;

function entriesOf(text: string, service: RotatedService): readonly Entry[] {
  return parse(text)[lists[service]];
}

/** Checked by the reader that clients use; then the bare JSON, so that what it does not know of stays as it is. */
function parse(text: string): Root {
  parseTrustedRoot(text);
  return JSON.parse(text) as Root;
}

function format(document: object): string {
  return `${JSON.stringify(document, undefined, 2)}\n`;
}
