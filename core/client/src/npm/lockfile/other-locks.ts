import { SignetError } from '@signet/primitives/basics';
import { isIntegrity, parseIntegrity } from './integrity.ts';
import type { LockedPackage, PackageLock, PackageSource } from './package-lock.ts';
import { isExactVersion, isInstallableName } from './package-name.ts';

/** One entry of a lockfile that npm did not write, as far as it was read. */
export interface ForeignEntry {
  /** How the file calls it. */
  readonly location: string;
  readonly name: string;
  readonly alias?: string | undefined;
  readonly version: string;
  readonly source: PackageSource;
  readonly resolved?: string | undefined;
  readonly integrity?: string | undefined;
  readonly patched?: boolean;
}

export const maxLockfileBytes = 128 * 1024 * 1024;
const maxPackages = 200_000;

export function malformed(file: string, problem: string, found?: string, cause?: unknown): SignetError {
  return new SignetError('ERR_LOCKFILE', `${file}: ${problem}`, {
    ...(found === undefined ? {} : { found: found.slice(0, 300) }),
    cause,
  });
}

/**
 * Checks what every lockfile must say of a package, whoever wrote it: a name, an exact version, and one sha512 where there is a
 * tarball. A weaker hash counts as none; several are refused.
 *
 * @throws ERR_LOCKFILE, ERR_INTEGRITY_FORMAT, ERR_INPUT_TOO_LARGE
 */
export function foreignLock(file: string, lockfileVersion: number, entries: readonly ForeignEntry[]): PackageLock {
  if (entries.length > maxPackages) {
    throw new SignetError('ERR_INPUT_TOO_LARGE', `${file} has more than ${maxPackages} packages`);
  }
  return { lockfileVersion, packages: entries.map((entry) => lockedPackage(file, entry)) };
}

function lockedPackage(file: string, entry: ForeignEntry): LockedPackage {
  const { location, name, alias, version, source, resolved, patched = false } = entry;
  if (!isInstallableName(name)) throw malformed(file, 'an entry has no package name', location);
  if (source === 'registry' && !isExactVersion(version)) {
    throw malformed(file, `${JSON.stringify(location)} has no exact version`, version);
  }
  const integrity = oneSha512(entry.integrity);
  return {
    location,
    name,
    ...(alias === undefined || alias === name ? {} : { alias }),
    version,
    source,
    ...(resolved === undefined ? {} : { resolved }),
    ...(integrity === undefined ? {} : { integrity }),
    dev: false,
    optional: false,
    hasShrinkwrap: false,
    patched,
  };
}

function oneSha512(integrity: string | undefined): string | undefined {
  if (integrity === undefined || isIntegrity(integrity)) return integrity;
  if (/^sha(?:1|256|384)-[A-Za-z0-9+/]+=*$/.test(integrity)) return undefined;
  // Says what is wrong with it.
  parseIntegrity(integrity);
  return integrity;
}

/** `name@rest`, of which the name may begin with a scope. */
export function splitSpec(spec: string): readonly [name: string, rest: string] | undefined {
  const at = spec.indexOf('@', 1);
  return at === -1 ? undefined : [spec.slice(0, at), spec.slice(at + 1)];
}
