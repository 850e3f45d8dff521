import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isJsonObject, type JsonObject, type LockedPackage, own } from '../npm/lockfile/index.ts';
import { mapConcurrently } from './pool.ts';
import { readManifest } from './project-manifests.ts';

/** Whether npm would run something of a package when it installs it. */
export function hasScripts(manifest: JsonObject, events: readonly string[] = dependencyEvents): boolean {
  const scripts = own(manifest, 'scripts');
  return isJsonObject(scripts) && events.some((event) => isScript(own(scripts, event)));
}

const dependencyEvents = ['preinstall', 'install', 'postinstall'];
/** Folders that are linked to are prepared, too. */
const linkEvents = [...dependencyEvents, 'prepare'];

const isScript = (value: unknown): boolean => typeof value === 'string' && value !== '';

/** Whether npm would compile it. Asked of every package, and quicker answered at once than by a thread. */
export async function hasGypFile(folder: string): Promise<boolean> {
  return existsSync(join(folder, 'binding.gyp'));
}

/** Where packages lie of which npm would run something. */
export interface PackagesWithScripts {
  readonly required: readonly string[];
  /** Those that npm does without when their scripts fail. */
  readonly optional: readonly string[];
}

/** Those of the installed packages of which `npm ci` would run something, as far as it can be told without asking npm. */
export async function packagesWithScripts(
  directory: string,
  installed: readonly LockedPackage[],
): Promise<PackagesWithScripts> {
  const found = await mapConcurrently(installed, 64, async (entry) => {
    const { location, source, resolved = '', hasInstallScript = false } = entry;
    const folder = join(directory, source === 'link' ? resolved : location);
    if (hasInstallScript || (await hasGypFile(folder))) return [entry];
    if (source !== 'link') return [];
    // What npm cannot read it does not run.
    const manifest = await readManifest(join(folder, 'package.json')).catch(() => undefined);
    return manifest !== undefined && hasScripts(manifest, linkEvents) ? [entry] : [];
  });
  const paths = (mayFail: boolean): string[] =>
    found.flat().flatMap((entry) => ((entry.mayFail === true) === mayFail ? [entry.location] : []));
  return { required: paths(false), optional: paths(true) };
}

/** Runs npm with arguments, and gives its exit code. */
export type RunNpm = (args: readonly string[]) => Promise<number>;

/** Characters of a command line, less than any system's limit. */
const longest = 16_000;

/**
 * Runs the scripts of dependencies, which an installation with `--ignore-scripts` has left out, by `npm rebuild`: so npm decides what
 * may run. An optional package whose scripts fail is removed, as npm does.
 *
 * @param onLeftOut takes the location of each such package
 * @returns npm's exit code
 */
export async function runDependencyScripts(
  directory: string,
  { required, optional }: PackagesWithScripts,
  run: RunNpm,
  onLeftOut: (location: string) => void,
): Promise<number> {
  for (const part of parts(required.map((location) => join(directory, location)))) {
    const code = await run(['rebuild', ...part]);
    if (code !== 0) return code;
  }
  for (const location of optional) {
    if ((await run(['rebuild', join(directory, location)])) === 0) continue;
    await rm(join(directory, location), { recursive: true, force: true });
    onLeftOut(location);
  }
  return 0;
}

function parts(paths: readonly string[]): string[][] {
  const all: string[][] = [];
  let length = longest;
  for (const path of paths) {
    length += path.length + 1;
    if (length > longest) {
      all.push([]);
      length = path.length + 1;
    }
    all.at(-1)?.push(path);
  }
  return all;
}

/** The scripts of a project itself, each as `npm run` knows it, which adds those called pre… and post…. */
export interface ProjectScripts {
  readonly before: readonly (readonly string[])[];
  readonly after: readonly (readonly string[])[];
}

/**
 * What `npm ci` runs of the project: preinstall, install, postinstall, prepublish, preprepare, prepare and postprepare. All of it comes after
 * the packages, but for preinstall from npm 12 on.
 *
 * @param preinstallFirst whether this npm runs preinstall before it unpacks anything
 * @param compiles whether there is a binding.gyp, which npm compiles where no script says otherwise
 * @returns arguments of npm
 */
export function projectScripts(
  manifest: JsonObject,
  { preinstallFirst, compiles }: { readonly preinstallFirst: boolean; readonly compiles: boolean },
): ProjectScripts {
  const scripts = own(manifest, 'scripts');
  const has = (event: string): boolean => isJsonObject(scripts) && isScript(own(scripts, event));
  const run = (event: string): string[] => ['run', event];
  const each = (...events: readonly string[]): string[][] => events.filter(has).map(run);
  const before = preinstallFirst ? each('preinstall') : [];
  const gyp = compiles && own(manifest, 'gypfile') !== false && !has('install') && !has('preinstall');
  const install = gyp
    ? // Which runs its postinstall, too.
      [['rebuild', '.']]
    : !has('install')
      ? each(...(preinstallFirst ? [] : ['preinstall']), 'postinstall')
      : // With the name of the middle one, npm runs all three; where the first has run already, each by itself.
        before.length > 0
        ? [['run', 'install', '--ignore-scripts'], ...each('postinstall')]
        : [run('install')];
  const prepare = has('prepare') ? [run('prepare')] : each('preprepare', 'postprepare');
  return { before, after: [...install, ...each('prepublish'), ...prepare] };
}
