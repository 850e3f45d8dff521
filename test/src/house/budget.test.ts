import assert from 'node:assert/strict';
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { root } from './repository.ts';

interface LockedPackage {
  readonly link?: boolean;
  readonly resolved?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

type Lock = Readonly<Record<string, LockedPackage>>;

/** Where a package that stands at `from` finds `name`, by Node's rule: the nearest node_modules upwards. */
function find(lock: Lock, from: string, name: string): string | undefined {
  for (let folder = from; ; folder = path.posix.dirname(folder)) {
    const place = path.posix.join(folder, 'node_modules', name);
    if (place in lock) return place;
    if (folder === '.') return undefined;
  }
}

/** The places in the lockfile of everything that an install of the package at `start` brings along. */
function installed(lock: Lock, start: string): Set<string> {
  const places = new Set<string>();
  const waiting = [start];
  for (let place = waiting.pop(); place !== undefined; place = waiting.pop()) {
    const entry = lock[place];
    if (entry?.link === true && entry.resolved !== undefined) {
      waiting.push(entry.resolved);
      continue;
    }
    if (entry === undefined || places.has(place)) continue;
    places.add(place);
    const peers = Object.keys(entry.peerDependencies ?? {});
    const needed = peers.filter((name) => entry.peerDependenciesMeta?.[name]?.optional !== true);
    const names = [...Object.keys({ ...entry.dependencies, ...entry.optionalDependencies }), ...needed];
    waiting.push(...names.flatMap((name) => find(lock, place, name) ?? []));
  }
  return places;
}

async function bytesIn(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true });
  const sizes = entries.map(async (entry) => {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? 0 : await bytesIn(file);
    return (await stat(file)).size;
  });
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

describe('an install of the command line', () => {
  let thirdParty: string[] = [];

  before(async () => {
    const text = await readFile(path.join(root, 'package-lock.json'), 'utf8');
    const lock = (JSON.parse(text) as { packages: Lock }).packages;
    thirdParty = [...installed(lock, 'cli')].filter((place) => place.includes('node_modules/'));
  });

  it('stays within its budget of packages', () => {
    assert.ok(thirdParty.length > 10, 'the lockfile was understood');
    assert.ok(thirdParty.length <= 140, `${thirdParty.length} third-party packages: ${thirdParty.join(', ')}`);
  });

  it('stays within its budget of bytes', async () => {
    const sizes = await Promise.all(thirdParty.map(async (place) => await bytesIn(path.join(root, place))));
    const megabytes = sizes.reduce((sum, size) => sum + size, 0) / 1e6;
    assert.ok(megabytes <= 30, `${megabytes.toFixed(1)} MB`);
  });

  it('brings no server', () => {
    const names = thirdParty.map((place) => place.split('node_modules/').at(-1));
    for (const server of ['verdaccio', 'fastify', 'oidc-provider', 'express']) assert.ok(!names.includes(server));
  });
});
