import { isAscii } from 'node:buffer';
import { SignetError } from './errors.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Lower-case hexadecimal of `bytes`. */
export function toHex(bytes: Uint8Array): string {
  return view(bytes).toString('hex');
}

/**
 * Bytes of a hexadecimal string, either case.
 *
 * @param what names the value in the error
 * @throws ERR_ENCODING when the text has an odd length or another character
 */
export function fromHex(text: string, what = 'value'): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) {
    throw new SignetError('ERR_ENCODING', `${what} is not hexadecimal with an even number of digits`);
  }
  return new Uint8Array(Buffer.from(text, 'hex'));
}

/** Standard padded base64 (RFC 4648 §4) of `bytes`. */
export function toBase64(bytes: Uint8Array): string {
  return view(bytes).toString('base64');
}

/**
 * Bytes of standard base64: padded, without white space, and canonical, so that one value has one encoding
 * (RFC 4648 §3.5).
 *
 * @param what names the value in the error
 * @throws ERR_ENCODING
 */
export function fromBase64(text: string, what = 'value'): Uint8Array {
  const bytes = decodeBase64(text);
  if (bytes === undefined) {
    throw new SignetError('ERR_ENCODING', `${what} is not canonical padded base64 (RFC 4648 §4)`);
  }
  return bytes;
}

/** {@link fromBase64} for who has an error of their own. @returns undefined for what is not canonical */
export function decodeBase64(text: string): Uint8Array | undefined {
  return text.length <= shortBase64 ? decodeShort(text) : decodeLong(text, text.length);
}

/** Hashes and the like; so few bytes lie in V8's own heap, and so few letters are decoded before Node is called. */
const shortBase64 = 84;

function decodeShort(text: string): Uint8Array | undefined {
  const { length } = text;
  if (length === 0) return new Uint8Array(0);
  if (length % 4 !== 0) return undefined;
  const padding = text.charCodeAt(length - 1) !== 0x3d ? 0 : text.charCodeAt(length - 2) !== 0x3d ? 1 : 2;
  const bytes = new Uint8Array((length / 4) * 3 - padding);
  // Negative as soon as one letter is none.
  let all = 0;
  let to = 0;
  for (let at = 0; at < length - 4; at += 4) {
    const group =
      (sextet(text, at) << 18) | (sextet(text, at + 1) << 12) | (sextet(text, at + 2) << 6) | sextet(text, at + 3);
    all |= group;
    bytes[to] = group >> 16;
    bytes[to + 1] = group >> 8;
    bytes[to + 2] = group;
    to += 3;
  }
  const [third, fourth] = [padding === 2 ? 0 : sextet(text, length - 2), padding > 0 ? 0 : sextet(text, length - 1)];
  const group = (sextet(text, length - 4) << 18) | (sextet(text, length - 3) << 12) | (third << 6) | fourth;
  // Bits that belong to no byte must be 0 (RFC 4648 §3.5).
  const unused = padding === 0 ? 0 : group & (padding === 1 ? 0xff : 0xffff);
  if ((all | group) < 0 || unused !== 0) return undefined;
  bytes[to] = group >> 16;
  if (padding < 2) bytes[to + 1] = group >> 8;
  if (padding < 1) bytes[to + 2] = group;
  return bytes;
}

/** The value of a letter; for whatever is none −1, which stays negative wherever it is moved. */
function sextet(text: string, at: number): number {
  return sextets[text.charCodeAt(at)] ?? -1;
}

const sextets = new Int8Array(0x80).fill(-1);
for (const [value, letter] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].entries()) {
  sextets[letter.charCodeAt(0)] = value;
}

