import assert from 'node:assert/strict';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  assertHashesCompared,
  assertProjectSettings,
  loadNpmSettings,
  openNpmProject,
  registryFor,
} from '@signet/client/install';

describe('npm’s settings', () => {
  let folder: string;
  let env: Record<string, string>;

  beforeEach(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'signet-settings-')));
    env = {
      HOME: folder,
      PATH: '',
      npm_config_userconfig: join(folder, 'user.npmrc'),
      npm_config_globalconfig: join(folder, 'none'),
    };
    await mkdir(join(folder, 'app'));
    await writeFile(join(folder, 'app', 'package.json'), '{"name":"app","version":"1.0.0"}');
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  const load = (flags: string[] = [], cwd = join(folder, 'app')) => loadNpmSettings({ cwd, env, flags });

  const open = (flags: string[] = []) => openNpmProject({ cwd: join(folder, 'app'), env, flags });

  it('find the project as npm does, from below, by flag, by variable and from a workspace', async () => {
    const app = join(folder, 'app');
    await mkdir(join(app, 'src'));
    assert.equal((await load([], join(app, 'src'))).directory, app);
    assert.equal((await load([`--prefix=${app}`], folder)).directory, app);
    assert.equal((await load(['-C', app], folder)).directory, app);
    await writeFile(join(app, 'package.json'), '{"name":"app","version":"1.0.0","workspaces":["packages/*"]}');
    await mkdir(join(app, 'packages', 'tool'), { recursive: true });
    await writeFile(join(app, 'packages', 'tool', 'package.json'), '{"name":"tool","version":"1.0.0"}');
    assert.equal((await load([], join(app, 'packages', 'tool'))).directory, app);
  });

  it('refuse what has no lockfile', async () => {
    await assert.rejects(load(['--global']), { code: 'ERR_LOCKFILE_CONFLICT' });
    await assert.rejects(load(['--location=global']), { code: 'ERR_LOCKFILE_CONFLICT' });
  });

  it('tell whether anything will be installed', async () => {
    assert.equal((await load()).installs, true);
    assert.equal((await load(['--dry-run'])).installs, false);
    assert.equal((await load(['--package-lock-only'])).installs, false);
  });

  it('may not make npm forget the lockfile’s hashes, wherever they stand', async () => {
    assertHashesCompared(await load());
    const refused = { code: 'ERR_LOCKFILE_CONFLICT', message: /install-strategy/ };
    const byFlag = await load(['--install-strategy=linked']);
    assert.throws(() => assertHashesCompared(byFlag), refused);
    env.npm_config_install_strategy = 'linked';
    const byVariable = await load();
    assert.throws(() => assertHashesCompared(byVariable), refused);
    delete env.npm_config_install_strategy;
    await writeFile(join(folder, 'app', '.npmrc'), 'install-strategy=linked\n');
    const byFile = await load();
    assert.throws(() => assertHashesCompared(byFile), refused);
  });

  it('may not say in a project’s file that nothing is installed, though a flag or a variable may', async () => {
    for (const line of ['dry-run=true', 'dry-run', 'package-lock-only = true']) {
      await writeFile(join(folder, 'app', '.npmrc'), `${line}\n`);
      await assert.rejects(open(), { code: 'ERR_LOCKFILE_CONFLICT', message: /installs nothing/ }, line);
    }
    await writeFile(join(folder, 'app', '.npmrc'), 'dry-run=false\n');
    assert.equal((await open()).installs, true);
    await writeFile(join(folder, 'app', '.npmrc'), 'dry-run=true\n');
    assert.equal((await open(['--dry-run'])).installs, false);
    assert.equal((await open(['--no-dry-run'])).installs, true);
    await rm(join(folder, 'app', '.npmrc'));
    env.npm_config_dry_run = 'true';
    assert.equal((await open()).installs, false);
  });

  it('may not name programs in a project’s file, or code that they load', async () => {
    const refused = { code: 'ERR_LOCKFILE_CONFLICT', message: /program/ };
    for (const line of [
      'git=./x',
      'git=x',
      'shell=./x',
      'node-gyp=./x.js',
      'editor=./x',
      'viewer=./x',
      'script-shell=./x',
      'script-shell=/bin/../x',
      'node-options=--require ./x.js',
      'node-options=--max-old-space-size=4096 --import=./x.js',
    ]) {
      await writeFile(join(folder, 'app', '.npmrc'), `${line}\n`);
      await assert.rejects(open(), refused, line);
      await writeFile(env.npm_config_userconfig ?? '', `${line}\n`);
      await rm(join(folder, 'app', '.npmrc'));
      await open();
      await rm(env.npm_config_userconfig ?? '');
    }
    for (const line of ['script-shell=bash', 'node-options=--max-old-space-size=4096 --no-warnings']) {
      await writeFile(join(folder, 'app', '.npmrc'), `${line}\n`);
      assertProjectSettings(await load());
      await open();
    }
  });

  it('give each scope its registry, and each registry only its own credentials', async () => {
    await writeFile(
      join(folder, 'app', '.npmrc'),
      '@acme:registry=https://npm.acme.example/base\nregistry=https://mirror.example/npm/\n',
    );
    await writeFile(
      env.npm_config_userconfig ?? '',
      [
        '//npm.acme.example/base/:_authToken=secret',
        '//mirror.example/npm/:username=alice',
        `//mirror.example/npm/:_password=${Buffer.from('pass').toString('base64')}`,
        '',
      ].join('\n'),
    );
    const { options } = await load();
    assert.deepEqual(registryFor('@acme/widgets', options), {
      url: 'https://npm.acme.example/base/',
      headers: { authorization: 'Bearer secret' },
    });
    assert.deepEqual(registryFor('left-pad', options), {
      url: 'https://mirror.example/npm/',
      headers: { authorization: `Basic ${Buffer.from('alice:pass').toString('base64')}` },
    });
    for (const other of [
      'https://npm.acme.example/',
      'https://npm.acme.example.evil/base/',
      'https://npm.acme.example:444/base/',
    ]) {
      assert.deepEqual(registryFor('left-pad', options, other).headers, {}, other);
    }
    assert.throws(() => registryFor('left-pad', options, 'file:///etc'), { code: 'ERR_CONFIGURATION' });
  });
});
