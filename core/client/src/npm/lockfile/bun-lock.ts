import { describeValue, fromUtf8, parseJson, SignetError } from '@signet/primitives/basics';
import { isJsonObject, own } from './json-value.ts';
import { type ForeignEntry, foreignLock, malformed, maxLockfileBytes, splitSpec } from './other-locks.ts';
import type { PackageLock, PackageSource } from './package-lock.ts';

const file = 'bun.lock';

/**
 * Reads bun.lock of version 0 or 1: JSON with commas before closing brackets.
 *
 * @throws ERR_LOCKFILE, ERR_INTEGRITY_FORMAT, ERR_INPUT_TOO_LARGE
 */
export function readBunLock(content: Uint8Array): PackageLock {
  if (content.length > maxLockfileBytes) throw new SignetError('ERR_INPUT_TOO_LARGE', `${file} is too large`);
  // Texts are matched first, so that a comma inside one stays.
  const text = fromUtf8(content, file).replace(
    /("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])/g,
    (_match, quoted?: string) => quoted ?? '',
  );
  let root: unknown;
  try {
    root = parseJson(text, file, { maxLength: maxLockfileBytes });
  } catch (cause) {
    throw malformed(file, 'it is not JSON; resolve merge conflicts first', undefined, cause);
  }
  const version = isJsonObject(root) ? own(root, 'lockfileVersion') : undefined;
  if (!isJsonObject(root) || (version !== 0 && version !== 1)) {
    throw malformed(file, 'expected lockfileVersion 0 or 1', describeValue(version));
  }
  const packages = own(root, 'packages') ?? {};
  if (!isJsonObject(packages)) throw malformed(file, 'packages is not an object');
  const patched = own(root, 'patchedDependencies');
  const patches = isJsonObject(patched) ? Object.keys(patched) : [];
  return foreignLock(
    file,
    version,
    Object.entries(packages).map(([key, value]) => entryOf(key, value, patches)),
  );
}

function entryOf(key: string, value: unknown, patches: readonly string[]): ForeignEntry {
  const [spec, ...rest] = Array.isArray(value) ? value : [];
  const [name, version] = typeof spec === 'string' ? (splitSpec(spec) ?? []) : [];
  if (name === undefined || version === undefined) throw malformed(file, 'an entry of packages is not understood', key);
  const source = sourceOf(version);
  const last: unknown = rest.at(-1);
  const integrity = source === 'registry' && typeof last === 'string' && /^sha\d+-/.test(last) ? last : undefined;
  // The key ends in the name that the package is imported by, below those that it stands in.
  const imported = /(?:^|\/)((?:@[^/]+\/)?[^/]+)$/.exec(key)?.[1];
  return {
    location: key,
    name,
    alias: imported,
    version,
    source,
    resolved: typeof rest[0] === 'string' && rest[0] !== '' ? rest[0] : undefined,
    integrity,
    patched: patches.includes(`${name}@${version}`),
  };
}

function sourceOf(version: string): PackageSource {
  if (/^(?:git\+|git:|github:|gitlab:|bitbucket:)/.test(version)) return 'git';
  if (/^(?:workspace|link|root):/.test(version)) return 'link';
  return /^(?:file:|https?:|\.)/.test(version) ? 'file' : 'registry';
}
