import type { Schema } from './configuration-schema.ts';

/**
 * Compares a value with a schema.
 *
 * @param where what the value is called
 * @returns the first thing that is wrong, as a sentence; undefined when nothing is
 */
export function findProblem(schema: Schema, value: unknown, where: string): string | undefined {
  if (schema.oneOf !== undefined) {
    const meant = schema.oneOf.find((one) => typeOf(one) === typeOfValue(value));
    if (meant !== undefined) return findProblem(meant, value, where);
    return `${where} must be ${schema.oneOf.map(expectation).join(' or ')}`;
  }
  if (!fits(schema, value)) return `${where} must be ${expectation(schema)}`;
  if (Array.isArray(value)) {
    const { items = {} } = schema;
    return first(value.map((item, index) => () => findProblem(items, item, `${where}[${index}]`)));
  }
  return schema.type === 'object' ? problemOfMembers(schema, value as object, where) : undefined;
}

function problemOfMembers(schema: Schema, value: object, where: string): string | undefined {
  const { properties = {}, required = [], additionalProperties, minProperties = 0 } = schema;
  const entries = Object.entries(value);
  if (entries.length < minProperties) return `${where} must have a member at least`;
  for (const [key, member] of entries) {
    const inner = `${where}.${key}`;
    // A key without a value is as good as left out.
    if (member === undefined) continue;
    if (Object.hasOwn(properties, key)) {
      const problem = findProblem(properties[key] ?? {}, member, inner);
      if (problem !== undefined) return problem;
    } else if (typeof additionalProperties === 'object') {
      const problem = findProblem(additionalProperties, member, inner);
      if (problem !== undefined) return problem;
    } else if (additionalProperties === false) {
      return `unknown key ${inner}; known are ${Object.keys(properties).join(', ')}`;
    }
  }
  const missing = required.find((key) => (value as Readonly<Record<string, unknown>>)[key] === undefined);
  return missing === undefined ? undefined : `${where}.${missing} is missing`;
}

function first(checks: readonly (() => string | undefined)[]): string | undefined {
  for (const check of checks) {
    const problem = check();
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function fits(schema: Schema, value: unknown): boolean {
  const type = typeOf(schema);
  if (type !== undefined && typeOfValue(value) !== type) return false;
  if (schema.enum !== undefined) return schema.enum.some((one) => one === value);
  if (typeof value === 'string' && value.length < (schema.minLength ?? 0)) return false;
  if (typeof value === 'number' && value < (schema.minimum ?? value)) return false;
  return schema.format !== 'url' || isUrl(value);
}

function isUrl(value: unknown): boolean {
  const url = typeof value === 'string' ? URL.parse(value) : null;
  return url !== null && (url.protocol === 'https:' || url.protocol === 'http:');
}

function typeOf({ type, enum: choices }: Schema): Schema['type'] {
  return type ?? (choices === undefined ? undefined : 'string');
}

function typeOfValue(value: unknown): Schema['type'] {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'object' && value !== null) return 'object';
  if (Number.isSafeInteger(value)) return 'integer';
  return typeof value === 'string' || typeof value === 'boolean' ? (typeof value as 'string' | 'boolean') : undefined;
}

function expectation(schema: Schema): string {
  if (schema.enum !== undefined) return `one of ${schema.enum.join(', ')}`;
  if (schema.format === 'url') return 'an http or https URL';
  const { type, minimum } = schema;
  if (type === 'object') return 'a mapping of keys to values';
  if (type === 'array') return schema.items?.type === 'string' ? 'a list of texts' : 'a list';
  if (type === 'integer') return `a whole number from ${minimum ?? 0}`;
  return type === 'boolean' ? 'true or false' : 'a text';
}
