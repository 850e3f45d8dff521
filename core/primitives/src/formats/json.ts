import { decodeBase64, fromBase64, fromUtf8 } from './bytes.ts';
import { describeValue } from './describe-value.ts';
import type { ErrorCode } from './error-codes.ts';
import { SignetError } from './errors.ts';
import { inert } from './inert.ts';
import { nodeCrypto } from './node-crypto.ts';

/** A JSON object of unknown content. Only its own properties count. */
export type JsonObject = { readonly [key: string]: unknown };

/** Limits for JSON from outside. */
export interface JsonLimits {
  /** Longest text in UTF-16 units (or bytes); 8 Mi when absent. */
  readonly maxLength?: number;
  /** Deepest nesting of objects and arrays; 64 when absent. */
  readonly maxDepth?: number;
  /** Most keys of all objects together; as many as the length allows when absent. */
  readonly maxKeys?: number;
}

const defaultMaxLength = 8 * 1024 * 1024;
const defaultMaxDepth = 64;

/**
 * Parses JSON of RFC 8259 and refuses what readers understand differently: an object with one key twice, and nesting
 * that is deep enough to exhaust somebody's stack or more keys than anybody means, which are looked for before anything is built.
 *
 * @param text JSON, or its UTF-8 bytes
 * @param what names the document in errors
 * @throws ERR_INPUT_TOO_LARGE, ERR_JSON, ERR_ENCODING
 */
export function parseJson(text: string | Uint8Array, what: string, limits: JsonLimits = {}): unknown {
  const maxLength = limits.maxLength ?? defaultMaxLength;
  if (text.length > maxLength) {
    throw new SignetError(
      'ERR_INPUT_TOO_LARGE',
      `${what} has ${text.length} characters; at most ${maxLength} are read`,
      {
        expected: `at most ${maxLength}`,
        found: String(text.length),
      },
    );
  }
  const json = typeof text === 'string' ? text : fromUtf8(text, what);
  const { keys, hasEscapedKey } = checkStructure(json, what, limits);
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new SignetError('ERR_JSON', `${what} is not JSON: ${(cause as Error).message}`, { cause });
  }
  if (hasEscapedKey) return parseEscapedKeys(json, what);
  // Of a key that stands twice only one is left. Counting is cheap; which one it is, is only found out for the error.
  if (countKeys(value) !== keys) {
    parseEscapedKeys(json, what);
    throw new SignetError('ERR_JSON', `${what} has a key twice in one object`);
  }
  return value;
}

/**
 * Parses JSON as `JSON.parse` does, for documents of which others have to be understood as they are, such as a package.json in
 * a tarball: of a key that stands twice the last counts, and nothing is limited. What it says does not depend on what was
 * parsed before, which `JSON.parse` cannot promise for keys with escapes.
 *
 * @param what names the document in errors
 * @throws ERR_JSON
 */
export function parseLenientJson(text: string, what: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    const { hasEscapedKey } = checkStructure(text, what, { maxDepth: Number.POSITIVE_INFINITY });
    return hasEscapedKey ? parseEscapedKeys(text, what, { lastCounts: true }) : value;
  } catch (cause) {
    // Parts within parts without end are JSON as well.
    if (!(cause instanceof SyntaxError || cause instanceof RangeError)) throw cause;
    throw new SignetError('ERR_JSON', `${what} is not JSON: ${cause.message}`, { cause });
  }
}

const quote = 0x22;
const backslash = 0x5c;

/**
 * One pass over brackets and colons. Strings are skipped, so that the cost follows the number of tokens and not the length of
 * base64. What is not JSON at all is left for JSON.parse to refuse.
 *
 * @returns how many keys the objects have together, and whether one of them has an escape: outside strings every colon follows
 *   a key (RFC 8259 §4)
 */
