import { fromUtf8 } from './bytes.ts';
import { asciiText, type DerNode, parseDer, tags } from './der.ts';
import { der } from './der-writer.ts';
import { SignetError } from './errors.ts';
import { oids } from './oids.ts';
import { parsePem, toPem } from './pem.ts';
import { type PublicKeyInfo, parsePublicKeyInfo } from './public-key.ts';

/** Tag numbers of GeneralName (RFC 5280 §4.2.1.6) by the names used here. */
export interface GeneralName {
  readonly type: 'email' | 'dns' | 'uri' | 'otherName' | 'unsupported';
  /** Text of the name; for `otherName` that of its UTF8String, empty for names of an unsupported kind. */
  readonly value: string;
  /** The type of an `otherName`, dotted. */
  readonly oid?: string;
}

export interface CertificateExtension {
  readonly oid: string;
  readonly critical: boolean;
  /** Contents of the extnValue OCTET STRING. */
  readonly value: Uint8Array;
  /** The whole Extension. */
  readonly node: DerNode;
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
const maximumExtensions = 64;

function malformed(problem: string, cause?: unknown): SignetError {
  return new SignetError('ERR_CERT_FORMAT', `certificate: ${problem} (RFC 5280 §4.1)`, { cause });
}

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
  /** By dotted OID, in the order of the certificate. */
  readonly extensions: ReadonlyMap<string, CertificateExtension>;
  readonly #tbsParts: readonly DerNode[];

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
    const [tbs, algorithm, signature, ...rest] = parseDer(bytes, 'certificate').sequence();
    if (tbs === undefined || algorithm === undefined || signature === undefined || rest.length > 0) {
      throw malformed('expected TBSCertificate, algorithm and signature');
    }
    const parts = tbs.sequence();
    const [version, serial, innerAlgorithm, issuer, validity, subject, spki, ...tail] = parts;
    if (version?.tag !== 0xa0 || version.children()[0]?.smallInteger() !== 2) throw malformed('version is not v3');
    if (
      serial === undefined ||
      innerAlgorithm === undefined ||
      issuer === undefined ||
      validity === undefined ||
      subject === undefined ||
      spki === undefined
    ) {
      throw malformed('TBSCertificate lacks fields');
    }
    // RFC 5280 §4.1.1.2: both must be the same, or the signature's meaning could be changed from outside.
    if (Buffer.compare(innerAlgorithm.bytes, algorithm.bytes) !== 0) {
      throw malformed('the algorithm outside differs from the signed one');
    }
    const [notBefore, notAfter, ...extraTimes] = validity.sequence();
    if (notBefore === undefined || notAfter === undefined || extraTimes.length > 0) {
      throw malformed('validity is not two times');
    }

