import { lstat, readdir, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { inert, SignetError } from '@signet/primitives/basics';
import {
  isJsonObject,
  type JsonObject,
  type LockedPackage,
  own,
  type PackageLock,
  readPackageLock,
} from '../npm/lockfile/index.ts';
import type { Violation } from '../policy/index.ts';
import type { ProjectLockfile } from './lockfile.ts';
import { isError, isNamed, type ProjectRules } from './lockfile-violations.ts';
import { declaredWorkspaces, readManifest } from './project-manifests.ts';
import { openTrustedTree, type TrustedRefOptions } from './trusted-ref.ts';

/**
 * `npm ci` empties the node_modules of a project and of its workspaces. In a folder that the lockfile links to otherwise (`file:tool`), it
 * leaves what is there, and takes it for installed when its package.json claims the hash that is locked. So whoever can commit files could
 * commit packages there.
 */
interface Copy {
  readonly name: string;
  /** Relative to the project. */
  readonly location: string;
  /** Reached through a symbolic link, so that it lies elsewhere. */
  readonly linked: boolean;
}

const maxFolders = 100_000;

/** Packages with names that the policy is about in folders that npm links to and does not empty. */
async function copiesInLinkedFolders(
  rules: ProjectRules,
  directory: string,
  { packages }: PackageLock,
): Promise<readonly Copy[]> {
  const targets = packages.flatMap(({ source, resolved }) => (source === 'link' && resolved ? [resolved] : []));
  const copies: Copy[] = [];
  let seen = 0;
  const list = async (folder: string): Promise<readonly { readonly name: string; readonly linked: boolean }[]> => {
    const entries = await readdir(join(directory, folder), { withFileTypes: true }).catch((error: unknown) => {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return [];
      throw new SignetError('ERR_LOCKFILE', `${inert(folder)} cannot be read`, { cause: error });
    });
    seen += entries.length;
    if (seen > maxFolders)
      throw new SignetError('ERR_INPUT_TOO_LARGE', `${inert(folder)}: more than ${maxFolders} folders`);
    return entries.map((entry) => ({ name: entry.name, linked: entry.isSymbolicLink() }));
  };
  const look = async (folder: string, throughLink: boolean): Promise<void> => {
    const modules = `${folder}/node_modules`;
    const linked = throughLink || (await isLinked(directory, modules));
    for (const entry of await list(modules)) {
      const inScope = entry.name.startsWith('@')
        ? (await list(`${modules}/${entry.name}`)).map((one) => ({
            name: `${entry.name}/${one.name}`,
            linked: one.linked || entry.linked,
          }))
        : [entry];
      for (const one of inScope) {
        const copy = { name: one.name, location: `${modules}/${one.name}`, linked: linked || one.linked };
        // On file systems that ignore case the other spelling is the same folder.
        if (isNamed(rules, one.name) || isNamed(rules, one.name.toLowerCase())) copies.push(copy);
        // What a link leads to inside of the folder is looked at where it lies; more would go in circles.
        if (!copy.linked) await look(copy.location, false);
      }
    }
  };
  for (const target of new Set(targets)) {
    const before = copies.length;
    await look(target, await isElsewhere(directory, target));
    if (copies.length > before && (await isEmptiedByNpm(directory, target))) copies.length = before;
  }
  return copies;
}

async function isLinked(directory: string, modules: string): Promise<boolean> {
  return await lstat(join(directory, modules)).then(
    (found) => found.isSymbolicLink(),
    () => false,
  );
}

/** Whether a symbolic link of the project is on the way to a folder. */
async function isElsewhere(directory: string, target: string): Promise<boolean> {
  const real = await realpath(join(directory, target)).catch(() => undefined);
  return real !== undefined && real !== join(await realpath(directory), target);
}

async function isEmptiedByNpm(directory: string, target: string): Promise<boolean> {
  const manifest = await readManifest(join(directory, 'package.json'));
  if (manifest === undefined) return false;
  const real = await realpath(join(directory, target));
  return [...(await declaredWorkspaces(directory, manifest)).values()].includes(real);
}

/**
 * What linked folders bring that npm would neither remove nor replace: packages that the lockfile does not have there, and `bundleDependencies`,
 * which npm takes as they lie.
 *
 * @param manifests of the linked folders
 */
export async function linkedFolderViolations(
  rules: ProjectRules,
  directory: string,
  lock: PackageLock,
  manifests: readonly { readonly location: string; readonly content: JsonObject }[],
): Promise<readonly Violation[]> {
  const locked = new Set(lock.packages.map(({ location }) => location));
  const copies = await copiesInLinkedFolders(rules, directory, lock);
  const strange = copies.filter(({ location, linked }) => linked || !locked.has(location));
  const bundled = manifests.flatMap(({ location, content }) =>
    location === ''
      ? []
      : bundledNames(content)
          .filter((name) => isNamed(rules, name))
          .map((name) => ({ name, location: `${location}/package.json bundleDependencies` })),
  );
  return [...strange, ...bundled].map(({ name, location }) => ({
    package: name,
    severity: isError(rules, name, undefined) ? 'error' : 'warning',
    code: 'TP105',
    message: 'a folder that the lockfile links to brings a copy of its own, which npm would leave in place',
    expected: 'no copy, or one that npm installs from the lockfile',
    found: location,
    evidence: location,
    next: `remove ${location}`,
  }));
}

function bundledNames(manifest: JsonObject): string[] {
  return ['bundleDependencies', 'bundledDependencies'].flatMap((member) => {
    const value = own(manifest, member);
    if (Array.isArray(value)) return value.filter((name) => typeof name === 'string');
    if (isJsonObject(value)) return Object.keys(value);
    if (value !== true) return [];
    return ['dependencies', 'optionalDependencies'].flatMap((kind) => {
      const dependencies = own(manifest, kind);
      return isJsonObject(dependencies) ? Object.keys(dependencies) : [];
    });
  });
}

/**
 * Removes what lies in linked folders where npm is about to put packages that the policy is about, as `npm ci` does everywhere else, so
 * that npm unpacks them anew and compares their hashes.
 */
export async function emptyLinkedFolders(rules: ProjectRules, directory: string, lock: PackageLock): Promise<void> {
  for (const { location, linked } of await copiesInLinkedFolders(rules, directory, lock)) {
    if (!linked) await rm(join(directory, location), { recursive: true, force: true });
  }
}

/** Links of a lockfile under names that the policy is about: folders of the project, which nobody signed, in the place of packages. */
export function foldersOfNamed(rules: ProjectRules, { packages }: PackageLock): readonly LockedPackage[] {
  return packages.filter(({ source, name }) => source === 'link' && isNamed(rules, name));
}

/**
 * Checks that a trusted ref has the same folders in the place of packages: its lockfile must link the names to them.
 *
 * @throws ERR_TRUST_CHANGED, and what reading the ref throws
 */
export async function assertFoldersTrusted(
  folders: readonly LockedPackage[],
  directory: string,
  lockfile: ProjectLockfile,
  { ref, env }: Pick<TrustedRefOptions, 'ref' | 'env'>,
): Promise<void> {
  if (folders.length === 0) return;
  const tree = await openTrustedTree(directory, ref, env);
  const text = await tree.read(lockfile.path);
  const trusted = text === undefined ? [] : readPackageLock(text).packages;
  const fresh = folders.filter(
    ({ location, name, resolved }) =>
      !trusted.some(
        (one) => one.source === 'link' && one.location === location && one.name === name && one.resolved === resolved,
      ),
  );
  if (fresh.length === 0) return;
  throw new SignetError(
    'ERR_TRUST_CHANGED',
    `folders of the project stand in the place of packages that the policy is about, and do not in ${inert(ref)}; somebody who may must look at it:\n${fresh
      .map(({ name, resolved }) => `  - ${inert(name)}: ${inert(resolved || 'the project itself')}`)
      .join('\n')}`,
    { expected: `the workspaces of ${ref}`, found: `${fresh.length} more` },
  );
}
