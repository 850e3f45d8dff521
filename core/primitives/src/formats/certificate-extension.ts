import { type DerReader, tags } from './der.ts';
import { SignetError } from './errors.ts';

/** An extension of a certificate (RFC 5280 §4.1.2.9). */
export interface CertificateExtension {
  /** Dotted. */
  readonly oid: string;
  readonly critical: boolean;
  /** Contents of the extnValue OCTET STRING. */
  readonly value: Uint8Array;
  /** Text of the value, where all of it is ASCII. */
  ascii(): string | undefined;
  /** Text of the value, where it is one UTF8String of fewer than 128 bytes, all of them ASCII. */
  shortText(): string | undefined;
}

const maximumExtensions = 64;

/** An error of certificates; all who read them use this one. */
export function certificateError(problem: string, cause?: unknown): SignetError {
  return new SignetError('ERR_CERT_FORMAT', `certificate: ${problem} (RFC 5280 §4.1)`, { cause });
}

/** A certificate's bytes and, once somebody asks, one text of them all, of which what stands in it is cut. */
export class CertificateBytes {
  readonly bytes: Uint8Array;
  #latin1: string | undefined;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** Text of the bytes from `start` up to `end`, where all of it is ASCII. */
  ascii(start: number, end: number): string | undefined {
    const { bytes } = this;
    for (let at = start; at < end; at++) if ((bytes[at] ?? 0x80) > 0x7f) return undefined;
    const text = this.#latin1 ?? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
    this.#latin1 = text;
    return text.slice(start, end);
  }
}

/** An extension as a range over the certificate that it stands in. */
export class ExtensionRange implements CertificateExtension {
  readonly oid: string;
  readonly critical: boolean;
  /** Where the whole Extension begins, where the contents of extnValue do, and where both end. */
  readonly start: number;
  readonly valueStart: number;
  readonly end: number;
  readonly #certificate: CertificateBytes;

  /** @param reader at the Extension */
  constructor(reader: DerReader, certificate: CertificateBytes) {
    this.start = reader.start;
    const outer = reader.enterSequence();
    if (!reader.next()) throw incomplete();
    this.oid = reader.oid();
    if (!reader.next()) throw incomplete();
    this.critical = reader.tag === tags.boolean;
    if (this.critical) {
      // DEFAULT FALSE is not encoded in DER (X.690 §11.5).
      if (!reader.node().boolean()) throw certificateError('an extension encodes the default of critical');
      if (!reader.next()) throw incomplete();
    }
    if (reader.tag !== tags.octetString) reader.node().expect(tags.octetString);
    this.valueStart = reader.contentStart;
    this.end = reader.end;
    if (!reader.isAtEnd) throw incomplete();
    reader.leave(outer);
    this.#certificate = certificate;
  }

  get value(): Uint8Array {
    return this.#certificate.bytes.subarray(this.valueStart, this.end);
  }

  ascii(): string | undefined {
    return this.#certificate.ascii(this.valueStart, this.end);
  }

  shortText(): string | undefined {
    const { bytes } = this.#certificate;
    const textStart = this.valueStart + 2;
    const length = bytes[textStart - 1] ?? 0x80;
    return bytes[this.valueStart] === tags.utf8String && length < 0x80 && textStart + length === this.end
      ? this.#certificate.ascii(textStart, this.end)
      : undefined;
  }
}

function incomplete(): SignetError {
  return certificateError('an extension is not OID, critical and value');
}

/**
 * Reads the field `extensions`.
 *
 * @param reader at the field, whose tag is [3]
 */
export function readExtensions(reader: DerReader, certificate: CertificateBytes): readonly ExtensionRange[] {
  const outer = reader.enter();
  if (!reader.next() || !reader.isAtEnd) throw certificateError('extensions are not one SEQUENCE');
  const list = reader.enterSequence();
  const extensions: ExtensionRange[] = [];
  while (reader.next()) {
    if (extensions.length === maximumExtensions) {
      throw certificateError(`it has more than ${maximumExtensions} extensions`);
    }
    const extension = new ExtensionRange(reader, certificate);
    for (const { oid } of extensions) {
      // RFC 5280 §4.2: no extension twice.
      if (oid === extension.oid) throw certificateError(`extension ${oid} stands twice`);
    }
    extensions.push(extension);
  }
  if (extensions.length === 0) throw certificateError('it has no extensions, but the field for them');
  reader.leave(list);
  reader.leave(outer);
  return extensions;
}
