import { fromUtf8, SignetError } from '@signet/primitives/basics';
import { type ForeignEntry, foreignLock, malformed, maxLockfileBytes, splitSpec } from './other-locks.ts';
import type { PackageLock, PackageSource } from './package-lock.ts';

const file = 'yarn.lock';

/**
 * Reads yarn.lock of yarn 1. That of later yarns holds hashes of yarn's own archives, which no evidence is about.
 *
 * @throws ERR_LOCKFILE, ERR_INTEGRITY_FORMAT, ERR_INPUT_TOO_LARGE
 */
export function readYarnLock(content: Uint8Array): PackageLock {
  if (content.length > maxLockfileBytes) throw new SignetError('ERR_INPUT_TOO_LARGE', `${file} is too large`);
  const text = fromUtf8(content, file);
  if (/^__metadata:/m.test(text)) {
    throw malformed(file, 'yarn 2 and later write hashes of their own archives, which no evidence is about');
  }
  if (!/^# yarn lockfile v1$/m.test(text)) throw malformed(file, 'it is not a lockfile of yarn 1');
  const entries: ForeignEntry[] = [];
  let header: string | undefined;
  let fields = new Map<string, string>();
  const finish = (): void => {
    if (header !== undefined) entries.push(entryOf(header, fields));
    header = undefined;
    fields = new Map();
  };
  for (const line of text.split(/\r?\n/)) {
    if (line === '' || line.startsWith('#')) continue;
    if (!line.startsWith(' ')) {
      finish();
      if (!line.endsWith(':')) throw malformed(file, 'a line is not understood', line);
      header = line.slice(0, -1);
      continue;
    }
    const [, key, value] = /^ {2}"?([A-Za-z]+)"? (.+)$/.exec(line) ?? [];
    // Deeper lines list dependencies, which stand as entries of their own.
    if (key === undefined || value === undefined) {
      if (/^ {2}[A-Za-z]+:$|^ {4}/.test(line)) continue;
      throw malformed(file, 'a line is not understood', line);
    }
    if (fields.has(key)) throw malformed(file, 'a member stands twice', line);
    fields.set(key, unquote(value));
  }
  finish();
  return foreignLock(file, 1, entries);
}

function entryOf(header: string, fields: ReadonlyMap<string, string>): ForeignEntry {
  const specs = header.split(', ').map(unquote);
  const version = fields.get('version');
  const parsed = specs.map((spec) => {
    const [alias, range] = splitSpec(spec) ?? [];
    if (alias === undefined || range === undefined) throw malformed(file, 'an entry has no name', spec);
    const [name] = range.startsWith('npm:') ? (splitSpec(range.slice(4)) ?? [range.slice(4)]) : [alias];
    return { alias, name, range };
  });
  const [first] = parsed;
  if (first === undefined || version === undefined) throw malformed(file, 'an entry has no version', header);
  if (parsed.some(({ name }) => name !== first.name)) {
    throw malformed(file, 'an entry is about several packages', header);
  }
  const resolved = fields.get('resolved');
  return {
    location: header,
    name: first.name,
    alias: parsed.find(({ alias, name }) => alias !== name)?.alias,
    version,
    source: sourceOf(resolved, first.range),
    resolved,
    integrity: fields.get('integrity'),
  };
}

function sourceOf(resolved: string | undefined, range: string): PackageSource {
  if (resolved === undefined) return range.startsWith('link:') ? 'link' : 'file';
  if (/^git(?:\+|:)|\.git#|^https:\/\/codeload\.github\.com\//.test(resolved)) return 'git';
  return /^https?:\/\//.test(resolved) ? 'registry' : 'file';
}

function unquote(text: string): string {
  if (!text.startsWith('"')) return text;
  try {
    return String(JSON.parse(text));
  } catch (cause) {
    throw malformed(file, 'a text is not closed', text, cause);
  }
}
