import { allocate, compareBytes, concat, utf8 } from './bytes.ts';
import { tags } from './der.ts';
import { SignetError } from './errors.ts';

/** Bytes of tag and length before contents of this length (X.690 §8.1.3). */
export function headerLength(length: number): number {
  if (length < 0x80) return 2;
  let octets = 1;
  for (let rest = length; rest > 0xff; rest = Math.floor(rest / 256)) octets++;
  return 2 + octets;
}

/** Writes tag and length. @returns where the contents begin */
export function writeHeader(target: Uint8Array, at: number, tag: number, length: number): number {
  target[at] = tag;
  const contents = at + headerLength(length);
  if (length < 0x80) {
    target[at + 1] = length;
    return contents;
  }
  target[at + 1] = 0x80 | (contents - at - 2);
  let rest = length;
  for (let place = contents - 1; place > at + 1; place--) {
    target[place] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return contents;
}

function tlv(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = allocate(headerLength(length) + length);
  let offset = writeHeader(whole, 0, tag, length);
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Two's complement, minimal; bytes are taken as an unsigned big-endian number. */
function integerContent(value: bigint | number | Uint8Array): Uint8Array {
  if (value instanceof Uint8Array) {
    let start = 0;
    while (start < value.length - 1 && value[start] === 0) start++;
    const magnitude = value.subarray(start);
    if (magnitude.length === 0) return new Uint8Array([0]);
    return (magnitude[0] ?? 0) >= 0x80 ? concat(new Uint8Array([0]), magnitude) : magnitude;
  }
  const number = BigInt(value);
  if (number < 0n) throw new SignetError('ERR_DER', 'negative integers are not written');
  const hex = number.toString(16);
  return integerContent(new Uint8Array(Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')));
}

function oidContent(dotted: string): Uint8Array {
  const arcs = dotted.split('.').map((arc) => BigInt(arc));
  const [first, second, ...rest] = arcs;
  if (first === undefined || second === undefined) throw new SignetError('ERR_DER', `${dotted} is not a dotted OID`);
  const octets: number[] = [];
  for (const arc of [first * 40n + second, ...rest]) {
    const group: number[] = [Number(arc & 0x7fn)];
    for (let value = arc >> 7n; value > 0n; value >>= 7n) group.unshift(Number(value & 0x7fn) | 0x80);
    octets.push(...group);
  }
  return new Uint8Array(octets);
}

const digits = (value: number, width = 2) => String(value).padStart(width, '0');

function timeText(date: Date, withCentury: boolean): string {
  const year = date.getUTCFullYear();
  return [
    withCentury ? digits(year, 4) : digits(year % 100),
    digits(date.getUTCMonth() + 1),
    digits(date.getUTCDate()),
    digits(date.getUTCHours()),
    digits(date.getUTCMinutes()),
    digits(date.getUTCSeconds()),
    'Z',
  ].join('');
}

const oidCache = new Map<string, Uint8Array>();

/** Writes DER (X.690 §10). Each function returns one whole TLV. */
export const der = {
  tlv,
  sequence: (...parts: readonly Uint8Array[]) => tlv(tags.sequence, ...parts),
  set: (...parts: readonly Uint8Array[]) => tlv(tags.set, ...parts),
  /** SET OF: the parts in ascending order of their encodings (X.690 §11.6). */
  setOf: (parts: readonly Uint8Array[]) => tlv(tags.set, ...[...parts].sort(compareBytes)),
  /** Bytes are an unsigned big-endian number. */
  integer: (value: bigint | number | Uint8Array) => tlv(tags.integer, integerContent(value)),
  enumerated: (value: number) => tlv(tags.enumerated, integerContent(value)),
  oid(dotted: string): Uint8Array {
    let encoded = oidCache.get(dotted);
    if (encoded === undefined) {
      encoded = tlv(tags.oid, oidContent(dotted));
      if (oidCache.size < 512) oidCache.set(dotted, encoded);
    }
    return encoded;
  },
  octetString: (...parts: readonly Uint8Array[]) => tlv(tags.octetString, ...parts),
  bitString: (bytes: Uint8Array, unusedBits = 0) => tlv(tags.bitString, new Uint8Array([unusedBits]), bytes),
  /** A named bit list: the numbers of the bits that are set, without trailing zero bits (X.690 §11.2.2). */
  namedBits(...set: readonly number[]): Uint8Array {
    if (set.length === 0) return tlv(tags.bitString, new Uint8Array([0]));
    const highest = Math.max(...set);
    const bytes = new Uint8Array((highest >> 3) + 1);
    for (const bit of set) bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
    return tlv(tags.bitString, new Uint8Array([7 - (highest & 7)]), bytes);
  },
  boolean: (value: boolean) => tlv(tags.boolean, new Uint8Array([value ? 0xff : 0])),
  null: () => tlv(tags.null),
  utf8String: (text: string) => tlv(tags.utf8String, utf8(text)),
  printableString: (text: string) => tlv(tags.printableString, utf8(text)),
  ia5String: (text: string) => tlv(tags.ia5String, utf8(text)),
  /** UTCTime through 2049, GeneralizedTime from 2050 (RFC 5280 §4.1.2.5); whole seconds. */
  time(date: Date): Uint8Array {
    const year = date.getUTCFullYear();
    if (year >= 1950 && year < 2050) return tlv(tags.utcTime, utf8(timeText(date, false)));
    return tlv(tags.generalizedTime, utf8(timeText(date, true)));
  },
  /** GeneralizedTime in whole seconds. */
  generalizedTime: (date: Date) => tlv(tags.generalizedTime, utf8(timeText(date, true))),
  /** Constructed context-specific tag `[number]`. */
  context: (number: number, ...parts: readonly Uint8Array[]) => tlv(0xa0 | number, ...parts),
  /** Primitive context-specific tag `[number]`. */
  contextPrimitive: (number: number, bytes: Uint8Array) => tlv(0x80 | number, bytes),
} as const;