function checkStructure(json: string, what: string, limits: JsonLimits): { keys: number; hasEscapedKey: boolean } {
  const { maxDepth = defaultMaxDepth, maxKeys = Number.POSITIVE_INFINITY } = limits;
  let depth = 0;
  let keys = 0;
  let hasEscapedKey = false;
  // The last string, until it was looked at.
  let [start, end] = [0, 0];
  for (let at = 0; at < json.length; at++) {
    switch (json.charCodeAt(at)) {
      case quote:
        start = at;
        at = endOfString(json, at, what);
        end = at;
        break;
      case 0x3a: // :
        if (++keys > maxKeys) throw new SignetError('ERR_JSON', `${what} has more than ${maxKeys} keys`);
        for (; start < end && !hasEscapedKey; start++) hasEscapedKey = json.charCodeAt(start) === backslash;
        break;
      case 0x7b: // {
      case 0x5b: // [
        if (depth >= maxDepth) throw new SignetError('ERR_JSON', `${what} is nested more than ${maxDepth} levels deep`);
        depth++;
        break;
      case 0x7d: // }
      case 0x5d: // ]
        depth--;
        break;
    }
  }
  return { keys, hasEscapedKey };
}

/** The depth is bounded by then. */
function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (const element of value) if (typeof element === 'object') count += countKeys(element);
    return count;
  }
  for (const key in value) {
    // Where somebody gave all objects of this process more keys, those are not the document's.
    if (!Object.hasOwn(value, key)) continue;
    count++;
    const member = (value as JsonObject)[key];
    if (typeof member === 'object') count += countKeys(member);
  }
  return count;
}

/**
 * Parses JSON that has escapes in keys, which is seldom. V8 may take such a key for another one, of which it has parsed an object
 * before: after `{"subjec\\":1}` it reads `{"subjec\u0074":1}` as the former (seen in V8 13.6). What one document says must not
 * depend on others, so V8 gets other names for all keys, and afterwards they get their own back.
 *
 * @param json known to be JSON
 * @throws ERR_JSON for the first key that stands twice in one object, unless the last counts
 */
function parseEscapedKeys(json: string, what: string, { lastCounts = false } = {}): unknown {
  const open: (Set<string> | undefined)[] = [];
  const names = new Map<string, string>();
  // Nobody can write a text that has its own hash in it.
  const prefix = nodeCrypto().hash('sha256', json);
  let keyExpected = false;
  let plain = '';
  let copied = 0;
  for (let at = 0; at < json.length; at++) {
    const character = json.charCodeAt(at);
    if (character === quote) {
      const end = endOfString(json, at, what);
      const keys = open.at(-1);
      if (keyExpected && keys !== undefined) {
        const written = json.slice(at, end + 1);
        const key = JSON.parse(written) as string;
        if (keys.has(key) && !lastCounts) {
          const shown = inert(JSON.stringify(key.slice(0, 80)));
          throw new SignetError('ERR_JSON', `${what} has the key ${shown} twice in one object`);
        }
        keys.add(key);
        const name = `${prefix} ${names.size}`;
        names.set(name, key);
        plain += `${json.slice(copied, at)}"${name}"`;
        copied = end + 1;
      }
      keyExpected = false;
      at = end;
    } else if (character === 0x7b || character === 0x5b) {
      keyExpected = character === 0x7b;
      open.push(keyExpected ? new Set() : undefined);
    } else if (character === 0x7d || character === 0x5d) {
      open.pop();
      keyExpected = false;
    } else if (character === 0x2c) {
      keyExpected = open.at(-1) !== undefined;
    }
  }
  return rename(JSON.parse(plain + json.slice(copied)), names);
}

/** Keys such as `__proto__` stay properties like others. Of a key that stands twice the last counts, as in JSON.parse. */
function rename(value: unknown, names: ReadonlyMap<string, string>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((element) => rename(element, names));
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [names.get(key) ?? key, rename(member, names)]),
  );
}

