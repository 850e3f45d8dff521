import { SignetError } from './errors.ts';

/**
 * JSON Canonicalization Scheme (RFC 8785): members sorted by UTF-16 code units, no white space, numbers and strings as
 * ECMAScript writes them. Deeper than 64 levels is refused.
 *
 * @throws ERR_JSON for what JSON cannot say: undefined, functions, non-finite numbers, lone surrogates
 */
export function canonicalize(value: unknown): string {
  return write(value, 0);
}

function write(value: unknown, depth: number): string {
  if (depth > 64) throw new SignetError('ERR_JSON', 'value is nested more than 64 levels deep');
  switch (typeof value) {
    case 'string':
      // RFC 8785 §3.2.2.2: a lone surrogate has no UTF-8 form and ends the canonicalization.
      if (!value.isWellFormed()) throw new SignetError('ERR_JSON', 'a string holds a lone surrogate');
      return JSON.stringify(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'number':
      if (!Number.isFinite(value)) throw new SignetError('ERR_JSON', `${value} is not a JSON number`);
      return JSON.stringify(value);
    case 'object':
      break;
    default:
      throw new SignetError('ERR_JSON', `a value of type ${typeof value} has no JSON form`);
  }
  if (value === null) return 'null';
  if (Array.isArray(value)) return `[${value.map((element) => write(element, depth + 1)).join(',')}]`;
  const object = value as Record<string, unknown>;
  // The default order of sort() is by UTF-16 code units, which is what §3.2.3 asks for.
  const members = Object.keys(object)
    .sort()
    .map((key) => `${write(key, depth)}:${write(object[key], depth + 1)}`);
  return `{${members.join(',')}}`;
}
