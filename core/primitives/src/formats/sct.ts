import { allocate, concat } from './bytes.ts';
import { parseDer } from './der.ts';
import { der } from './der-writer.ts';
import { SignetError } from './errors.ts';
import { oids } from './oids.ts';
import type { Certificate } from './x509.ts';

/** A signed certificate timestamp, version 1 (RFC 6962 §3.2). */
export interface SignedCertificateTimestamp {
  /** SHA-256 of the log's SubjectPublicKeyInfo, 32 bytes. */
  readonly logId: Uint8Array;
  /** Time of the promise, to the millisecond. */
  readonly timestamp: Date;
  /** CtExtensions without their length. */
  readonly extensions: Uint8Array;
  /** TLS HashAlgorithm; 4 is SHA-256, the only one that RFC 6962 §2.1.4 allows. */
  readonly hashAlgorithm: number;
  /** TLS SignatureAlgorithm: 1 RSA, 3 ECDSA. */
  readonly signatureAlgorithm: number;
  readonly signature: Uint8Array;
}

/** What an SCT was given for: a final certificate, or a precertificate's TBS without poison and its issuer. */
export type SctEntry =
  | { readonly type: 'x509'; readonly certificate: Uint8Array }
  | {
      readonly type: 'precertificate';
      /** SHA-256 of the issuer's SubjectPublicKeyInfo. */
      readonly issuerKeyHash: Uint8Array;
      /** DER of TBSCertificate without poison and without SCT list. */
      readonly tbs: Uint8Array;
    };

const maximumList = 16;

function malformed(problem: string): SignetError {
  return new SignetError('ERR_SCT_FORMAT', `signed certificate timestamp: ${problem} (RFC 6962 §3.2)`);
}

/** Big-endian number of `width` bytes. */
function uint(value: number, width: number): Uint8Array {
  const bytes = new Uint8Array(width);
  writeUint(bytes, 0, value, width);
  return bytes;
}

/** Writes a number of `width` bytes. @returns where they end */
function writeUint(target: Uint8Array, at: number, value: number, width: number): number {
  let rest = value;
  for (let place = at + width - 1; place >= at; place--) {
    target[place] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  if (rest !== 0) throw malformed(`a value does not fit into ${width} bytes`);
  return at + width;
}

class TlsReader {
  readonly #bytes: Uint8Array;
  #offset: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.#bytes = bytes;
    this.#offset = start;
    this.#end = end;
  }

  get isAtEnd(): boolean {
    return this.#offset === this.#end;
  }

  /** Goes over so many bytes. @returns where they begin */
  skip(length: number): number {
    const start = this.#offset;
    if (start + length > this.#end) throw malformed('it is cut off');
    this.#offset = start + length;
    return start;
  }

  take(length: number): Uint8Array {
    const start = this.skip(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** The next bytes to be read by themselves. */
  part(length: number): TlsReader {
    const start = this.skip(length);
    return new TlsReader(this.#bytes, start, start + length);
  }

  uint(width: number): number {
    const start = this.skip(width);
    let value = 0;
    for (let at = start; at < start + width; at++) value = value * 256 + (this.#bytes[at] ?? 0);
    return value;
  }

  end(): void {
    if (!this.isAtEnd) throw malformed('bytes follow its end');
  }
}

/** Reads one serialized SCT. @throws ERR_SCT_FORMAT */
export function parseSct(bytes: Uint8Array): SignedCertificateTimestamp {
  return readSct(new TlsReader(bytes));
}

function readSct(reader: TlsReader): SignedCertificateTimestamp {
  if (reader.uint(1) !== 0) throw malformed('its version is not v1');
  const logId = reader.take(32);
  const milliseconds = reader.uint(8);
  // Dates end at 8.64e15 ms; beyond that no comparison would hold.
  if (milliseconds > 8.64e15) throw malformed('its time is out of range');
  const extensions = reader.take(reader.uint(2));
  const hashAlgorithm = reader.uint(1);
  const signatureAlgorithm = reader.uint(1);
  const signature = reader.take(reader.uint(2));
  reader.end();
  return { logId, timestamp: new Date(milliseconds), extensions, hashAlgorithm, signatureAlgorithm, signature };
}

export function encodeSct(sct: SignedCertificateTimestamp): Uint8Array {
  return concat(
    uint(0, 1),
    sct.logId,
    uint(sct.timestamp.getTime(), 8),
    uint(sct.extensions.length, 2),
    sct.extensions,
    uint(sct.hashAlgorithm, 1),
    uint(sct.signatureAlgorithm, 1),
    uint(sct.signature.length, 2),
    sct.signature,
  );
}

/** The SCTs embedded in a certificate, in their order; none when it has no such extension. @throws ERR_SCT_FORMAT */
export function embeddedScts(certificate: Certificate): readonly SignedCertificateTimestamp[] {
  const extension = certificate.extension(oids.sctList);
  if (extension === undefined) return [];
  const list = new TlsReader(parseDer(extension.value, 'SCT list').octetString());
  const entries = list.part(list.uint(2));
  list.end();
  const scts: SignedCertificateTimestamp[] = [];
  while (!entries.isAtEnd) {
    if (scts.length >= maximumList) throw malformed(`a list holds more than ${maximumList}`);
    scts.push(readSct(entries.part(entries.uint(2))));
  }
  if (scts.length === 0) throw malformed('a list is empty');
  return scts;
}

/** The certificate extension that embeds `scts` (RFC 6962 §3.3), as a DER Extension, not critical. */
export function sctListExtension(scts: readonly SignedCertificateTimestamp[]): Uint8Array {
  const entries = scts.map((sct) => {
    const encoded = encodeSct(sct);
    return concat(uint(encoded.length, 2), encoded);
  });
  const list = concat(...entries);
  return der.sequence(der.oid(oids.sctList), der.octetString(der.octetString(uint(list.length, 2), list)));
}

/**
 * What the log signs: the digitally-signed struct of RFC 6962 §3.2.
 *
 * @param sct its time and extensions are part of it
 */
export function sctSignedData(
  sct: Pick<SignedCertificateTimestamp, 'timestamp' | 'extensions'>,
  entry: SctEntry,
): Uint8Array {
  const { extensions } = sct;
  const signed = entry.type === 'x509' ? entry.certificate : entry.tbs;
  const hashLength = entry.type === 'x509' ? 0 : entry.issuerKeyHash.length;
  // Version and SignatureType are both 0, and so is the entry type of a whole certificate.
  const data = allocate(12 + hashLength + 3 + signed.length + 2 + extensions.length);
  let at = writeUint(data, writeUint(data, 0, 0, 2), sct.timestamp.getTime(), 8);
  at = writeUint(data, at, entry.type === 'x509' ? 0 : 1, 2);
  if (entry.type === 'precertificate') data.set(entry.issuerKeyHash, at);
  at = writeUint(data, at + hashLength, signed.length, 3);
  data.set(signed, at);
  at = writeUint(data, at + signed.length, extensions.length, 2);
  data.set(extensions, at);
  return data;
}

/** LogEntryType and signed_entry, as they also stand in a MerkleTreeLeaf (RFC 6962 §3.4). */
export function sctEntryBytes(entry: SctEntry): Uint8Array {
  return entry.type === 'x509'
    ? concat(uint(0, 2), uint(entry.certificate.length, 3), entry.certificate)
    : concat(uint(1, 2), entry.issuerKeyHash, uint(entry.tbs.length, 3), entry.tbs);
}
