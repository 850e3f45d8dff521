import { type ErrorCode, parseJson, SignetError } from '@signet/primitives/basics';

/** A JSON object from outside, whose members are looked at one by one. */
export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * The JSON object in a service's answer, read as its text says it, whatever was read before: see {@link parseJson}.
 *
 * @param what names the answer in the sentence, `code` is the error to throw
 */
export function jsonObject(body: Uint8Array, what: string, code: ErrorCode): JsonObject {
  let value: unknown;
  try {
    // How long an answer may be has been decided when it was read.
    value = parseJson(body, what, { maxLength: body.length });
  } catch (cause) {
    throw new SignetError(code, `${what} is not JSON`, { cause });
  }
  if (!isObject(value)) throw new SignetError(code, `${what} is not a JSON object`);
  return value;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A member that is a non-empty string, or undefined. */
export function textMember(object: JsonObject, name: string): string | undefined {
  const value = Object.hasOwn(object, name) ? object[name] : undefined;
  return typeof value === 'string' && value !== '' ? value : undefined;
}
