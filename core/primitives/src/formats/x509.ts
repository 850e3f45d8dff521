import { allocate, fromUtf8 } from './bytes.ts';
import {
  CertificateBytes,
  type CertificateExtension,
  type ExtensionRange,
  certificateError as malformed,
  readExtensions,
} from './certificate-extension.ts';
import { type DerReader, readDer, tags } from './der.ts';
import { headerLength, writeHeader } from './der-writer.ts';
import { SignetError } from './errors.ts';
import { oids } from './oids.ts';
import { parsePem, toPem } from './pem.ts';
import { type PublicKeyInfo, parsePublicKeyInfo } from './public-key.ts';

export type { CertificateExtension } from './certificate-extension.ts';

/** Tag numbers of GeneralName (RFC 5280 §4.2.1.6) by the names used here. */
export interface GeneralName {
  readonly type: 'email' | 'dns' | 'uri' | 'otherName' | 'unsupported';
  /** Text of the name; for `otherName` that of its UTF8String, empty for names of an unsupported kind. */
  readonly value: string;
  /** The type of an `otherName`, dotted. */
  readonly oid?: string;
}

/** Bits of KeyUsage (RFC 5280 §4.2.1.3). */
export interface KeyUsage {
  readonly digitalSignature: boolean;
  readonly keyCertSign: boolean;
  readonly cRLSign: boolean;
}

export interface BasicConstraints {
  readonly ca: boolean;
  readonly pathLength?: number;
}

const maximumCertificate = 64 * 1024;

/**
 * An X.509 v3 certificate, read once into ranges over its own bytes. Only the form is checked here; whether it can be
 * trusted is for the verifier.
 */
export class Certificate {
  /** The DER of the whole certificate. */
  readonly bytes: Uint8Array;
  /** The DER of TBSCertificate: what is signed. */
  readonly tbs: Uint8Array;
  /** Contents of the serial number's INTEGER. */
  readonly serialNumber: Uint8Array;
  /** The DER of the issuer's Name. */
  readonly issuer: Uint8Array;
  /** The DER of the subject's Name. */
  readonly subject: Uint8Array;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly publicKey: PublicKeyInfo;
  /** Dotted OID of the algorithm that the issuer signed with. */
  readonly signatureAlgorithm: string;
  readonly signature: Uint8Array;
  readonly #extensions: readonly ExtensionRange[];
  #extensionsByOid: ReadonlyMap<string, CertificateExtension> | undefined;
  /** Where the first field of TBSCertificate begins, and the one of the extensions; 0 where there is none. */
  readonly #firstField: number;
  readonly #lastField: number;

  /**
   * @param bytes DER of one certificate
   * @throws ERR_CERT_FORMAT, ERR_DER, ERR_KEY_UNSUPPORTED, ERR_INPUT_TOO_LARGE (above 64 KiB)
   */
  static parse(bytes: Uint8Array): Certificate {
    return new Certificate(bytes);
  }

  /** Reads the only certificate of a PEM text. */
  static fromPem(text: string): Certificate {
    const [certificate, ...rest] = Certificate.listFromPem(text);
    if (certificate === undefined || rest.length > 0) throw malformed('expected exactly one PEM block CERTIFICATE');
    return certificate;
  }

  /** Reads all certificates of a PEM text, in their order. */
  static listFromPem(text: string): readonly Certificate[] {
    return parsePem(text, 'certificates').map(({ label, bytes }) => {
      if (label !== 'CERTIFICATE') throw malformed(`expected PEM blocks CERTIFICATE, found ${label}`);
      return new Certificate(bytes);
    });
  }

  private constructor(bytes: Uint8Array) {
    if (bytes.length > maximumCertificate) {
      throw new SignetError('ERR_INPUT_TOO_LARGE', 'certificate is longer than 64 KiB');
    }
    const reader = readDer(bytes, 'certificate');
    reader.enterSequence();
    if (!reader.next()) throw incomplete();
    const tbsStart = reader.start;
    const outer = reader.enterSequence();
    this.#firstField = reader.end;
    // Version 3 is the number 2 (RFC 5280 §4.1.2.1), which has one encoding.
    if (!reader.next() || !isVersion3(reader)) throw malformed('version is not v3');
    this.serialNumber = field(reader).node().integerBytes();
    const { start: innerStart, end: innerEnd } = field(reader);
    this.issuer = name(field(reader));
    const validity = field(reader).enterSequence();
    this.notBefore = time(reader);
    this.notAfter = time(reader);
    if (!reader.isAtEnd) throw malformed('validity is not two times');
    reader.leave(validity);
    this.subject = name(field(reader));
    const { start: keyStart, end: keyEnd } = field(reader);
    this.publicKey = parsePublicKeyInfo(bytes.subarray(keyStart, keyEnd));
    const tail = readTail(reader, bytes);
    this.#extensions = tail.extensions;
    this.#lastField = tail.start;
    reader.leave(outer);
    const tbsEnd = reader.end;

    if (!reader.next()) throw incomplete();
    // RFC 5280 §4.1.1.2: both must be the same, or the signature's meaning could be changed from outside.
    if (!isSame(bytes, innerStart, innerEnd, reader.start, reader.end)) {
      throw malformed('the algorithm outside differs from the signed one');
    }
    const algorithm = reader.enterSequence();
    this.signatureAlgorithm = reader.next() ? reader.oid() : '';
    reader.skipRest();
    reader.leave(algorithm);
    if (!reader.next() || !reader.isAtEnd) throw incomplete();
    this.signature = reader.bitString();
    this.bytes = bytes;
    this.tbs = bytes.subarray(tbsStart, tbsEnd);
  }