    this.bytes = bytes;
    this.tbs = tbs.bytes;
    this.serialNumber = serial.integerBytes();
    this.issuer = issuer.expect(tags.sequence).bytes;
    this.subject = subject.expect(tags.sequence).bytes;
    this.notBefore = notBefore.time();
    this.notAfter = notAfter.time();
    this.publicKey = parsePublicKeyInfo(spki.bytes);
    this.signatureAlgorithm = algorithm.sequence()[0]?.oid() ?? '';
    this.signature = signature.bitString();
    this.extensions = readExtensions(tail);
    this.#tbsParts = parts;
  }

  get pem(): string {
    return toPem('CERTIFICATE', this.bytes);
  }

  /** Whether `time` lies within the validity period, both ends included (RFC 5280 §4.1.2.5). */
  isValidAt(time: Date): boolean {
    return this.notBefore <= time && time <= this.notAfter;
  }

  /** Whether subject and issuer are the same name. */
  get isSelfIssued(): boolean {
    return Buffer.compare(this.subject, this.issuer) === 0;
  }

  get keyUsage(): KeyUsage | undefined {
    return this.#read(oids.keyUsage, (node) => {
      const bit = node.namedBits();
      return { digitalSignature: bit(0), keyCertSign: bit(5), cRLSign: bit(6) };
    });
  }

  /** Dotted OIDs of the purposes, when the extension is there. */
  get extendedKeyUsage(): readonly string[] | undefined {
    return this.#read(oids.extendedKeyUsage, (node) => node.sequence().map((purpose) => purpose.oid()));
  }

  get basicConstraints(): BasicConstraints | undefined {
    return this.#read(oids.basicConstraints, (node) => {
      const parts = [...node.sequence()];
      const ca = parts[0]?.tag === tags.boolean ? (parts.shift()?.boolean() ?? false) : false;
      const pathLength = parts.shift()?.smallInteger();
      if (parts.length > 0) throw malformed('BasicConstraints has unknown fields');
      return pathLength === undefined ? { ca } : { ca, pathLength };
    });
  }

  get subjectKeyId(): Uint8Array | undefined {
    return this.#read(oids.subjectKeyIdentifier, (node) => node.octetString());
  }

  /** The keyIdentifier field of AuthorityKeyIdentifier, when it is there. */
  get authorityKeyId(): Uint8Array | undefined {
    return this.#read(
      oids.authorityKeyIdentifier,
      (node) => node.sequence().find((part) => part.tag === 0x80)?.content,
    );
  }

  get subjectAlternativeNames(): readonly GeneralName[] {
    return this.#read(oids.subjectAlternativeName, (node) => node.sequence().map(readGeneralName)) ?? [];
  }

  /**
   * TBSCertificate without one extension, byte for byte otherwise: what a certificate log signs (RFC 6962 §3.2).
   *
   * @param oid dotted; when the certificate does not have it the TBS is returned as it is
   */
  tbsWithoutExtension(oid: string): Uint8Array {
    // Extensions are the last field (RFC 5280 §4.1), so everything before them is one range, and so is what is kept.
    const field = this.#tbsParts.at(-1);
    const list = field?.tag === 0xa3 ? field.children()[0] : undefined;
    const removed = this.extensions.get(oid)?.node.bytes;
    const first = this.#tbsParts[0]?.bytes;
    if (field === undefined || list === undefined || removed === undefined || first === undefined) return this.tbs;
    const kept = list.content;
    const start = removed.byteOffset - kept.byteOffset;
    const [before, after] = [kept.subarray(0, start), kept.subarray(start + removed.length)];
    const others = this.tbs.subarray(
      first.byteOffset - this.tbs.byteOffset,
      field.bytes.byteOffset - this.tbs.byteOffset,
    );
    return removed.length === kept.length
      ? der.sequence(others)
      : der.sequence(others, der.context(3, der.sequence(before, after)));
  }

  #read<Value>(oid: string, read: (node: DerNode) => Value): Value | undefined {
    const extension = this.extensions.get(oid);
    if (extension === undefined) return undefined;
    try {
      return read(parseDer(extension.value, `certificate extension ${oid}`));
    } catch (cause) {
      if (cause instanceof SignetError && cause.code === 'ERR_CERT_FORMAT') throw cause;
      throw malformed(`extension ${oid} is malformed`, cause);
    }
  }
}

function readExtensions(tail: readonly DerNode[]): ReadonlyMap<string, CertificateExtension> {
  const extensions = new Map<string, CertificateExtension>();
  let last = 0xa0;
  for (const part of tail) {
    // [1] and [2] are the unique identifiers, which RFC 5280 §4.1.2.8 forbids to conforming authorities.
    if (part.tag !== 0xa3 && part.tag !== 0x81 && part.tag !== 0x82)
      throw malformed('TBSCertificate has unknown fields');
    if ((part.tag & 0x1f) <= (last & 0x1f)) throw malformed('fields of TBSCertificate are out of order');
    last = part.tag;
    if (part.tag !== 0xa3) continue;
    const [list, ...more] = part.children();
    if (list === undefined || more.length > 0) throw malformed('extensions are not one SEQUENCE');
    const nodes = list.sequence();
    if (nodes.length === 0 || nodes.length > maximumExtensions) {
      throw malformed(`it has ${nodes.length} extensions, expected 1 to ${maximumExtensions}`);
    }
    for (const node of nodes) {
      const extension = readExtension(node);
      // RFC 5280 §4.2: no extension twice.
      if (extensions.has(extension.oid)) throw malformed(`extension ${extension.oid} stands twice`);
      extensions.set(extension.oid, extension);
    }
  }
  return extensions;
}

function readExtension(node: DerNode): CertificateExtension {
  const parts = node.sequence();
  const [oid, second, third] = parts;
  const hasCritical = second?.tag === tags.boolean;
  const value = hasCritical ? third : second;
  if (oid === undefined || value === undefined || parts.length !== (hasCritical ? 3 : 2)) {
    throw malformed('an extension is not OID, critical and value');
  }
  const critical = hasCritical && second.boolean();
  // DEFAULT FALSE is not encoded in DER (X.690 §11.5).
  if (hasCritical && !critical) throw malformed('an extension encodes the default of critical');
  return { oid: oid.oid(), critical, value: value.octetString(), node };
}

function readGeneralName(node: DerNode): GeneralName {
  switch (node.tag) {
    case 0x81:
      return { type: 'email', value: nameText(node.content) };
    case 0x82:
      return { type: 'dns', value: nameText(node.content) };
    case 0x86:
      return { type: 'uri', value: nameText(node.content) };
    case 0xa0: {
      const [type, value, ...rest] = node.children();
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
function nameText(content: Uint8Array): string {
  const text = content.every((byte) => byte < 0x80) ? asciiText(content, 'name') : fromUtf8(content, 'name');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused
  if (/[\u0000-\u001f\u007f]/.test(text)) throw malformed('a subject alternative name has control characters');
  return text;
}
