import { type Certificate, equalBytes, parseTrustedRoot, SignetError, toBase64 } from '@signet/primitives/formats';
import type { RotatedService } from './generations.ts';
import { authority, certificateLog } from './trust-documents.ts';

/** What identifies one generation of a service in a trusted root. */
export type ServiceIdentity =
  | {
      readonly service: 'ca' | 'tsa';
      readonly uri: string;
      readonly name: string;
      readonly chain: readonly Uint8Array[];
    }
  | { readonly service: 'ctlog'; readonly uri: string; readonly key: Certificate['publicKey'] };

const lists = { ca: 'certificateAuthorities', tsa: 'timestampAuthorities', ctlog: 'ctlogs' } as const;

interface Entry {
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
  const entry =
    identity.service === 'ctlog'
      ? certificateLog(identity.uri, identity.key, start)
      : authority(identity.uri, identity.name, identity.chain, { start: start.toISOString() });
  root[lists[identity.service]].push(entry as Entry);
  return format(root);
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
    const range = identity.service === 'ctlog' ? entry.publicKey?.validFor : entry.validFor;
    if (range !== undefined && range.end === undefined && !matches(entry, identity)) range.end = end.toISOString();
  }
  return format(root);
}

function matches(entry: Entry, identity: ServiceIdentity): boolean {
  if (identity.service === 'ctlog') return entry.publicKey?.rawBytes === toBase64(identity.key.spki);
  const [first] = identity.chain;
  return first !== undefined && entry.certChain?.certificates?.[0]?.rawBytes === toBase64(first);
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

function format(root: Root): string {
  return `${JSON.stringify(root, undefined, 2)}\n`;
}

/** Whether two chains end in the same root. */
export function sameRoot(one: readonly Uint8Array[], other: readonly Uint8Array[]): boolean {
  const [a, b] = [one.at(-1), other.at(-1)];
  return a !== undefined && b !== undefined && equalBytes(a, b);
}
