import { inert } from './inert.ts';

/**
 * A value that was read and not yet checked, in words for "found". It calls nothing of the value's own: what JSON and YAML
 * give may have a member `toString` that is no function, and `String(value)` fails on it with an error of JavaScript's.
 */
export function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'string') return inert(JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value));
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return `${value}`;
  return `an ${typeof value}`;
}
