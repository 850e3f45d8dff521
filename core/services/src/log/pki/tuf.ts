import { hash } from 'node:crypto';
import {
  canonicalize,
  fromHex,
  fromUtf8,
  JsonReader,
  parseJson,
  SignetError,
  toHex,
  utf8,
} from '@signet/primitives/formats';
import { checked, type PkiFormat, type PkiPublicKey, signatureError } from './pki-format.ts';

const reader = new JsonReader('ERR_LOG_SIGNATURE');
const maximumSize = 1 << 20;
const maximumSignatures = 64;
const roles = ['root', 'timestamp', 'snapshot', 'targets'] as const;

/** The parts of TUF metadata that an entry is about. */
export interface TufMetadata {
  readonly role: (typeof roles)[number];
  readonly version: number;
  readonly specVersion: string;
  /** The one form that goes into the log: JCS of `signatures` and `signed`, and of nothing else. */
  readonly canonical: Uint8Array;
  readonly value: Record<string, unknown>;
}

/** TUF: the key is a root.json, the message and its signatures are one document. */
export const tufFormat: PkiFormat = {
  name: 'tuf',
  readPublicKey(bytes): PkiPublicKey {
    const root = readTufMetadata(bytes, 'the root');
    return {
      canonical: root.canonical,
      searchTerms: [
        { kind: 'publicKey', fingerprint: hash('sha256', root.canonical, 'buffer') },
        { kind: 'digest', algorithm: 'sha256', value: hash('sha256', root.canonical, 'buffer') },
      ],
      async verify(signature) {
        const metadata = readTufMetadata(signature, 'the metadata');
        await verifyTufMetadata(root, metadata);
        return metadata.canonical;
      },
    };
  },
};

/**
 * @param content JSON of a signed TUF document, or its bytes
 * @throws ERR_LOG_SIGNATURE
 */
export function readTufMetadata(content: unknown, what: string): TufMetadata {
  const document = content instanceof Uint8Array ? parseDocument(content, what) : content;
  const object = reader.object(document, what);
  const signed = reader.field(object, 'signed', what);
  const at = `${what}.signed`;
  const role = reader.name(reader.required(signed, '_type', at), `${at}._type`, roles);
  const version = reader.int64(signed, 'version', at);
  if (version > BigInt(Number.MAX_SAFE_INTEGER)) throw signatureError(`${at}.version is too large`);
  const signatures = reader.list(object, 'signatures', what, maximumSignatures).map((element, i) => {
    const path = `${what}.signatures[${i}]`;
    const one = reader.object(element, path);
    const sig = checked(path, () => toHex(fromHex(reader.string(one, 'sig', path), 'sig')));
    return { keyid: reader.string(one, 'keyid', path), sig };
  });
  const value = { signatures, signed };
  return {
    role,
    version: Number(version),
    specVersion: reader.string(signed, 'spec_version', at),
    canonical: utf8(checked(what, () => canonicalize(value))),
    value,
  };
}

/**
 * Checks that a root is signed by itself and that it delegates to what signed the metadata. Expiry is not looked at: it tells
 * a client what is current, and a log keeps what was.
 *
 * @throws ERR_LOG_SIGNATURE
 */
export async function verifyTufMetadata(root: TufMetadata, metadata: TufMetadata): Promise<void> {
  if (root.role !== 'root') throw signatureError(`the root is of the role ${root.role}`);
  // Loaded here, because hardly any log needs it.
  const { Metadata, MetadataKind } = await import('@tufjs/models');
  type Json = Parameters<typeof Metadata.fromJSON>[1];
  try {
    const trusted = Metadata.fromJSON(MetadataKind.Root, structuredClone(root.value) as Json);
    trusted.verifyDelegate('root', trusted);
    const kinds = {
      root: () => Metadata.fromJSON(MetadataKind.Root, structuredClone(metadata.value) as Json),
      timestamp: () => Metadata.fromJSON(MetadataKind.Timestamp, structuredClone(metadata.value) as Json),
      snapshot: () => Metadata.fromJSON(MetadataKind.Snapshot, structuredClone(metadata.value) as Json),
      targets: () => Metadata.fromJSON(MetadataKind.Targets, structuredClone(metadata.value) as Json),
    };
    trusted.verifyDelegate(metadata.role, kinds[metadata.role]());
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw signatureError(`the TUF metadata does not verify: ${reason}`, cause);
  }
}

function parseDocument(bytes: Uint8Array, what: string): unknown {
  if (bytes.length > maximumSize) {
    throw new SignetError('ERR_LOG_SIGNATURE', `${what} has ${bytes.length} bytes, more than ${maximumSize}`);
  }
  return checked(what, () => parseJson(fromUtf8(bytes, what), what));
}
