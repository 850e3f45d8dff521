import { readFile } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { inert, parseJson, SignetError } from '@signet/primitives/formats';
import { isObject } from '../http/index.ts';

/** A workspace of a repository. */
export interface Workspace {
  readonly name: string;
  readonly path: string;
}

/**
 * The workspaces of the project in `cwd` that can be published, in the order of package.json, by npm's own reading of its
 * `workspaces`.
 *
 * @param chosen names or paths of workspaces, as npm's `--workspace` takes them; without it all that are not private
 * @throws ERR_USAGE when there are none, or one that is chosen is none of them; ERR_PACKAGE_PRIVATE
 */
export async function findWorkspaces(cwd: string, chosen?: readonly string[]): Promise<readonly Workspace[]> {
  const { default: mapWorkspaces } = await import('@npmcli/map-workspaces');
  const manifest = await readManifest(cwd);
  let map: ReadonlyMap<string, string>;
  try {
    map = await mapWorkspaces({ cwd, pkg: manifest });
  } catch (cause) {
    throw new SignetError('ERR_USAGE', `the workspaces in ${join(cwd, 'package.json')} cannot be read`, { cause });
  }
  const all = [...map].map(([name, path]) => ({ name, path }));
  if (all.length === 0) throw new SignetError('ERR_USAGE', `${join(cwd, 'package.json')} names no workspaces`);
  if (chosen === undefined) {
    const open: Workspace[] = [];
    for (const one of all) if ((await readManifest(one.path)).private !== true) open.push(one);
    if (open.length === 0)
      throw new SignetError('ERR_USAGE', 'all workspaces are private; there is nothing to publish');
    return open;
  }
  const found = new Set<Workspace>();
  for (const wanted of chosen) {
    const path = resolve(cwd, wanted);
    // npm: a name, a path, or a folder in which workspaces are.
    const matching = all.filter((one) => one.name === wanted || one.path === path || isBelow(one.path, path));
    if (matching.length === 0) {
      const known = all
        .map(({ name, path: place }) => `${name} (${relative(cwd, place) || basename(place)})`)
        .join(', ');
      throw new SignetError('ERR_USAGE', `there is no workspace ${inert(wanted)}`, {
        expected: inert(known),
        found: inert(wanted),
      });
    }
    for (const one of matching) found.add(one);
  }
  return all.filter((one) => found.has(one));
}

async function readManifest(folder: string): Promise<Readonly<Record<string, unknown>>> {
  const path = join(folder, 'package.json');
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new SignetError('ERR_USAGE', `${path} cannot be read`, { cause });
  });
  const value = parseJson(text, path);
  if (isObject(value)) return value;
  throw new SignetError('ERR_PACKAGE', `${path} is not a JSON object`);
}

function isBelow(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== '' && !way.startsWith('..') && !way.startsWith('/');
}
