import { fromUtf8 } from '@signet/primitives/formats';
import { signatureError } from '../pki/index.ts';

/** A tagged value. */
export interface CborTag {
  readonly tag: number;
  readonly value: CborValue;
}

/** What a reader of COSE meets. */
export type CborValue =
  | number
  | bigint
  | boolean
  | null
  | string
  | Uint8Array
  | readonly CborValue[]
  | ReadonlyMap<number | string, CborValue>
  | CborTag;

const maximumDepth = 16;
const maximumItems = 4096;

/**
 * Reads one CBOR item (RFC 8949) that fills the bytes. Of CBOR only what COSE needs: definite lengths, no floating-point
 * numbers, map keys that are integers or text and stand once.
 *
 * @throws ERR_LOG_SIGNATURE
 */
export function readCbor(bytes: Uint8Array): CborValue {
  const state = { bytes, offset: 0, items: 0 };
  const value = readItem(state, 0);
  if (state.offset !== bytes.length) throw malformed('it has bytes after its end');
  return value;
}

/** Encodes a byte string, text or array header and its contents, as a COSE Sig_structure needs them. */
export function writeCborHead(majorType: number, length: number): Uint8Array {
  const type = majorType << 5;
  if (length < 24) return Uint8Array.of(type | length);
  if (length < 0x100) return Uint8Array.of(type | 24, length);
  if (length < 0x10000) return Uint8Array.of(type | 25, length >> 8, length & 0xff);
  return Uint8Array.of(type | 26, length >>> 24, (length >>> 16) & 0xff, (length >>> 8) & 0xff, length & 0xff);
}

interface State {
  readonly bytes: Uint8Array;
  offset: number;
  items: number;
}

function readItem(state: State, depth: number): CborValue {
  if (depth > maximumDepth) throw malformed('it is nested too deeply');
  state.items += 1;
  if (state.items > maximumItems) throw malformed('it has too many items');
  const initial = take(state, 1)[0] ?? 0;
  const [major, info] = [initial >> 5, initial & 0x1f];
  if (major === 7) return readSimple(info);
  const argument = readArgument(state, info);
  switch (major) {
    case 0:
      return argument;
    case 1:
      return typeof argument === 'bigint' ? -1n - argument : -1 - argument;
    case 2:
      return take(state, length(argument));
    case 3:
      return fromUtf8(take(state, length(argument)), 'a text of the COSE message');
    case 4:
      return Array.from({ length: length(argument, maximumItems) }, () => readItem(state, depth + 1));
    case 5:
      return readMap(state, length(argument, maximumItems), depth);
    default:
      return { tag: length(argument), value: readItem(state, depth + 1) };
  }
}

function readSimple(info: number): boolean | null {
  if (info === 20) return false;
  if (info === 21) return true;
  if (info === 22) return null;
  throw malformed('it has a floating-point number or a simple value that COSE does not use');
}

function readMap(state: State, size: number, depth: number): ReadonlyMap<number | string, CborValue> {
  const map = new Map<number | string, CborValue>();
  for (let i = 0; i < size; i++) {
    const key = readItem(state, depth + 1);
    if (typeof key !== 'number' && typeof key !== 'string') throw malformed('a key of a map is no integer and no text');
    if (map.has(key)) throw malformed('a map has a key twice');
    map.set(key, readItem(state, depth + 1));
  }
  return map;
}

function readArgument(state: State, info: number): number | bigint {
  if (info < 24) return info;
  if (info > 27) throw malformed('it has an item of indefinite length');
  const bytes = take(state, 1 << (info - 24));
  const value = BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

function length(argument: number | bigint, maximum = 2 ** 31): number {
  if (typeof argument === 'bigint' || argument > maximum) throw malformed('a length is too large');
  return argument;
}

function take(state: State, count: number): Uint8Array {
  const end = state.offset + count;
  if (end > state.bytes.length) throw malformed('it ends in the middle of an item');
  const part = state.bytes.subarray(state.offset, end);
  state.offset = end;
  return part;
}

function malformed(reason: string): Error {
  return signatureError(`the COSE message is malformed: ${reason}`);
}