/** @param letters how many of the characters are no line breaks */
function decodeLong(text: string, letters: number): Uint8Array | undefined {
  const most = Math.floor((text.length * 3) / 4) + 3;
  const chunk = chunkFor(most);
  if (chunk === undefined) {
    const bytes = Buffer.from(text, 'base64');
    if (!isCanonicalBase64(text, bytes.length, letters)) return undefined;
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  const length = chunk.bytes.write(text, chunk.used, 'base64');
  return isCanonicalBase64(text, length, letters) ? take(chunk, length) : undefined;
}

/**
 * Bytes of canonical base64 in lines of 64 characters, of which only the last may be shorter (RFC 7468 §3).
 *
 * @returns undefined for everything else
 */
export function fromBase64Lines(text: string): Uint8Array | undefined {
  let breaks = 0;
  for (let at = 64; at < text.length; at += 65) {
    if (text.charCodeAt(at) !== 0x0a) return undefined;
    breaks++;
  }
  // The decoder skips line breaks; one more than these makes too few bytes.
  return decodeLong(text, text.length - breaks);
}

/**
 * Node's decoder skips characters that it does not know and stops at the first padding, so the number of bytes tells
 * whether it did. What it takes besides are the two letters of base64url and bits that the last letter has too many.
 */
function isCanonicalBase64(text: string, decodedLength: number, letters: number): boolean {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  if (letters % 4 !== 0 || decodedLength !== (letters / 4) * 3 - padding) return false;
  if (text.includes('-') || text.includes('_')) return false;
  if (padding === 0) return true;
  const last = text.charAt(text.length - 1 - padding);
  return padding === 2 ? 'AQgw'.includes(last) : 'AEIMQUYcgkosw048'.includes(last);
}

/** UTF-8 bytes of `text`. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/**
 * Text of UTF-8 bytes; a byte order mark is kept as a character.
 *
 * @throws ERR_ENCODING when the bytes are not UTF-8
 */
export function fromUtf8(bytes: Uint8Array, what = 'value'): string {
  // Nearly everything is ASCII, which needs no decoder.
  if (isAscii(bytes)) return view(bytes).toString('latin1');
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new SignetError('ERR_ENCODING', `${what} is not valid UTF-8`, { cause });
  }
}

/**
 * Memory that many values share, because a fresh array costs five times as much as a place in one. Small values share small
 * memory, so that one that is kept does not keep much more than itself.
 */
interface Chunk {
  bytes: Buffer;
  used: number;
  readonly size: number;
  readonly largest: number;
}

const smallChunk: Chunk = { bytes: Buffer.alloc(0), used: 0, size: 8 * 1024, largest: 2 * 1024 };
const largeChunk: Chunk = { bytes: smallChunk.bytes, used: 0, size: 32 * 1024, largest: 12 * 1024 };

/** A chunk with room for so many bytes; undefined where they are to be by themselves. */
function chunkFor(length: number): Chunk | undefined {
  if (length > largeChunk.largest) return undefined;
  const chunk = length > smallChunk.largest ? largeChunk : smallChunk;
  if (chunk.used + length > chunk.bytes.length) {
    chunk.bytes = Buffer.allocUnsafeSlow(chunk.size);
    chunk.used = 0;
  }
  return chunk;
}

function take(chunk: Chunk, length: number): Uint8Array {
  const bytes = new Uint8Array(chunk.bytes.buffer, chunk.used, length);
  // Each begins where numbers of eight bytes may.
  chunk.used += (length + 7) & ~7;
  return bytes;
}

/** Bytes that the caller overwrites entirely; what they hold until then is anything. */
export function allocate(length: number): Uint8Array {
  if (length <= 64) return new Uint8Array(length);
  const chunk = chunkFor(length);
  return chunk === undefined ? new Uint8Array(length) : take(chunk, length);
}

/** All parts in one new array. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = allocate(length);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Whether both hold the same bytes. Not constant in time: for public values only. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  // Ids and hashes mostly differ in their first byte, and are compared sooner than Node is called.
  if (a.length > 64) return compareBytes(a, b) === 0;
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}

/** Lexicographic order of bytes: negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
