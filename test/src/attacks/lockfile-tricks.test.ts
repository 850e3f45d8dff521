import assert from 'node:assert/strict';
import { access, chmod, cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { succeed } from '../scene/instance.ts';
import { run } from '../scene/processes.ts';
import { AttackScene, allowed, victim } from './attack-scene.ts';
import { planted, Stranger } from './stranger.ts';

/** Attacks by what npm reads otherwise than it looks. Each first shows that npm alone falls for it. */
describe('attack: what a lockfile does not say', function () {
  this.timeout(120_000);
  let scene: AttackScene;
  let stranger: Stranger;
  let project: string;
  let count = 0;

  before(async () => {
    scene = await AttackScene.open();
    stranger = await Stranger.open(scene.workshop, victim, '1.0.0');
  });
  after(async () => {
    await stranger?.close();
    await scene?.close();
  });

  beforeEach(async () => {
    project = await scene.copyProject(`project-${count++}`);
    await rm(stranger.trace, { force: true });
  });

  const file = (...names: readonly string[]) => join(project, ...names);
  const location = `node_modules/${victim}`;
  const env = () => ({ ...allowed, STRANGER_TRACE: stranger.trace });
  const ci = (args: readonly string[] = [], more: Record<string, string> = {}) =>
    scene.workshop.signet(['ci', ...args], { cwd: project, env: { ...env(), ...more } });
  const npmCi = () => succeed(scene.workshop.npm(['ci'], { cwd: project, env: env() }));
  const printed = async () => (await succeed(scene.workshop.node(['main.js'], { cwd: project }))).stdout;
  const exists = (path: string) =>
    access(path).then(
      () => true,
      () => false,
    );

  type Packages = Record<string, Record<string, unknown>>;
  async function changeLock(change: (packages: Packages) => void): Promise<void> {
    const lock = JSON.parse(await readFile(file('package-lock.json'), 'utf8'));
    change(lock.packages);
    await writeFile(file('package-lock.json'), JSON.stringify(lock, undefined, 2));
  }
  async function changeManifest(change: (manifest: Record<string, unknown>) => void): Promise<void> {
    const manifest = JSON.parse(await readFile(file('package.json'), 'utf8'));
    change(manifest);
    await writeFile(file('package.json'), JSON.stringify(manifest));
  }

  /** That npm alone installs what was planted; then takes it away again. */
  async function assertNpmFallsForIt(): Promise<void> {
    await npmCi();
    assert.match(await printed(), new RegExp(planted), 'npm alone installs it');
    await rm(file('node_modules'), { recursive: true });
    await rm(stranger.trace, { force: true });
  }

  async function assertRefused(code: number, reason: RegExp): Promise<void> {
    const result = await ci(['--no-cache']);
    assert.equal(result.code, code, result.stderr);
    assert.match(result.stderr, reason);
    assert.equal(await exists(file('node_modules')), false, 'nothing is unpacked');
    assert.equal(await exists(stranger.trace), false, 'nothing of the package ran');
  }

  it('a link that puts a folder of the pull request in the place of a package is refused', async () => {
    await cp(stranger.folder, file('vendor', 'fixture'), { recursive: true });
    await changeLock((packages) => {
      packages[location] = { resolved: 'vendor/fixture', link: true };
      packages['vendor/fixture'] = { name: victim, version: '1.0.0' };
    });
    await assertNpmFallsForIt();
    await assertRefused(10, /TP105 .*\n.*\n +found: +vendor\/fixture/);
  });

  it('a link that goes through a symbolic link in the place of a workspace is refused', async () => {
    await cp(stranger.folder, file('vendor', 'fixture'), { recursive: true });
    await mkdir(file('packages'));
    await symlink('../vendor/fixture', file('packages', 'greeting'));
    await changeManifest((manifest) => {
      manifest.workspaces = ['packages/*'];
    });
    await changeLock((packages) => {
      packages[location] = { resolved: 'packages/greeting', link: true };
      packages['packages/greeting'] = { name: victim, version: '1.0.0' };
      if (packages[''] !== undefined) packages[''].workspaces = ['packages/*'];
    });
    await assertRefused(10, /TP105/);
  });

  it('the package itself, as a workspace of the project that makes it, is let in', async () => {
    await cp(stranger.folder, file('packages', 'greeting'), { recursive: true });
    await changeManifest((manifest) => {
      manifest.workspaces = ['packages/*'];
    });
    await succeed(scene.workshop.npm(['install', '--package-lock-only'], { cwd: project }));
    await succeed(ci());
    assert.match(await printed(), new RegExp(planted));
    assert.equal(await exists(stranger.trace), true, 'its scripts run as npm ci runs them');
  });

  const page = `https://github.com/evil/greeting.git#${'0'.repeat(40)}`;
  for (const [what, places, code, reason] of [
    ['a page of a repository', { resolved: page }, 10, /TP105 .*from git/],
    ['a repository in a member that npm never writes', { resolved: undefined, _resolved: page }, 2, /_resolved/],
  ] as const)
    it(`${what}, which npm clones without comparing a hash, is refused`, async () => {
      await changeLock((packages) => {
        packages[location] = { ...packages[location], ...places };
      });
      // A proxy that is not there, so that the test reaches nobody.
      const proxy = { ...allowed, npm_config_https_proxy: 'http://127.0.0.1:9', npm_config_fetch_retries: '0' };
      const { stderr } = await scene.workshop.npm(['ci'], { cwd: project, env: proxy });
      assert.match(stderr, /skipping integrity check for git dependency/, 'npm alone would install any bytes');
      await rm(file('node_modules'), { recursive: true, force: true });
      await assertRefused(code, reason);
    });

  for (const [what, change] of Object.entries({
    'the project': () =>
      changeManifest((manifest) => {
        manifest.dependencies = { [victim]: stranger.url };
      }),
    'an override': () =>
      changeManifest((manifest) => {
        manifest.dependencies = { [victim]: stranger.url };
        manifest.overrides = { [victim]: `$${victim}` };
      }),
    'a package of the lockfile': async () => {
      await changeLock((packages) => {
        packages['vendor/other'] = { name: 'other', version: '1.0.0', dependencies: { [victim]: stranger.url } };
        packages['node_modules/other'] = { resolved: 'vendor/other', link: true };
        if (packages[''] !== undefined) packages[''].dependencies = { other: 'file:vendor/other' };
      });
      await mkdir(file('vendor', 'other'), { recursive: true });
      const manifest = { name: 'other', version: '1.0.0', dependencies: { [victim]: stranger.url } };
      await writeFile(file('vendor', 'other', 'package.json'), JSON.stringify(manifest));
      await changeManifest((own) => {
        own.dependencies = { other: 'file:vendor/other' };
      });
    },
  })) {
    it(`a dependency of ${what} by a URL, which npm follows instead of an honest lockfile, is refused`, async () => {
      await change();
      await assertNpmFallsForIt();
      await assertRefused(10, /TP105 .*by a URL/);
    });
  }

  it('markers of a merge conflict inside of strings, with which npm reads another file, are refused', async () => {
    const lock = await readFile(file('package-lock.json'), 'utf8');
    const [, resolved, integrity] = /("resolved": ".*",)\n +("integrity": ".*")/.exec(lock) ?? [];
    assert.ok(resolved && integrity);
    const text = lock.replace(
      /"resolved": ".*",\n +"integrity": ".*"/,
      `"a": "<<<<<<<",
      "resolved": "${stranger.url}", "integrity": "${stranger.integrity}",
      "b": "|||||||",
      ${resolved} ${integrity},
      "c": "=======",
      "d": ">>>>>>>",
      "funding": {}`,
    );
    assert.equal(JSON.parse(text).packages[location].resolved, JSON.parse(`{${resolved.slice(0, -1)}}`).resolved);
    await writeFile(file('package-lock.json'), text);
    await assertNpmFallsForIt();
    await assertRefused(2, /ERR_LOCKFILE/);
  });

  it('scripts in the lockfile, which npm runs instead of those of the package, are refused', async () => {
    await changeLock((packages) => {
      const script = `node -e "require('fs').writeFileSync(process.env.STRANGER_TRACE, 'it ran')"`;
      packages[location] = { ...packages[location], hasInstallScript: true, scripts: { postinstall: script } };
    });
    await npmCi();
    assert.equal(await exists(stranger.trace), true, 'npm alone runs it');
    await rm(stranger.trace);
    await rm(file('node_modules'), { recursive: true });
    await assertRefused(2, /scripts.*npm never writes it/);
  });

  for (const [what, more] of Object.entries({
    'a command': { bin: { node: 'greeting.js' } },
    'a script': { hasInstallScript: true },
  })) {
    it(`${what} that the lockfile gives a package, and its package.json does not have, is refused`, async () => {
      await changeLock((packages) => {
        packages[location] = { ...packages[location], ...more };
      });
      await npmCi();
      await rm(file('node_modules'), { recursive: true });
      await assertRefused(11, /ERR_INSTALLED_TREE/);
    });
  }

  it('what comes to be installed after the check is found before anything of it runs, and removed', async () => {
    const folder = scene.workshop.path(`bin-${count}`);
    await mkdir(folder);
    const { stdout } = await succeed(run('sh', ['-c', 'command -v npm'], scene.workshop.options()));
    // Another process that waits for the moment between the check and npm.
    const wrapper = `#!/bin/sh
node -e "
const fs = require('fs');
const manifest = JSON.parse(fs.readFileSync('package.json', 'utf8'));
manifest.dependencies['${victim}'] = '${stranger.url}';
fs.writeFileSync('package.json', JSON.stringify(manifest));"
exec ${stdout.trim()} "$@"
`;
    await writeFile(join(folder, 'npm'), wrapper);
    await chmod(join(folder, 'npm'), 0o755);
    const PATH = [folder, scene.workshop.options().env.PATH].join(delimiter);
    const result = await ci([], { PATH });
    assert.equal(result.code, 11, result.stderr);
    assert.match(result.stderr, /ERR_INSTALLED_TREE/);
    assert.match(result.stderr, /node_modules was removed; nothing in it was run/);
    assert.equal(await exists(file('node_modules')), false);
    assert.equal(await exists(stranger.trace), false, 'its script did not run');
  });
});