/** Most strings end soon and are read; for the others it is worth to search. */
const soon = 32;

function endOfString(json: string, start: number, what: string): number {
  let from = start + 1;
  for (const near = from + soon; from < near; from++) {
    const character = json.charCodeAt(from);
    if (character === quote) return from;
    if (character === backslash) from++;
  }
  // What stands before `from` is whole: no escape begins there that ends later.
  for (let end = json.indexOf('"', from); end >= 0; end = json.indexOf('"', end + 1)) {
    let escapes = 0;
    while (end - 1 - escapes >= from && json.charCodeAt(end - 1 - escapes) === backslash) escapes++;
    if (escapes % 2 === 0) return end;
  }
  throw new SignetError('ERR_JSON', `${what} is not JSON: a string has no end`);
}

const maxInt64 = 2n ** 63n - 1n;

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** False as well where a prototype has more: then the object's own keys are to be looked at by themselves. */
function hasOnly(object: JsonObject, known: ReadonlySet<string> | undefined): boolean {
  if (known === undefined) return true;
  for (const key in object) if (!known.has(key)) return false;
  return true;
}

function nonEmptyBytes(value: unknown): Uint8Array | undefined {
  return typeof value === 'string' && value.length > 0 ? decodeBase64(value) : undefined;
}

/** A decimal number without leading zeros; undefined for another text or more than 19 digits. */
function decimal(text: string): bigint | undefined {
  const { length } = text;
  if (length === 0 || length > 19 || (length > 1 && text.charCodeAt(0) === 0x30)) return undefined;
  let value = 0;
  for (let at = 0; at < length; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return BigInt(length < 16 ? value : text);
}

const timestampPattern = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

/**
 * Reads values of protobuf's JSON mapping strictly: names in lowerCamelCase, unknown names refused, enums by name,
 * bytes in canonical base64 (client-spec §5). `null` means absent, as the mapping says. Every error has the code that
 * the reader was made with and names the path of the value.
 */
export class JsonReader {
  readonly #code: ErrorCode;

  constructor(code: ErrorCode) {
    this.#code = code;
  }

  /** The error for a value that is not as it must be. */
  error(path: string, expected: string, found?: unknown): SignetError {
    const shown = describeValue(found);
    return new SignetError(this.#code, `${path}: expected ${expected}, found ${shown}`, { expected, found: shown });
  }

  /** `value` as an object; with `known` keys, no others. */
  object(value: unknown, path: string, known?: ReadonlySet<string>): JsonObject {
    if (isObject(value) && hasOnly(value, known)) return value;
    if (!isObject(value)) throw this.error(path, 'an object', value);
    const key = Object.keys(value).find((name) => known?.has(name) === false);
    if (known === undefined || key === undefined) return value;
    const expected = `only ${[...known].join(', ')}`;
    throw new SignetError(
      this.#code,
      `${path}: unknown field ${inert(JSON.stringify(key.slice(0, 80)))}; ${expected}`,
      {
        expected,
        found: inert(key.slice(0, 80)),
      },
    );
  }

  /** The field's value, or undefined where it is absent or null. */
  optional(parent: JsonObject, key: string): unknown {
    const value = parent[key];
    return value === undefined || value === null || !Object.hasOwn(parent, key) ? undefined : value;
  }

  // Paths are put together for errors alone: for most values that would be the greater part of the work.

  required(parent: JsonObject, key: string, path: string): unknown {
    const value = this.optional(parent, key);
    if (value === undefined) throw this.error(`${path}.${key}`, 'a value', undefined);
    return value;
  }

  field(parent: JsonObject, key: string, path: string, known?: ReadonlySet<string>): JsonObject {
    const value = this.required(parent, key, path);
    return isObject(value) && hasOnly(value, known) ? value : this.object(value, `${path}.${key}`, known);
  }

  optionalField(parent: JsonObject, key: string, path: string, known?: ReadonlySet<string>): JsonObject | undefined {
    return this.optional(parent, key) === undefined ? undefined : this.field(parent, key, path, known);
  }

  /** A repeated field; absent is empty. */
  list(parent: JsonObject, key: string, path: string, maxLength: number): readonly unknown[] {
    const value = this.optional(parent, key);
    if (value === undefined) return [];
    if (!Array.isArray(value)) throw this.error(`${path}.${key}`, 'an array', value);
    if (value.length > maxLength) throw this.error(`${path}.${key}`, `at most ${maxLength} elements`, value);
    return value;
  }

  string(parent: JsonObject, key: string, path: string): string {
    const value = this.required(parent, key, path);
    return typeof value === 'string' ? value : this.stringValue(value, `${path}.${key}`);
  }

  /** A string field of which the empty value is the default. */
  optionalString(parent: JsonObject, key: string, path: string): string | undefined {
    return this.optional(parent, key) === undefined ? undefined : this.string(parent, key, path);
  }

  stringValue(value: unknown, path: string): string {
    if (typeof value !== 'string') throw this.error(path, 'a string', value);
    return value;
  }

  bytes(parent: JsonObject, key: string, path: string): Uint8Array {
    const value = this.required(parent, key, path);
    return nonEmptyBytes(value) ?? this.bytesValue(value, `${path}.${key}`);
  }

  /** Canonical padded base64, not empty. */
  bytesValue(value: unknown, path: string): Uint8Array {
    if (typeof value !== 'string') throw this.error(path, 'base64', value);
    if (value.length === 0) throw this.error(path, 'bytes in base64', value);
    try {
      return fromBase64(value, path);
    } catch (cause) {
      throw new SignetError(this.#code, `${path}: expected canonical padded base64 (RFC 4648 §4)`, { cause });
    }
  }

  /** A repeated field of hashes with this many bytes; absent is empty. */
  hashes(parent: JsonObject, key: string, path: string, limits: { bytes: number; count: number }): Uint8Array[] {
    return this.list(parent, key, path, limits.count).map((value, index) => {
      const bytes = nonEmptyBytes(value) ?? this.bytesValue(value, `${path}.${key}[${index}]`);
      if (bytes.length !== limits.bytes) throw this.error(`${path}.${key}[${index}]`, `${limits.bytes} bytes`, value);
      return bytes;
    });
  }

  /** A non-negative int64: a decimal string, or a number that JSON numbers hold exactly. */
  int64(parent: JsonObject, key: string, path: string): bigint {
    const value = this.optional(parent, key) ?? '0';
    let result: bigint | undefined;
    if (typeof value === 'number' && Number.isSafeInteger(value)) result = BigInt(value);
    else if (typeof value === 'string') result = decimal(value);
    if (result === undefined || result < 0n || result > maxInt64) {
      throw this.error(`${path}.${key}`, 'a non-negative 64-bit integer', value);
    }
    return result;
  }

  /** One of `names`. */
  name<Name extends string>(value: unknown, path: string, names: readonly Name[]): Name {
    const found = names.find((name) => name === value);
    if (found === undefined) throw this.error(path, names.join(' or '), value);
    return found;
  }

  /** google.protobuf.Timestamp, RFC 3339; fractions beyond milliseconds are cut. */
  timestamp(value: unknown, path: string): Date {
    const match = typeof value === 'string' ? timestampPattern.exec(value) : null;
    const [, seconds = '', fraction = '', zone = ''] = match ?? [];
    const time = new Date(`${seconds}${fraction.slice(0, 4)}${zone}`);
    // Date accepts February 30th by carrying over; writing the date again shows that it did.
    const valid = match !== null && !Number.isNaN(time.getTime());
    if (!valid || (zone === 'Z' && !time.toISOString().startsWith(seconds))) {
      throw this.error(path, 'an RFC 3339 time', value);
    }
    return time;
  }
}