  /** By dotted OID, in the order of the certificate. */
  get extensions(): ReadonlyMap<string, CertificateExtension> {
    this.#extensionsByOid ??= new Map(this.#extensions.map((extension) => [extension.oid, extension]));
    return this.#extensionsByOid;
  }

  /** The same in a list: to go over all of them. */
  get extensionList(): readonly CertificateExtension[] {
    return this.#extensions;
  }

  /** The extension with this dotted OID. */
  extension(oid: string): CertificateExtension | undefined {
    return this.#find(oid);
  }

  #find(oid: string): ExtensionRange | undefined {
    for (const extension of this.#extensions) if (extension.oid === oid) return extension;
    return undefined;
  }

  get pem(): string {
    return toPem('CERTIFICATE', this.bytes);
  }

  /** Whether `time` lies within the validity period, both ends included (RFC 5280 §4.1.2.5). */
  isValidAt(time: Date): boolean {
    return this.notBefore.getTime() <= time.getTime() && time.getTime() <= this.notAfter.getTime();
  }

  /** Whether subject and issuer are the same name. */
  get isSelfIssued(): boolean {
    return Buffer.compare(this.subject, this.issuer) === 0;
  }

  get keyUsage(): KeyUsage | undefined {
    return this.#read(oids.keyUsage, (reader) => {
      const bit = reader.node().namedBits();
      return { digitalSignature: bit(0), keyCertSign: bit(5), cRLSign: bit(6) };
    });
  }

  /** Dotted OIDs of the purposes, when the extension is there. */
  get extendedKeyUsage(): readonly string[] | undefined {
    return this.#read(oids.extendedKeyUsage, (reader) => {
      const purposes: string[] = [];
      reader.enterSequence();
      while (reader.next()) purposes.push(reader.oid());
      return purposes;
    });
  }

  get basicConstraints(): BasicConstraints | undefined {
    return this.#read(oids.basicConstraints, (reader) => {
      reader.enterSequence();
      let more = reader.next();
      const ca = more && reader.tag === tags.boolean && reader.node().boolean();
      if (more && reader.tag === tags.boolean) more = reader.next();
      if (!more) return { ca };
      const pathLength = reader.node().smallInteger();
      if (!reader.isAtEnd) throw malformed('BasicConstraints has unknown fields');
      return { ca, pathLength };
    });
  }

  get subjectKeyId(): Uint8Array | undefined {
    return this.#read(oids.subjectKeyIdentifier, (reader) => reader.node().octetString());
  }

  /** The keyIdentifier field of AuthorityKeyIdentifier, when it is there. */
  get authorityKeyId(): Uint8Array | undefined {
    return this.#read(oids.authorityKeyIdentifier, (reader) => {
      reader.enterSequence();
      let found: Uint8Array | undefined;
      while (reader.next()) if (reader.tag === 0x80) found ??= reader.node().content;
      return found;
    });
  }

  get subjectAlternativeNames(): readonly GeneralName[] {
    const names = this.#read(oids.subjectAlternativeName, (reader) => {
      const list: GeneralName[] = [];
      reader.enterSequence();
      while (reader.next()) list.push(readGeneralName(reader));
      return list;
    });
    return names ?? [];
  }

  /**
   * TBSCertificate without one extension, byte for byte otherwise: what a certificate log signs (RFC 6962 §3.2).
   *
   * @param oid dotted; when the certificate does not have it the TBS is returned as it is
   */
  tbsWithoutExtension(oid: string): Uint8Array {
    const removed = this.#find(oid);
    const [first, last] = [this.#extensions[0], this.#extensions.at(-1)];
    if (removed === undefined || first === undefined || last === undefined) return this.tbs;
    // Extensions are the last field (RFC 5280 §4.1), so everything before them is one range, and so is what is kept.
    const fields = this.#lastField - this.#firstField;
    const kept = last.end - first.start - (removed.end - removed.start);
    const list = kept === 0 ? 0 : headerLength(kept) + kept;
    const content = fields + (kept === 0 ? 0 : headerLength(list) + list);
    const tbs = allocate(headerLength(content) + content);
    const put = (from: number, to: number, at: number): number => {
      tbs.set(this.bytes.subarray(from, to), at);
      return at + to - from;
    };
    let at = put(this.#firstField, this.#lastField, writeHeader(tbs, 0, tags.sequence, content));
    if (kept === 0) return tbs;
    at = writeHeader(tbs, writeHeader(tbs, at, 0xa3, list), tags.sequence, kept);
    put(removed.end, last.end, put(first.start, removed.start, at));
    return tbs;
  }

  #read<Value>(oid: string, read: (reader: DerReader) => Value): Value | undefined {
    const extension = this.#find(oid);
    if (extension === undefined) return undefined;
    try {
      return read(readDer(this.bytes, extension.oid, extension.valueStart, extension.end));
    } catch (cause) {
      if (cause instanceof SignetError && cause.code === 'ERR_CERT_FORMAT') throw cause;
      throw malformed(`extension ${oid} is malformed`, cause);
    }
  }
}

