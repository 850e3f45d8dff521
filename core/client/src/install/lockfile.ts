import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { equalBytes, SignetError } from '@signet/primitives/basics';
import { type PackageLock, readAnyLockfile, readPackageLock } from '../npm/lockfile/index.ts';

/** The lockfile that npm is going to read. */
export interface ProjectLockfile {
  readonly path: string;
  /** As read and verified, for comparing later. */
  readonly bytes: Uint8Array;
  readonly lock: PackageLock;
}

/**
 * Reads the lockfile of a project: npm-shrinkwrap.json or package-lock.json. npm up to 11 prefers the first and npm 12 ignores it,
 * so that both present and unequal leave open which packages would be installed.
 *
 * @throws ERR_LOCKFILE, ERR_LOCKFILE_CONFLICT, ERR_INTEGRITY_FORMAT, ERR_INPUT_TOO_LARGE
 */
export async function readProjectLockfile(directory: string): Promise<ProjectLockfile> {
  const paths = [join(directory, 'package-lock.json'), join(directory, 'npm-shrinkwrap.json')] as const;
  const [packageLock, shrinkwrap] = await Promise.all([readOptional(paths[0]), readOptional(paths[1])]);
  if (packageLock !== undefined && shrinkwrap !== undefined && !equalBytes(packageLock, shrinkwrap)) {
    throw new SignetError(
      'ERR_LOCKFILE_CONFLICT',
      'package-lock.json and npm-shrinkwrap.json differ, and which of them npm reads depends on its version; remove one',
      { expected: 'one lockfile', found: 'two that differ' },
    );
  }
  const bytes = packageLock ?? shrinkwrap;
  if (bytes === undefined) {
    throw new SignetError(
      'ERR_LOCKFILE',
      `there is no package-lock.json in ${directory}; write one with \`npm install --package-lock-only\``,
    );
  }
  const path = packageLock === undefined ? paths[1] : paths[0];
  return { path, bytes, lock: readPackageLock(bytes) };
}

/**
 * Reads one lockfile of npm, pnpm, yarn 1 or bun, wherever it lies.
 *
 * @throws ERR_LOCKFILE, ERR_INTEGRITY_FORMAT, ERR_INPUT_TOO_LARGE
 */
export async function readLockfile(path: string): Promise<ProjectLockfile> {
  const bytes = await readOptional(path);
  if (bytes === undefined) throw new SignetError('ERR_LOCKFILE', `there is no ${path}`);
  return { path, bytes, lock: readAnyLockfile(basename(path), bytes) };
}

/**
 * Checks that a lockfile still is what was verified.
 *
 * @throws ERR_LOCKFILE_CONFLICT
 */
export async function assertUnchanged({ path, bytes }: ProjectLockfile): Promise<void> {
  const now = await readOptional(path);
  if (now === undefined || !equalBytes(now, bytes)) {
    throw new SignetError(
      'ERR_LOCKFILE_CONFLICT',
      `${basename(path)} changed while it was being verified and installed from; run again`,
    );
  }
}

async function readOptional(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new SignetError('ERR_LOCKFILE', `${path} cannot be read`, { cause: error });
  }
}
