import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packagesWithScripts, projectScripts, runDependencyScripts } from '@signet/client/install';
import type { LockedPackage } from '@signet/client/npm';

describe('scripts of a project', () => {
  const all = { preinstall: 'a', install: 'b', postinstall: 'c', prepublish: 'd', preprepare: 'e', prepare: 'f' };
  const told = (
    scripts: object,
    { preinstallFirst = false, compiles = false, gypfile = undefined as unknown } = {},
  ) => {
    const manifest = gypfile === undefined ? { scripts } : { scripts, gypfile };
    const { before, after } = projectScripts(manifest, { preinstallFirst, compiles });
    return [...before.map((args) => args.join(' ')), '|', ...after.map((args) => args.join(' '))].join(', ');
  };

  it('are asked for by the name that makes npm run those around it, so that each runs once', () => {
    assert.equal(told(all), '|, run install, run prepublish, run prepare');
    assert.equal(told({ preinstall: 'a', postinstall: 'c' }), '|, run preinstall, run postinstall');
    assert.equal(told({ preprepare: 'e', postprepare: 'g' }), '|, run preprepare, run postprepare');
    assert.equal(told({ test: 'x', install: '' }), '|');
    assert.equal(told({}), '|');
  });

  it('begin with preinstall before anything is unpacked where npm does so', () => {
    const npm12 = { preinstallFirst: true };
    assert.equal(told({ preinstall: 'a', postinstall: 'c' }, npm12), 'run preinstall, |, run postinstall');
    assert.equal(
      told(all, npm12),
      'run preinstall, |, run install --ignore-scripts, run postinstall, run prepublish, run prepare',
    );
    assert.equal(told({ install: 'b' }, npm12), '|, run install');
  });

  it('are a compilation where there is something to compile and nothing says otherwise', () => {
    assert.equal(told({ postinstall: 'c' }, { compiles: true }), '|, rebuild .');
    assert.equal(told({ install: 'b' }, { compiles: true }), '|, run install');
    assert.equal(told({}, { compiles: true, gypfile: false }), '|');
  });
});

describe('scripts of packages', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'signet-scripts-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const entry = (location: string, more: Partial<LockedPackage> = {}): LockedPackage => ({
    location,
    name: location.slice('node_modules/'.length),
    source: 'registry',
    dev: false,
    optional: false,
    hasShrinkwrap: false,
    patched: false,
    ...more,
  });
  const write = async (path: string, text: string) => {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), text);
  };

  it('are looked for where the lockfile claims them, where there is something to compile, and in linked folders', async () => {
    await write('node_modules/compiled/binding.gyp', '');
    await write('packages/a/package.json', '{"scripts":{"prepare":"x"}}');
    await write('packages/b/package.json', '{"scripts":{"test":"x"}}');
    await write('packages/c/package.json', 'no JSON');
    const link = { source: 'link' } as const;
    const found = await packagesWithScripts(folder, [
      entry('node_modules/plain'),
      entry('node_modules/claimed', { hasInstallScript: true }),
      entry('node_modules/optional', { hasInstallScript: true, optional: true, mayFail: true }),
      entry('node_modules/both', { hasInstallScript: true, optional: true }),
      entry('node_modules/compiled'),
      entry('node_modules/a', { ...link, resolved: 'packages/a' }),
      entry('node_modules/b', { ...link, resolved: 'packages/b' }),
      entry('node_modules/c', { ...link, resolved: 'packages/c' }),
    ]);
    assert.deepEqual(found, {
      required: ['claimed', 'both', 'compiled', 'a'].map((name) => `node_modules/${name}`),
      optional: ['node_modules/optional'],
    });
  });

  it('of very many packages are run in several goes, until one fails', async () => {
    const required = Array.from({ length: 2000 }, (_, index) => `node_modules/package-${index}`);
    const goes: (readonly string[])[] = [];
    const run = async (args: readonly string[]) => (goes.push(args) < 3 ? 0 : 7);
    assert.equal(await runDependencyScripts(folder, { required, optional: ['x'] }, run, assert.fail), 7);
    assert.equal(goes.length, 3);
    for (const [first, ...paths] of goes) {
      assert.equal(first, 'rebuild');
      assert.ok(paths.join(' ').length < 20_000);
    }
    assert.equal(goes[0]?.[1], join(folder, 'node_modules/package-0'));
  });
});
