import { lstat, readFile, realpath, rm } from 'node:fs/promises';
import { join, posix, resolve } from 'node:path';
import { SignetError } from '@signet/primitives/basics';
import {
  isJsonObject,
  type JsonObject,
  type LockedPackage,
  own,
  type PackageLock,
  readPackageLock,
} from '../npm/lockfile/index.ts';
import { hasGypFile, hasScripts } from './install-scripts.ts';
import { mapConcurrently } from './pool.ts';
import { readManifest } from './project-manifests.ts';
import type { JudgedPackage } from './report.ts';

const filesAtOnce = 32;

/**
 * Compares what npm says it installed (`node_modules/.package-lock.json`) with the lockfile that was verified: every package there must
 * be one of the verified, with the same bytes. A subset is fine: other platforms' and omitted packages are left out. Links must lead where
 * the lockfile says, where npm left a judged package out there must be nothing else, and of what is proven, the package.json must be that of the package, with the commands and scripts that the lockfile
 * claims it has.
 *
 * This finds a lockfile that changed after it was verified and an npm that installs otherwise than it is known to. It does not hash
 * what lies in node_modules; npm hashed each tarball when it unpacked it.
 *
 * @param judged what was verified about the lockfile
 * @returns the packages installed
 * @throws ERR_INSTALLED_TREE
 */
export async function compareInstalledTree(
  directory: string,
  lock: PackageLock,
  judged: readonly Pick<JudgedPackage, 'name' | 'version' | 'locations' | 'attestations'>[] = [],
): Promise<readonly LockedPackage[]> {
  const path = join(directory, 'node_modules', '.package-lock.json');
  // npm makes no folder when there is nothing to put into it.
  const installed = await readFile(path).then(
    (content) => readPackageLock(content).packages,
    (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT' && lock.packages.every(isOptional)) return [];
      throw new SignetError('ERR_INSTALLED_TREE', `npm left no record of what it installed in ${path}`, { cause });
    },
  );
  const verified = new Set(lock.packages.map((entry) => identity(entry)));
  // npm writes down the hash of what it fetched where the lockfile had none; whether that was allowed has been decided.
  const isKnown = (entry: LockedPackage): boolean =>
    verified.has(identity(entry)) || (entry.source === 'registry' && verified.has(identity(entry, '')));
  const stranger = installed.find((entry) => !isKnown(entry));
  if (stranger !== undefined) {
    throw new SignetError(
      'ERR_INSTALLED_TREE',
      `npm installed ${stranger.name}@${stranger.version ?? ''} in ${stranger.location}, which was not verified`,
      { expected: 'only packages of the verified lockfile', found: identity(stranger) },
    );
  }
  const present = new Set(installed.map(({ location }) => location));
  const missing = judged.flatMap(({ locations }) => locations.filter((location) => !present.has(location)));
  await mapConcurrently(missing, filesAtOnce, (location) => assertNothing(directory, location));
  const proven = new Map(
    judged.flatMap(({ name, version, locations, attestations }) =>
      attestations.length === 0 ? [] : locations.map((location) => [location, { name, version }] as const),
    ),
  );
  await mapConcurrently(installed, filesAtOnce, async (entry) => {
    if (entry.source === 'link') return await assertLink(directory, entry);
    const subject = proven.get(entry.location);
    if (subject !== undefined) await assertManifest(directory, entry, subject);
  });
  return installed;
}

/**
 * Removes every node_modules that npm filled from a lockfile, where what it filled it with is not what was verified.
 */
export async function removeInstalled(directory: string, lock: PackageLock): Promise<void> {
  const folders = lock.packages.map(({ location }) => location.slice(0, location.indexOf('node_modules')));
  for (const folder of new Set(['', ...folders])) {
    if (!folder.startsWith('..')) await rm(join(directory, folder, 'node_modules'), { recursive: true, force: true });
  }
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

/** What npm says nothing about, it did not put there. */
async function assertNothing(directory: string, location: string): Promise<void> {
  const isThere = await lstat(join(directory, location)).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT' && error.code !== 'ENOTDIR',
  );
  if (!isThere) return;
  throw new SignetError('ERR_INSTALLED_TREE', `${location} is not what npm installed, which left it out; remove it`, {
    expected: 'nothing, or the package of the lockfile',
    found: location,
  });
}

async function assertLink(directory: string, { location, resolved = '' }: LockedPackage): Promise<void> {
  const [found, expected] = await Promise.all(
    [join(directory, location), resolve(directory, resolved)].map((path) => realpath(path).catch(() => undefined)),
  );
  if (found === expected) return;
  throw new SignetError('ERR_INSTALLED_TREE', `${location} does not lead to ${resolved || 'the project'}`, {
    expected: resolved,
    found: found ?? 'nothing',
  });
}

async function assertManifest(
  directory: string,
  { location, bin = {}, hasInstallScript = false }: LockedPackage,
  { name, version }: { readonly name: string; readonly version: string },
): Promise<void> {
  const folder = join(directory, location);
  const differs = (expected: string, found: string): never => {
    throw new SignetError('ERR_INSTALLED_TREE', `${location} is not what the lockfile says of ${name}@${version}`, {
      expected,
      found,
    });
  };
  const manifest = (await readManifest(join(folder, 'package.json'))) ?? differs('a package.json', 'none');
  const said = own(manifest, 'version');
  const found = `${own(manifest, 'name')}@${typeof said === 'string' ? said.replace(/^[\s=v]+/, '') : said}`;
  if (found !== `${name}@${version}`) differs(`${name}@${version}`, found);
  const commands = commandsOf(manifest, name);
  for (const [command, file] of Object.entries(bin)) {
    if (commands(plainCommand(command)) !== plainPath(file)) {
      differs('the commands in its package.json', `${command}: ${file}`);
    }
  }
  if (hasInstallScript && !hasScripts(manifest) && !(await hasGypFile(folder))) {
    differs('no scripts, as in its package.json', 'hasInstallScript');
  }
}

/** The file that a package.json has for a command (npm-normalize-package-bin). */
function commandsOf(manifest: JsonObject, name: string): (command: string) => string | undefined {
  const bin = own(manifest, 'bin');
  const known = new Map<string, string>();
  if (typeof bin === 'string') known.set(plainCommand(name), plainPath(bin));
  if (isJsonObject(bin)) {
    for (const [command, file] of Object.entries(bin)) {
      if (typeof file === 'string') known.set(plainCommand(command), plainPath(file));
    }
  }
  const directories = own(manifest, 'directories');
  const folder = isJsonObject(directories) ? own(directories, 'bin') : undefined;
  if (bin !== undefined || typeof folder !== 'string') return (command) => known.get(command);
  // Every file of that folder is a command of its name.
  return (command) => posix.join(plainPath(folder), command);
}

function plainCommand(command: string): string {
  return posix.join('/', posix.basename(command.replace(/[\\:]/g, '/'))).slice(1);
}

function plainPath(path: string): string {
  return posix.join('/', path.replaceAll('\\', '/')).slice(1);
}
