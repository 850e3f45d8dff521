import { fromUtf8 } from './bytes.ts';
import { SignetError } from './errors.ts';

/** Identifier octets of the universal types that this project reads (X.690 §8.1.2). */
export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

const constructedBit = 0x20;
const maximumChildren = 4096;
const maximumIntegerBytes = 2048;
const maximumOidBytes = 128;

function malformed(what: string, problem: string): SignetError {
  return new SignetError('ERR_DER', `${what} is not strict DER: ${problem} (X.690 §10)`);
}

/** Where the contents of the TLV at `start` begin, behind a tag and a length that are found to be strict. */
function contentStartAt(source: Uint8Array, start: number, limit: number, what: string): number {
  if (limit - start < 2) throw malformed(what, 'it is cut off');
  if (((source[start] ?? 0) & 0x1f) === 0x1f) throw malformed(what, 'a tag number above 30 is not expected');
  const first = source[start + 1] ?? 0;
  if (first < 0x80) return start + 2;
  if (first === 0x80) throw malformed(what, 'a length is indefinite');
  const count = first & 0x7f;
  if (count > 4) throw malformed(what, 'a length has more than four octets');
  if (start + 2 + count > limit) throw malformed(what, 'it is cut off');
  const highest = source[start + 2] ?? 0;
  if (highest === 0 || (count === 1 && highest < 0x80)) throw malformed(what, 'a length is not minimal');
  return start + 2 + count;
}

/** Where they end, at or before `limit`. */
function contentEndAt(source: Uint8Array, start: number, contentStart: number, limit: number, what: string): number {
  let length = source[start + 1] ?? 0;
  if (contentStart > start + 2) {
    length = 0;
    for (let at = start + 2; at < contentStart; at++) length = length * 256 + (source[at] ?? 0);
  }
  if (contentStart + length > limit) throw malformed(what, 'it is cut off');
  return contentStart + length;
}

/**
 * One tag-length-value, as a range over the bytes it was read from. Nothing is copied and nothing is ever encoded
 * again: what was signed is what is hashed (ARCHITECTURE, decision 3).
 */
export class DerNode {
  /** Identifier octet: class, constructed bit and tag number below 31. */
  readonly tag: number;
  readonly #source: Uint8Array;
  readonly #start: number;
  readonly #contentStart: number;
  readonly #end: number;
  readonly #what: string;
  #children: readonly DerNode[] | undefined;

  /** Reads the TLV that starts at `start` and must end at or before `limit`. */
  constructor(source: Uint8Array, start: number, limit: number, what: string) {
    this.tag = source[start] ?? 0;
    this.#source = source;
    this.#start = start;
    this.#contentStart = contentStartAt(source, start, limit, what);
    this.#end = contentEndAt(source, start, this.#contentStart, limit, what);
    this.#what = what;
  }

  /** The whole TLV. */
  get bytes(): Uint8Array {
    return this.#source.subarray(this.#start, this.#end);
  }

  /** The contents octets alone. */
  get content(): Uint8Array {
    return this.#source.subarray(this.#contentStart, this.#end);
  }

