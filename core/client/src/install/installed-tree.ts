import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SignetError } from '@signet/primitives/basics';
import { type LockedPackage, type PackageLock, readPackageLock } from '../npm/lockfile/index.ts';

/**
 * Compares what npm says it installed (`node_modules/.package-lock.json`) with the lockfile that was verified: every package there must
 * be one of the verified, with the same bytes. A subset is fine: other platforms' and omitted packages are left out.
 *
 * This finds a lockfile that changed after it was verified and an npm that installs otherwise than it is known to. It does not hash
 * what lies in node_modules; npm hashed each tarball when it unpacked it.
 *
 * @returns the number of packages installed
 * @throws ERR_INSTALLED_TREE
 */
export async function compareInstalledTree(directory: string, lock: PackageLock): Promise<number> {
  const path = join(directory, 'node_modules', '.package-lock.json');
  let content: Uint8Array;
  try {
    content = await readFile(path);
  } catch (cause) {
    // npm makes no folder when there is nothing to put into it.
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT' && lock.packages.every(isOptional)) return 0;
    throw new SignetError('ERR_INSTALLED_TREE', `npm left no record of what it installed in ${path}`, { cause });
  }
  const verified = new Set(lock.packages.map((entry) => identity(entry)));
  const installed = readPackageLock(content).packages;
  // npm writes down the hash of what it fetched where the lockfile had none; whether that was allowed has been decided.
  const isKnown = (entry: LockedPackage): boolean =>
    verified.has(identity(entry)) || (entry.source === 'registry' && verified.has(identity(entry, '')));
  const stranger = installed.find((entry) => !isKnown(entry));
  if (stranger !== undefined) {
    throw new SignetError(
      'ERR_INSTALLED_TREE',
      `npm installed ${stranger.name}@${stranger.version ?? ''} in ${stranger.location}, which was not verified; delete node_modules and run again`,
      { expected: 'only packages of the verified lockfile', found: identity(stranger) },
    );
  }
  return installed.length;
}

/** Links are known by what they point to, clones and files by where they come from, tarballs by name, version and bytes. */
function identity(
  { name, alias, version, source, resolved, integrity }: LockedPackage,
  bytes = integrity ?? '',
): string {
  if (source === 'link') return `link ${alias ?? name} ${resolved ?? ''}`;
  const origin = source === 'git' || source === 'file' ? resolved : '';
  return [source, alias ?? name, name, version, bytes, origin].join(' ');
}

function isOptional({ dev, optional }: LockedPackage): boolean {
  return dev || optional;
}
