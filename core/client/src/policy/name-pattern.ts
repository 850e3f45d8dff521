import { isInRange, isVersionRange } from './version-range.ts';

/** One pattern on package names: `@acme/*`, `!@acme/legacy-*`, `@acme/core@>=2`. */
export interface NamePattern {
  /** As written. */
  readonly text: string;
  /** Whether it begins with `!` and takes names away again. */
  readonly removes: boolean;
  /** Lower-case glob: `*` stays inside one segment, `**` crosses `/`. */
  readonly glob: string;
  /** semver range that versions must satisfy; absent for any. */
  readonly range?: string;
}

/**
 * Reads a pattern.
 *
 * @returns the pattern, or a sentence on what is wrong with it
 */
export function parseNamePattern(text: string): NamePattern | string {
  const removes = text.startsWith('!');
  const body = removes ? text.slice(1) : text;
  const at = body.indexOf('@', 1);
  const glob = (at === -1 ? body : body.slice(0, at)).toLowerCase();
  const range = at === -1 ? undefined : body.slice(at + 1);
  if (!/^(?:@[a-z0-9\-_.~*]+\/)?[a-z0-9\-_.~*]+$/.test(glob)) {
    return 'a pattern is a package name in which * stands for a part of a segment and ** for anything, perhaps with @range behind';
  }
  if (/\*{3}/.test(glob)) return 'three stars in a row mean nothing';
  if (range !== undefined && (range === '' || !isVersionRange(range))) {
    return `${JSON.stringify(range)} is not a version range`;
  }
  return { text, removes, glob, ...(range === undefined ? {} : { range }) };
}

/**
 * Whether patterns name a package version: at least one adds it and none removes it, in whatever order they stand. Names are
 * compared in lower case. A pre-release counts as the version it leads to would between the bounds of a range, so that a rule for
 * `>=2` holds for `2.1.0-rc.1` too.
 *
 * @param version undefined to ask about the name alone: then a removing pattern with a range removes nothing
 */
export function matchesName(patterns: readonly NamePattern[], name: string, version: string | undefined): boolean {
  const lowerCase = name.toLowerCase();
  let added = false;
  for (const { removes, glob, range } of patterns) {
    if (added && !removes) continue;
    if (!matchesGlob(glob, lowerCase)) continue;
    if (range !== undefined) {
      const within = version === undefined ? !removes : isInRange(version, range);
      if (!within) continue;
    }
    if (removes) return false;
    added = true;
  }
  return added;
}

/**
 * Whether `text` is what `glob` describes: `*` for any characters but `/`, `**` for any. Takes time in proportion to the product
 * of both lengths, whatever they hold.
 */
export function matchesGlob(glob: string, text: string): boolean {
  const star = glob.indexOf('*');
  if (star === -1) return glob === text;
  // Most names differ from most patterns before the first star.
  if (!text.startsWith(glob.slice(0, star))) return false;
  const [rest, left] = [glob.slice(star), text.slice(star)];
  // Stars at the end, as in `@acme/*`, need no search.
  if (rest === '*') return !left.includes('/');
  if (rest === '**') return true;
  return matchesStars(rest, left);
}

function matchesStars(glob: string, text: string): boolean {
  // reached[i]: the part of the glob read so far describes the first i characters of the text.
  let reached: boolean[] = Array.from({ length: text.length + 1 }, (_, index) => index === 0);
  for (let at = 0; at < glob.length; at++) {
    const next = new Array<boolean>(text.length + 1).fill(false);
    const star = glob[at] === '*';
    const crosses = star && glob[at + 1] === '*';
    if (crosses) at++;
    for (let index = 0; index <= text.length; index++) {
      const before = index > 0 && star && next[index - 1] === true && (crosses || text[index - 1] !== '/');
      next[index] = star
        ? reached[index] === true || before
        : index > 0 && reached[index - 1] === true && text[index - 1] === glob[at];
    }
    reached = next;
  }
  return reached[text.length] === true;
}