  /** Number of bytes of the whole TLV. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** The TLVs inside a constructed one. */
  children(): readonly DerNode[] {
    if (this.#children !== undefined) return this.#children;
    if ((this.tag & constructedBit) === 0) throw malformed(this.#what, `tag 0x${this.tag.toString(16)} has no parts`);
    const children: DerNode[] = [];
    let offset = this.#contentStart;
    while (offset < this.#end) {
      if (children.length >= maximumChildren) {
        throw new SignetError('ERR_INPUT_TOO_LARGE', `${this.#what} has more than ${maximumChildren} parts`);
      }
      const child = new DerNode(this.#source, offset, this.#end, this.#what);
      children.push(child);
      offset = child.#end;
    }
    this.#children = children;
    return children;
  }

  /** This node, when its identifier octet is `tag`. */
  expect(tag: number, what = this.#what): this {
    if (this.tag !== tag) {
      throw new SignetError(
        'ERR_DER',
        `${what}: expected DER tag 0x${tag.toString(16)}, found 0x${this.tag.toString(16)}`,
        { expected: `0x${tag.toString(16)}`, found: `0x${this.tag.toString(16)}` },
      );
    }
    return this;
  }

  /** The parts of a SEQUENCE. */
  sequence(): readonly DerNode[] {
    return this.expect(tags.sequence).children();
  }

  /** Contents of an INTEGER in two's complement, minimal (X.690 §8.3.2). */
  integerBytes(): Uint8Array {
    const { content } = this.expect(tags.integer);
    return this.#minimalInteger(content);
  }

  integer(): bigint {
    const content = this.integerBytes();
    const unsigned = BigInt(`0x${Buffer.from(content).toString('hex')}`);
    return (content[0] ?? 0) >= 0x80 ? unsigned - (1n << BigInt(8 * content.length)) : unsigned;
  }

  /** A small non-negative INTEGER or ENUMERATED as a number. */
  smallInteger(tag: number = tags.integer): number {
    const content = this.#minimalInteger(this.expect(tag).content);
    if (content.length > 4 || (content[0] ?? 0) >= 0x80) throw malformed(this.#what, 'an integer is out of range');
    let value = 0;
    for (const byte of content) value = value * 256 + byte;
    return value;
  }

  boolean(): boolean {
    const { content } = this.expect(tags.boolean);
    if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) {
      throw malformed(this.#what, 'a BOOLEAN is neither 00 nor FF');
    }
    return content[0] === 0xff;
  }

  /** A dotted object identifier. */
  oid(): string {
    this.expect(tags.oid);
    return decodeOidAt(this.#source, this.#contentStart, this.#end, this.#what);
  }

  octetString(): Uint8Array {
    return this.expect(tags.octetString).content;
  }

  /** Bytes of a BIT STRING without unused bits, as keys and signatures are. */
  bitString(): Uint8Array {
    const { content } = this.expect(tags.bitString);
    if (content[0] !== 0) throw malformed(this.#what, 'a BIT STRING has unused bits or no contents');
    return content.subarray(1);
  }

  /** A named bit list (X.690 §11.2.2): whether bit `n`, counted from the most significant, is set. */
  namedBits(): (bit: number) => boolean {
    const { content } = this.expect(tags.bitString);
    const unused = content[0];
    const last = content.at(-1) ?? 0;
    if (unused === undefined || unused > 7 || (content.length === 1 && unused !== 0)) {
      throw malformed(this.#what, 'a BIT STRING is malformed');
    }
    if (content.length > 1 && (last & ((1 << unused) - 1)) !== 0) {
      throw malformed(this.#what, 'unused bits of a BIT STRING are set');
    }
    return (bit) => ((content[1 + (bit >> 3)] ?? 0) & (0x80 >> (bit & 7))) !== 0;
  }

  /** UTCTime or GeneralizedTime as RFC 5280 §4.1.2.5 allows them: in Zulu, with seconds, without fractions. */
  time(): Date {
    const isShort = this.tag === tags.utcTime;
    if (!isShort) this.expect(tags.generalizedTime);
    const digits = isShort ? 12 : 14;
    const problem = isShort ? 'a UTCTime is malformed' : 'a GeneralizedTime is malformed';
    if (this.#end - this.#contentStart !== digits + 1 || this.#source[this.#end - 1] !== 0x5a) {
      throw malformed(this.#what, problem);
    }
    // From behind: a year of two digits is the one of 1950 to 2049 (RFC 5280 §4.1.2.5.1).
    const pair = (place: number): number => {
      const [tens, ones] = [this.#digitAt(place), this.#digitAt(place + 1)];
      if (tens < 0 || tens > 9 || ones < 0 || ones > 9) throw malformed(this.#what, problem);
      return tens * 10 + ones;
    };
    const start = digits - 12;
    const century = isShort ? (pair(0) >= 50 ? 1900 : 2000) : pair(0) * 100;
    return dateOf(
      {
        year: century + pair(start),
        month: pair(start + 2),
        day: pair(start + 4),
        hour: pair(start + 6),
        minute: pair(start + 8),
        second: pair(start + 10),
        millisecond: 0,
      },
      this.#what,
    );
  }

  /** GeneralizedTime with an optional fraction of a second, as RFC 3161 §2.4.2 allows it; cut to milliseconds. */
  timeWithFraction(): Date {
    this.expect(tags.generalizedTime);
    const match = /^(\d{14})(?:\.(\d{0,8}[1-9]))?Z$/.exec(this.#ascii());
    if (match?.[1] === undefined) throw malformed(this.#what, 'a GeneralizedTime is malformed');
    const [, digits, fraction = ''] = match;
    const part = (from: number, to: number) => Number(digits.slice(from, to));
    return dateOf(
      {
        year: part(0, 4),
        month: part(4, 6),
        day: part(6, 8),
        hour: part(8, 10),
        minute: part(10, 12),
        second: part(12, 14),
        millisecond: Number(fraction.slice(0, 3).padEnd(3, '0')),
      },
      this.#what,
    );
  }

  /** Text of a string type (UTF-8, printable, IA5 or Teletex, the last three as ASCII). */
  text(): string {
    if (this.tag === tags.utf8String) return fromUtf8(this.content, this.#what);
    if (this.tag !== tags.printableString && this.tag !== tags.ia5String && this.tag !== tags.teletexString) {
      throw malformed(this.#what, `tag 0x${this.tag.toString(16)} is not a string`);
    }
    return this.#ascii();
  }

  /** The decimal digit at this place of the contents; outside 0 to 9 where it is none. */
  #digitAt(place: number): number {
    return (this.#source[this.#contentStart + place] ?? 0) - 0x30;
  }

  #ascii(): string {
    return asciiText(this.content, this.#what);
  }

  #minimalInteger(content: Uint8Array): Uint8Array {
    const [first, second] = content;
    if (first === undefined) throw malformed(this.#what, 'an INTEGER is empty');
    if (content.length > maximumIntegerBytes) {
      throw new SignetError(
        'ERR_INPUT_TOO_LARGE',
        `${this.#what}: an INTEGER is longer than ${maximumIntegerBytes} bytes`,
      );
    }
    if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
      throw malformed(this.#what, 'an INTEGER is not minimal');
    }
    return content;
  }
}

/**
 * Goes over TLVs one after the other and holds where the present one lies, without an object for each: for structures that
 * every verification reads. As strict as {@link DerNode}.
 */
export class DerReader {
  readonly source: Uint8Array;
  readonly what: string;
  /** Identifier octet of the present TLV. */
  tag = 0;
  /** Where it begins, where its contents do, and where it ends. */
  start = 0;
  contentStart = 0;
  end = 0;
  #limit: number;

  /** @param what names the structure in errors */
  constructor(source: Uint8Array, what: string, start = 0, limit: number = source.length) {
    this.source = source;
    this.what = what;
    this.end = start;
    this.#limit = limit;
  }

  /** Whether nothing follows in what is gone through. */
  get isAtEnd(): boolean {
    return this.end === this.#limit;
  }

  /** Goes on to the next TLV. @returns false where there is none */
  next(): boolean {
    const start = this.end;
    if (start === this.#limit) return false;
    const { source, what } = this;
    this.tag = source[start] ?? 0;
    this.start = start;
    this.contentStart = contentStartAt(source, start, this.#limit, what);
    this.end = contentEndAt(source, start, this.contentStart, this.#limit, what);
    return true;
  }

  /** Goes into the present TLV, before its first part. @returns what {@link leave} takes to come out again */
  enter(): number {
    if ((this.tag & constructedBit) === 0) throw malformed(this.what, `tag 0x${this.tag.toString(16)} has no parts`);
    const limit = this.#limit;
    this.#limit = this.end;
    this.end = this.contentStart;
    return limit;
  }

  /** {@link enter} into a SEQUENCE. */
  enterSequence(): number {
    this.#expect(tags.sequence);
    return this.enter();
  }

  /** Comes out of the TLV that was entered, behind its end. */
  leave(limit: number): void {
    this.end = this.#limit;
    this.#limit = limit;
  }

  /** Goes over all parts that are left, so that they too are found to be TLVs. */
  skipRest(): void {
    while (this.next());
  }

  /** The present TLV, for whatever is to be read from more than its place. */
  node(): DerNode {
    return new DerNode(this.source, this.start, this.end, this.what);
  }

  /** The present TLV as a dotted object identifier. */
  oid(): string {
    this.#expect(tags.oid);
    return decodeOidAt(this.source, this.contentStart, this.end, this.what);
  }

  /** Bytes of a BIT STRING without unused bits. */
  bitString(): Uint8Array {
    this.#expect(tags.bitString);
    if (this.source[this.contentStart] !== 0 || this.contentStart === this.end) return this.node().bitString();
    return this.source.subarray(this.contentStart + 1, this.end);
  }

  #expect(tag: number): void {
    if (this.tag !== tag) this.node().expect(tag);
  }
}

/**
 * A reader of strict DER (X.690 §10), at the only TLV from `start` up to `end`.
 *
 * @throws ERR_DER
 */
export function readDer(source: Uint8Array, what: string, start = 0, end: number = source.length): DerReader {
  const reader = new DerReader(source, what, start, end);
  if (!reader.next()) throw malformed(what, 'it is cut off');
  if (!reader.isAtEnd) throw malformed(what, `${end - reader.end} bytes follow its end`);
  return reader;
}

/** Text of bytes below 0x80, as in IA5String and in the raw values of Fulcio's first extensions. */
export function asciiText(bytes: Uint8Array, what: string): string {
  for (const byte of bytes) {
    if (byte > 0x7f) throw malformed(what, 'a character is not ASCII');
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/**
 * Reads strict DER (X.690 §10): definite and minimal lengths, nothing after the value.
 *
 * @param bytes one TLV, exactly
 * @param what names the structure in errors
 * @throws ERR_DER, ERR_INPUT_TOO_LARGE; parts are checked when they are read
 */
export function parseDer(bytes: Uint8Array, what = 'value'): DerNode {
  const node = new DerNode(bytes, 0, bytes.length, what);
  if (node.length !== bytes.length) throw malformed(what, `${bytes.length - node.length} bytes follow its end`);
  return node;
}

/**
 * The few identifiers of this field come by in every certificate; they are recognised by a checksum and then compared.
 * Bounded, because hostile ones come by too.
 */
const knownOids = new Map<number, { readonly octets: Uint8Array; readonly dotted: string }>();
const maximumKnownOids = 1024;

/** Reads the contents octets of an OBJECT IDENTIFIER. */
export function decodeOid(content: Uint8Array, what = 'object identifier'): string {
  return decodeOidAt(content, 0, content.length, what);
}

function decodeOidAt(source: Uint8Array, start: number, end: number, what: string): string {
  let checksum = end - start;
  for (let at = start; at < end && at < start + maximumOidBytes; at++) {
    checksum = (Math.imul(checksum, 31) + (source[at] ?? 0)) | 0;
  }
  const known = knownOids.get(checksum);
  if (known !== undefined && isAt(known.octets, source, start, end)) return known.dotted;
  const octets = source.slice(start, end);
  const dotted = asName(decodeArcs(octets, what));
  if (knownOids.size >= maximumKnownOids) knownOids.clear();
  knownOids.set(checksum, { octets, dotted });
  return dotted;
}

/** The same text as V8 keeps names of properties: one is compared with another by its place in memory. */
function asName(text: string): string {
  return Object.keys({ [text]: true })[0] ?? text;
}

function isAt(octets: Uint8Array, source: Uint8Array, start: number, end: number): boolean {
  if (octets.length !== end - start) return false;
  for (let at = start; at < end; at++) if (octets[at - start] !== source[at]) return false;
  return true;
}

function decodeArcs(content: Uint8Array, what: string): string {
  if (content.length === 0 || content.length > maximumOidBytes || (content.at(-1) ?? 0) >= 0x80) {
    throw malformed(what, 'an OBJECT IDENTIFIER is malformed');
  }
  const arcs: string[] = [];
  let value = 0n;
  let starts = true;
  for (const byte of content) {
    if (starts && byte === 0x80) throw malformed(what, 'an OBJECT IDENTIFIER is not minimal');
    value = (value << 7n) | BigInt(byte & 0x7f);
    starts = byte < 0x80;
    if (!starts) continue;
    if (arcs.length === 0) {
      const first = value < 40n ? 0n : value < 80n ? 1n : 2n;
      arcs.push(String(first), String(value - first * 40n));
    } else {
      arcs.push(String(value));
    }
    value = 0n;
  }
  return arcs.join('.');
}

interface TimeFields {
  readonly year: number;
  /** From 1. */
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly millisecond: number;
}

function dateOf(fields: TimeFields, what: string): Date {
  const { year, month, day, hour, minute, second, millisecond } = fields;
  if (month < 1 || month > 12 || day < 1 || day > daysOf(month, year) || hour > 23 || minute > 59 || second > 59) {
    const shown = [year, month, day, hour, minute, second].join(' ');
    throw malformed(what, `the time ${shown} does not exist`);
  }
  const time = Date.UTC(year, month - 1, day, hour, minute, second, millisecond);
  // Date.UTC takes the first hundred years for those of the twentieth century.
  return year > 99 ? new Date(time) : new Date(new Date(time).setUTCFullYear(year, month - 1, day));
}

function daysOf(month: number, year: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}
