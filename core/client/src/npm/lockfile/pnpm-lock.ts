import { createRequire } from 'node:module';
import { fromUtf8, SignetError } from '@signet/primitives/basics';
import { isJsonObject, own } from './json-value.ts';
import { type ForeignEntry, foreignLock, malformed, maxLockfileBytes, splitSpec } from './other-locks.ts';
import type { PackageLock, PackageSource } from './package-lock.ts';

type Yaml = typeof import('yaml');

const require = (name: string): unknown => createRequire(import.meta.url)(name);
const file = 'pnpm-lock.yaml';

/**
 * Reads pnpm-lock.yaml of version 6 or 9: the section `packages`.
 *
 * @throws ERR_LOCKFILE, ERR_INTEGRITY_FORMAT, ERR_INPUT_TOO_LARGE
 */
export function readPnpmLock(content: Uint8Array): PackageLock {
  if (content.length > maxLockfileBytes) throw new SignetError('ERR_INPUT_TOO_LARGE', `${file} is too large`);
  const { parse } = require('yaml') as Yaml;
  let root: unknown;
  try {
    root = parse(fromUtf8(content, file), { schema: 'core', uniqueKeys: true, merge: false, maxAliasCount: 0 });
  } catch (cause) {
    throw malformed(file, 'it is not YAML; resolve merge conflicts first', undefined, cause);
  }
  if (!isJsonObject(root)) throw malformed(file, 'it is not a mapping');
  const version = Number(own(root, 'lockfileVersion'));
  if (Math.floor(version) !== 6 && Math.floor(version) !== 9) {
    throw malformed(file, 'expected lockfileVersion 6 or 9', String(own(root, 'lockfileVersion')));
  }
  const packages = own(root, 'packages') ?? {};
  if (!isJsonObject(packages)) throw malformed(file, 'packages is not a mapping');
  const patched = own(root, 'patchedDependencies');
  const patches = isJsonObject(patched) ? Object.keys(patched) : [];
  return foreignLock(
    file,
    version,
    Object.entries(packages).map(([key, value]) => entryOf(key, value, patches)),
  );
}

function entryOf(key: string, value: unknown, patches: readonly string[]): ForeignEntry {
  // Version 6 begins with a slash, and both may end in the peers that a copy was resolved with.
  const [name, suffixed] = splitSpec(key.replace(/^\//, '').replace(/\(.*$/s, '')) ?? [];
  const resolution = isJsonObject(value) ? own(value, 'resolution') : undefined;
  if (name === undefined || suffixed === undefined || !isJsonObject(value) || !isJsonObject(resolution)) {
    throw malformed(file, 'an entry of packages is not understood', key);
  }
  const text = (member: string): string | undefined => {
    const found = own(resolution, member);
    if (found === undefined || typeof found === 'string') return found;
    throw malformed(file, `${member} of ${JSON.stringify(key)} is not a text`);
  };
  const declared = own(value, 'version');
  const version = typeof declared === 'string' ? declared : suffixed;
  const tarball = text('tarball');
  return {
    location: key,
    name,
    version,
    source: sourceOf(text('type'), text('repo') ?? suffixed, tarball),
    resolved: tarball ?? text('repo') ?? text('directory'),
    integrity: text('integrity'),
    patched: patches.some((patch) => patch === name || patch === `${name}@${version}`),
  };
}

function sourceOf(type: string | undefined, from: string, tarball: string | undefined): PackageSource {
  if (type === 'git' || /^git(?:\+|:)|^https:\/\/codeload\.github\.com\//.test(tarball ?? from)) return 'git';
  if (type === 'directory' || from.startsWith('link:')) return 'link';
  return /^file:/.test(tarball ?? from) ? 'file' : 'registry';
}
