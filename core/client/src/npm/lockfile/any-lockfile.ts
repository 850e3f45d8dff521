import { SignetError } from '@signet/primitives/basics';
import { readBunLock } from './bun-lock.ts';
import { type PackageLock, readPackageLock } from './package-lock.ts';
import { readPnpmLock } from './pnpm-lock.ts';
import { readYarnLock } from './yarn-lock.ts';

const readers: Readonly<Record<string, (content: Uint8Array) => PackageLock>> = {
  'package-lock.json': readPackageLock,
  'npm-shrinkwrap.json': readPackageLock,
  'pnpm-lock.yaml': readPnpmLock,
  'yarn.lock': readYarnLock,
  'bun.lock': readBunLock,
};

/** What lockfiles are called that {@link readAnyLockfile} reads. */
export const lockfileNames: readonly string[] = Object.keys(readers);

/**
 * Reads a lockfile of npm, pnpm, yarn 1 or bun, by its name.
 *
 * @throws ERR_LOCKFILE, ERR_INTEGRITY_FORMAT, ERR_INPUT_TOO_LARGE
 */
export function readAnyLockfile(name: string, content: Uint8Array): PackageLock {
  const read = Object.hasOwn(readers, name) ? readers[name] : undefined;
  if (read !== undefined) return read(content);
  throw new SignetError('ERR_LOCKFILE', `${name} is the name of no lockfile that can be verified`, {
    expected: lockfileNames.join(', '),
    found: name,
  });
}
