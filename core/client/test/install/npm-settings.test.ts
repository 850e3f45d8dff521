import assert from 'node:assert/strict';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assertHashesCompared, loadNpmSettings, registryFor } from '@signet/client/install';

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
