import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { root } from './repository.ts';

interface LockedPackage {
  readonly version?: string;
  readonly link?: boolean;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

describe('package-lock.json', () => {
  let packages: readonly (readonly [place: string, entry: LockedPackage])[] = [];

  before(async () => {
    const lock = JSON.parse(await readFile(path.join(root, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, LockedPackage>;
    };
    packages = Object.entries(lock.packages);
  });

  it('pins the bytes of every package from a registry, without naming a registry', () => {
    const installed = packages.filter(([place, { link }]) => /(^|\/)node_modules\//.test(place) && link !== true);
    assert.ok(installed.length > 0);
    const unpinned = installed.filter(([, { integrity }]) => !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity ?? ''));
    assert.deepEqual(unpinned, []);
    assert.deepEqual(
      installed.filter(([, { resolved }]) => resolved !== undefined),
      [],
    );
  });

  it('knows the optional packages of every platform, without which `npm ci` refuses it', () => {
    const names = new Set(packages.map(([place]) => place.split('node_modules/').at(-1)));
    const optional = packages.flatMap(([, { optionalDependencies }]) => Object.keys(optionalDependencies ?? {}));
    assert.ok(optional.length > 0);
    assert.deepEqual(
      optional.filter((name) => !names.has(name)),
      [],
    );
  });
});
