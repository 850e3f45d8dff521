import { hash } from 'node:crypto';
import { concat, hashLeaf, type SctEntry, SignetError, sctEntryBytes } from '@signet/primitives/formats';
import type { EntryFormat } from '../engine/entry-format.ts';

const x509Entry = 0;
const precertificateEntry = 1;

/** What a log keeps of a certificate (c2sp.org/static-ct-api, Log entries). */
export interface TileLeaf {
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  readonly entry: SctEntry;
  /** CtExtensions without their length. */
  readonly extensions: Uint8Array;
  /** DER as submitted; only with a precertificate. */
  readonly precertificate?: Uint8Array;
  /** SHA-256 of each issuing certificate, up to the root. */
  readonly chainFingerprints: readonly Uint8Array[];
}

/** Positions within a TileLeaf. */
interface Layout {
  readonly timestampedEntryEnd: number;
  readonly signedEntryEnd: number;
  readonly end: number;
}

/** Entries as c2sp.org/static-ct-api serves them: TileLeaf after TileLeaf, without lengths between. */
export const staticCtFormat: EntryFormat = {
  kind: 'static-ct',
  recordLength: (bytes, offset) => layout(bytes, offset).end,
  leafHash: (record) => hashLeaf(merkleTreeLeaf(record.subarray(0, layout(record, 0).timestampedEntryEnd))),
  // The same certificate at another time is the same entry (RFC 6962 §3.1).
  duplicateKey: (record) => hash('sha256', record.subarray(8, layout(record, 0).signedEntryEnd), 'buffer'),
};

/** What is equal for submissions of one certificate. */
export function certificateKey(entry: SctEntry): Uint8Array {
  return hash('sha256', sctEntryBytes(entry), 'buffer');
}

/** The record and its hash. */
export function encodeTileLeaf(leaf: TileLeaf): { record: Uint8Array; leafHash: Uint8Array } {
  const timestamp = new Uint8Array(8);
  new DataView(timestamp.buffer).setBigUint64(0, BigInt(leaf.timestamp));
  const { extensions, precertificate, chainFingerprints } = leaf;
  const timestampedEntry = concat(timestamp, sctEntryBytes(leaf.entry), uint(extensions.length, 2), extensions);
  const record = concat(
    timestampedEntry,
    ...(precertificate === undefined ? [] : [uint(precertificate.length, 3), precertificate]),
    uint(chainFingerprints.length * 32, 2),
    ...chainFingerprints,
  );
  return { record, leafHash: hashLeaf(merkleTreeLeaf(timestampedEntry)) };
}

/** Time and extensions of a record, which with the certificate make up its SCT. */
export function readPromise(record: Uint8Array): { timestamp: Date; extensions: Uint8Array } {
  const { signedEntryEnd, timestampedEntryEnd } = layout(record, 0);
  const view = new DataView(record.buffer, record.byteOffset, record.length);
  return {
    timestamp: new Date(Number(view.getBigUint64(0))),
    extensions: record.subarray(signedEntryEnd + 2, timestampedEntryEnd),
  };
}

/** The leaf_index extension: one byte of type, two of length, the index in 40 bits (c2sp.org/static-ct-api). */
export function leafIndexExtension(index: number): Uint8Array {
  return concat(Uint8Array.of(0), uint(5, 2), uint(index, 5));
}

/** Big-endian number of `width` bytes. */
export function uint(value: number, width: number): Uint8Array {
  const bytes = new Uint8Array(width);
  let rest = value;
  for (let i = width - 1; i >= 0; i--) {
    bytes[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return bytes;
}

/** Version 1 and leaf type timestamped_entry, both 0 (RFC 6962 §3.4). */
function merkleTreeLeaf(timestampedEntry: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(0, 0), timestampedEntry);
}

function layout(bytes: Uint8Array, start: number): Layout {
  let offset = start + 8;
  const number = (width: number): number => {
    let value = 0;
    for (let i = 0; i < width; i++) value = value * 256 + (bytes[offset + i] ?? 0);
    offset += width;
    return value;
  };
  const skipVector = (lengthWidth: number): void => {
    const length = number(lengthWidth);
    offset += length;
  };
  const type = number(2);
  if (type === precertificateEntry) offset += 32;
  else if (type !== x509Entry) throw damaged();
  skipVector(3);
  const signedEntryEnd = offset - start;
  skipVector(2);
  const timestampedEntryEnd = offset - start;
  if (type === precertificateEntry) skipVector(3);
  skipVector(2);
  if (offset > bytes.length) throw damaged();
  return { signedEntryEnd, timestampedEntryEnd, end: offset - start };
}

function damaged(): SignetError {
  return new SignetError('ERR_LOG_CORRUPT', 'entries.dat is damaged: a record is not a TileLeaf');
}
