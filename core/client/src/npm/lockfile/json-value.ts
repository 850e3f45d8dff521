import { type ErrorCode, SignetError } from '@signet/primitives/basics';

/** A JSON object from outside. Read its members with {@link own} only, so that no prototype answers for it. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether `value` is a JSON object: neither null nor an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The own member `key` of a JSON object, or undefined; inherited members such as `constructor` do not count. */
export function own(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** Reads members of hostile JSON and fails with one error code that names the place. */
export class JsonReader {
  readonly #code: ErrorCode;
  readonly #subject: string;

  /**
   * @param code of every error raised
   * @param subject names the document in messages
   */
  constructor(code: ErrorCode, subject: string) {
    this.#code = code;
    this.#subject = subject;
  }

  fail(problem: string, details: { expected?: string; found?: string; cause?: unknown } = {}): never {
    throw new SignetError(this.#code, `${this.#subject}: ${problem}`, details);
  }

  object(value: unknown, where: string): JsonObject {
    if (!isJsonObject(value)) this.fail(`${where} must be an object, found ${kind(value)}`);
    return value;
  }

  array(value: unknown, where: string): readonly unknown[] {
    if (!Array.isArray(value)) this.fail(`${where} must be a list, found ${kind(value)}`);
    return value;
  }

  string(value: unknown, where: string): string {
    if (typeof value !== 'string') this.fail(`${where} must be a string, found ${kind(value)}`);
    return value;
  }

  optionalString(value: unknown, where: string): string | undefined {
    return value === undefined || value === null ? undefined : this.string(value, where);
  }

  /** The only own key of `object`. */
  singleKey(object: JsonObject, where: string): string {
    const keys = Object.keys(object);
    const [key] = keys;
    if (key === undefined || keys.length !== 1)
      this.fail(`${where} must have exactly one member, found ${keys.length}`);
    return key;
  }
}

/** The kind of a JSON value, for messages; never the value itself, which is foreign. */
export function kind(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'nothing';
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`;
}
