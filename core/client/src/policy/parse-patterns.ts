import { type NamePattern, parseNamePattern } from './name-pattern.ts';
import type { PolicyReader } from './policy-reader.ts';

/** Patterns that name packages, at least one of which adds some. */
export function parsePatterns(
  reader: PolicyReader,
  value: unknown,
  place: readonly (string | number)[],
): NamePattern[] {
  const patterns = reader.strings(value, place).map((text, index) => {
    const pattern = parseNamePattern(text);
    if (typeof pattern === 'string') throw reader.error([...place, index], pattern, { found: text });
    return pattern;
  });
  if (patterns.every(({ removes }) => removes)) {
    throw reader.error(place, 'only removes names, so that it matches nothing; add a pattern without !');
  }
  return patterns;
}
