import { realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import {
  collectSpecial,
  isJsonObject,
  type JsonObject,
  type LockedPackage,
  own,
  type PackageLock,
  readPackageSpec,
  type SpecialDependency,
} from '../npm/lockfile/index.ts';
import type { Violation } from '../policy/index.ts';

export type { ProjectRules } from './lockfile-violations.ts';

import { linkedFolderViolations } from './linked-folders.ts';
import { hidesName, isError, isNamed, type ProjectRules } from './lockfile-violations.ts';
import { declaredWorkspaces, type ProjectManifest, readProjectManifests } from './project-manifests.ts';

/**
 * What a project's own files say against names that the policy is about, whatever the lockfile says of them: a folder that would stand in for
 * a package, and a dependency that asks for a repository, a URL, a file or another package. npm follows such a dependency instead of the
 * lockfile as soon as the two disagree, and then hashes nothing.
 *
 * @returns undefined for a lockfile that lies alone, without a package.json
 * @throws ERR_LOCKFILE, ERR_ENCODING, ERR_INPUT_TOO_LARGE
 */
export async function projectViolations(
  rules: ProjectRules,
  directory: string,
  lock: PackageLock,
): Promise<readonly Violation[] | undefined> {
  const manifests = await readProjectManifests(directory, lock);
  const [root] = manifests;
  if (root === undefined) return undefined;
  const special: SpecialDependency[] = [];
  for (const { location, content } of manifests) collectSpecial(content, location, manifestName(location), special);
  special.push(...overridesOf(root.content), ...extensionsOf(root.content), ...(lock.special ?? []));
  // The lockfile repeats what the files say.
  const named = new Map<string, SpecialDependency>();
  for (const one of special) {
    const key = `${one.name} ${one.spec}`;
    if (isNamed(rules, one.name) && !named.has(key)) named.set(key, one);
  }
  const links = lock.packages.filter(({ source, name }) => source === 'link' && isNamed(rules, name));
  const violations: Violation[] = [...(await linkedFolderViolations(rules, directory, lock, manifests))];
  if (named.size === 0 && links.length === 0) return violations;
  const workspaces = await declaredWorkspaces(directory, root.content);
  for (const link of links) {
    if (!(await isOwnFolder(directory, link, root, workspaces))) violations.push(strangeFolder(rules, link));
  }
  for (const dependency of named.values()) violations.push(...(await judge(rules, directory, dependency, workspaces)));
  return violations;
}

function manifestName(location: string): string {
  return location === '' ? 'package.json' : `${location}/package.json`;
}

/** Whether a link leads to the project itself or a workspace that it declares, under the name that is in its package.json. */
async function isOwnFolder(
  directory: string,
  { name, resolved = '' }: LockedPackage,
  root: ProjectManifest,
  workspaces: ReadonlyMap<string, string>,
): Promise<boolean> {
  if (resolved === '') return own(root.content, 'name') === name;
  return await isFolder(resolve(directory, resolved), workspaces.get(name));
}

async function isFolder(path: string, expected: string | undefined): Promise<boolean> {
  return expected !== undefined && (await realpath(path).catch(() => undefined)) === expected;
}

function strangeFolder(rules: ProjectRules, { name, resolved, location }: LockedPackage): Violation {
  return {
    package: name,
    severity: isError(rules, name, undefined) ? 'error' : 'warning',
    code: 'TP105',
    message: 'the lockfile puts a folder in its place that the project does not declare as a workspace of this name',
    expected: 'a tarball from a registry, or a folder that workspaces in package.json name',
    found: resolved ?? 'a link',
    evidence: location,
    next: `declare the folder in workspaces if it is where ${name} is written, else correct the lockfile`,
  };
}

async function judge(
  rules: ProjectRules,
  directory: string,
  { where, folder, name, spec }: SpecialDependency,
  workspaces: ReadonlyMap<string, string>,
): Promise<Violation[]> {
  const base = {
    package: name,
    severity: isError(rules, name, undefined) ? 'error' : 'warning',
    found: spec.slice(0, 300),
    evidence: where,
  } as const;
  const read = readPackageSpec(spec);
  if (read.kind === 'range' || read.kind === 'tag') return [];
  if (read.kind === 'alias') {
    if (!hidesName(rules, name, read.name, undefined)) return [];
    return [
      {
        ...base,
        severity: 'error',
        code: 'TP106',
        message: `${read.name} is asked for under the name ${name}, about which the policy has something to say`,
        expected: `a version of ${name}`,
        next: `depend on ${read.name} under its own name`,
      },
    ];
  }
  if (read.kind === 'path') {
    const path = resolve(directory, folder, spec.replace(/^file:/i, ''));
    if (await isFolder(path, workspaces.get(name))) return [];
  }
  return [
    {
      ...base,
      code: 'TP105',
      message: `it is asked for ${origins[read.kind]}, from where npm takes it whenever that is not what the lockfile has`,
      expected: `a version of ${name} from a registry`,
      next: `depend on a published version of ${name}`,
    },
  ];
}

const origins = { git: 'from a repository', remote: 'by a URL', path: 'from a file or folder' } as const;

/** `overrides` of the project's package.json: by name or `name@range`, nested, with `.` for the name itself and `$name` for its own. */
function overridesOf(manifest: JsonObject): SpecialDependency[] {
  const found: SpecialDependency[] = [];
  const walk = (rules: unknown, owner: string, depth: number): void => {
    if (!isJsonObject(rules) || depth > 64) return;
    for (const [key, value] of Object.entries(rules)) {
      const at = key.indexOf('@', 1);
      const name = key === '.' ? owner : at === -1 ? key : key.slice(0, at);
      if (typeof value !== 'string') walk(value, name, depth + 1);
      else found.push({ where: 'package.json overrides', folder: '', name, spec: referred(manifest, value) });
    }
  };
  walk(own(manifest, 'overrides'), '', 0);
  return found;
}

function referred(manifest: JsonObject, spec: string): string {
  if (!spec.startsWith('$')) return spec;
  for (const member of ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies']) {
    const dependencies = own(manifest, member);
    const found = isJsonObject(dependencies) ? own(dependencies, spec.slice(1)) : undefined;
    if (typeof found === 'string') return found;
  }
  // npm itself refuses a reference to nothing.
  return spec;
}

/** `packageExtensions` (npm 12): dependencies that the project adds to those of packages. */
function extensionsOf(manifest: JsonObject): SpecialDependency[] {
  const found: SpecialDependency[] = [];
  const extensions = own(manifest, 'packageExtensions');
  if (!isJsonObject(extensions)) return found;
  for (const [selector, extension] of Object.entries(extensions)) {
    if (isJsonObject(extension)) collectSpecial(extension, '', `package.json packageExtensions ${selector}`, found);
  }
  return found;
}