function incomplete(): SignetError {
  return malformed('expected TBSCertificate, algorithm and signature');
}

/** Goes on to a field that must be there. */
function field(reader: DerReader): DerReader {
  if (!reader.next()) throw malformed('TBSCertificate lacks fields');
  return reader;
}

function name(reader: DerReader): Uint8Array {
  return reader.node().expect(tags.sequence).bytes;
}

function time(reader: DerReader): Date {
  if (!reader.next()) throw malformed('validity is not two times');
  return reader.node().time();
}

function isVersion3({ source, start, end }: DerReader): boolean {
  return (
    end - start === 5 &&
    source[start] === 0xa0 &&
    source[start + 2] === tags.integer &&
    source[start + 3] === 1 &&
    source[start + 4] === 2
  );
}

function isSame(bytes: Uint8Array, start: number, end: number, otherStart: number, otherEnd: number): boolean {
  if (end - start !== otherEnd - otherStart) return false;
  for (let at = start; at < end; at++) if (bytes[at] !== bytes[otherStart - start + at]) return false;
  return true;
}

/** The fields behind the key. [1] and [2] are the unique identifiers, which RFC 5280 §4.1.2.8 forbids to conforming authorities. */
function readTail(reader: DerReader, bytes: Uint8Array): { extensions: readonly ExtensionRange[]; start: number } {
  let last = 0xa0;
  while (reader.next()) {
    const { tag, start } = reader;
    if (tag !== 0xa3 && tag !== 0x81 && tag !== 0x82) throw malformed('TBSCertificate has unknown fields');
    if ((tag & 0x1f) <= (last & 0x1f)) throw malformed('fields of TBSCertificate are out of order');
    last = tag;
    if (tag !== 0xa3) continue;
    const extensions = readExtensions(reader, new CertificateBytes(bytes));
    if (!reader.isAtEnd) throw malformed('fields of TBSCertificate are out of order');
    return { extensions, start };
  }
  return { extensions: [], start: 0 };
}

function readGeneralName(reader: DerReader): GeneralName {
  const { tag } = reader;
  switch (tag) {
    case 0x81:
      return { type: 'email', value: nameText(reader) };
    case 0x82:
      return { type: 'dns', value: nameText(reader) };
    case 0x86:
      return { type: 'uri', value: nameText(reader) };
    case 0xa0: {
      const [type, value, ...rest] = reader.node().children();
      if (type === undefined || value?.tag !== 0xa0 || rest.length > 0) throw malformed('an otherName is malformed');
      const [text, ...extra] = value.children();
      if (text === undefined || extra.length > 0) throw malformed('an otherName is malformed');
      const oid = type.oid();
      if (text.tag !== tags.utf8String) return { type: 'unsupported', value: '', oid };
      return { type: 'otherName', value: fromUtf8(text.content, 'otherName'), oid };
    }
    default:
      return { type: 'unsupported', value: '' };
  }
}

/** IA5String by RFC 5280; Fulcio's names can be UTF-8, so that much is accepted, and no control characters. */
function nameText({ source, contentStart, end }: DerReader): string {
  for (let at = contentStart; at < end; at++) {
    const byte = source[at] ?? 0;
    if (byte < 0x20 || byte === 0x7f) throw malformed('a subject alternative name has control characters');
  }
  return fromUtf8(source.subarray(contentStart, end), 'name');
}
