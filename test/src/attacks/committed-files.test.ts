import assert from 'node:assert/strict';
import { access, copyFile, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { author, succeed } from '../scene/instance.ts';
import { run } from '../scene/processes.ts';
import { AttackScene, victim } from './attack-scene.ts';

/** Attacks by files that a pull request commits where npm puts packages, and by settings with which npm leaves them there. */
describe('attack: files in the place of packages', function () {
  this.timeout(120_000);
  let scene: AttackScene;
  let project: string;
  let count = 0;

  before(async () => {
    scene = await AttackScene.open();
  });
  after(() => scene?.close());

  beforeEach(async () => {
    project = await scene.copyProject(`project-${count++}`);
  });

  const file = (name: string) => join(project, name);
  const ci = (...args: readonly string[]) => scene.workshop.signet(['ci', ...args], { cwd: project });
  const write = async (name: string, content: unknown) => {
    await mkdir(dirname(file(name)), { recursive: true });
    await writeFile(file(name), typeof content === 'string' ? content : JSON.stringify(content));
  };
  const plant = async (folder: string) => {
    await write(`${folder}/package.json`, {
      name: victim,
      version: '1.0.0',
      main: 'greeting.js',
      exports: './greeting.js',
    });
    await write(`${folder}/greeting.js`, "export const greet = () => 'planted';\n");
  };
  const planted = async (folder: string) => /planted/.test(await readFile(file(`${folder}/greeting.js`), 'utf8'));

  it('refuses a project whose settings would leave a committed node_modules in place', async () => {
    await plant(`node_modules/${victim}`);
    for (const setting of ['dry-run=true', 'package-lock-only=true']) {
      const npmrc = file('.npmrc');
      const before = await readFile(npmrc, 'utf8').catch(() => '');
      await writeFile(npmrc, `${before}\n${setting}\n`);
      const { code, stderr } = await ci();
      assert.notEqual(code, 0, stderr);
      assert.match(stderr, /ERR_LOCKFILE_CONFLICT/);
      await writeFile(npmrc, before);
    }
    const asked = await succeed(ci('--dry-run'));
    assert.match(asked.stderr, /node_modules was not looked at/);
    assert.equal(await planted(`node_modules/${victim}`), true);

    await succeed(ci());
    assert.equal(await planted(`node_modules/${victim}`), false);
  });

  it('refuses a project whose settings name a program for npm to start', async () => {
    await write('git.sh', `#!/bin/sh\ntouch ${file('ran')}\n`);
    const npmrc = await readFile(file('.npmrc'), 'utf8').catch(() => '');
    await writeFile(file('.npmrc'), `${npmrc}\ngit=${file('git.sh')}\n`);
    const { code, stderr } = await ci();
    assert.notEqual(code, 0, stderr);
    assert.match(stderr, /ERR_LOCKFILE_CONFLICT.*git=|git=.*program that npm starts/s);
    await assert.rejects(access(file('ran')), 'nothing was started');
    await assert.rejects(access(file('node_modules')), 'nothing was unpacked');
  });

  describe('in a folder that the project links to', () => {
    /** Depends on the folder, and the folder on the victim. */
    async function link(folder: string, manifest: Record<string, unknown> = {}): Promise<void> {
      await write(`${folder}/package.json`, {
        name: 'tool',
        version: '1.0.0',
        dependencies: { [victim]: '1.0.0' },
        ...manifest,
      });
      const root = JSON.parse(await readFile(file('package.json'), 'utf8'));
      await write('package.json', { ...root, dependencies: { ...root.dependencies, tool: `file:${folder}` } });
      await succeed(scene.workshop.npm(['install', '--package-lock-only'], { cwd: project }));
    }

    it('refuses a package that npm would leave there, and installs without it', async () => {
      await link('tool');
      await plant(`tool/node_modules/${victim}`);
      const { code, stderr } = await ci();
      assert.equal(code, 10, stderr);
      assert.match(stderr, /TP105/);
      assert.match(stderr, /tool\/node_modules\/@example\/greeting/);
      await assert.rejects(access(file('node_modules')), 'nothing was unpacked');
      await rm(file('tool/node_modules'), { recursive: true });
      await succeed(ci());
    });

    it('refuses it deeper, and behind a symbolic link', async () => {
      await link('tool');
      await plant(`tool/node_modules/between/node_modules/${victim}`);
      assert.equal((await ci()).code, 10);
      await rm(file('tool/node_modules'), { recursive: true });
      await plant(`elsewhere/${victim}`);
      await symlink('../elsewhere', file('tool/node_modules'));
      assert.equal((await ci()).code, 10);
    });

    it('replaces a package that claims to be the one that npm is about to install', async () => {
      await link('tool');
      const location = `tool/node_modules/${victim}`;
      const lock = JSON.parse(await readFile(file('package-lock.json'), 'utf8'));
      const locked = lock.packages[`node_modules/${victim}`];
      lock.packages[location] = locked;
      await write('package-lock.json', lock);
      await plant(location);
      await write(`${location}/package.json`, {
        name: victim,
        version: '1.0.0',
        main: 'greeting.js',
        _integrity: locked.integrity,
        _resolved: locked.resolved,
        _id: `${victim}@1.0.0`,
      });
      await succeed(ci('--ignore-scripts'));
      assert.equal(await planted(location), false);
      await succeed(ci('--ignore-scripts'));
    });

    it('refuses what it says to be bundled', async () => {
      await link('tool');
      await link('tool', { bundleDependencies: [victim] });
      const { code, stderr } = await ci();
      assert.equal(code, 10, stderr);
      assert.match(stderr, /TP105/);
      await assert.rejects(access(file('node_modules')), 'nothing was unpacked');
    });
  });

  describe('in a pull request', () => {
    const git = (...args: readonly string[]) => {
      const identity = ['-c', 'user.name=a', '-c', 'user.email=a@example.com', '-c', 'init.defaultBranch=main'];
      return succeed(run('git', [...identity, ...args], scene.workshop.options({ cwd: project })));
    };
    const commit = async () => {
      await git('add', '--force', '.');
      await git('commit', '--quiet', '--message', 'a small refactoring');
    };

    beforeEach(async () => {
      await mkdir(file('trust'));
      await copyFile(scene.instance.urls.trustedRoot, file('trust/trusted_root.json'));
      await writeFile(file('trust-policy.yaml'), scene.instance.policy(author, './trust/trusted_root.json'));
      await git('init', '--quiet');
      await commit();
    });

    it('refuses a package that is committed beside the code, and a link that may lead to one', async () => {
      await plant(`src/node_modules/${victim}`);
      await commit();
      const { code, stderr } = await ci('--trust-from', 'HEAD~1');
      assert.equal(code, 14, stderr);
      assert.match(stderr, /- src\/node_modules\/@example\/greeting /);
      await assert.rejects(access(file('node_modules')), 'nothing was unpacked');
      await succeed(ci('--trust-from', 'HEAD'));

      await rm(file('node_modules'), { recursive: true });
      await mkdir(file('lib'));
      await symlink('../src/node_modules', file('lib/node_modules'));
      await commit();
      const linked = await ci('--trust-from', 'HEAD~1');
      assert.equal(linked.code, 14, linked.stderr);
      assert.match(linked.stderr, /- lib\/node_modules /);
    });

    it('lets in what the policy is not about', async () => {
      await write('test/node_modules/fixture/package.json', { name: 'fixture' });
      await commit();
      await succeed(ci('--trust-from', 'HEAD~1'));
    });

    it('refuses a workspace that was not in the place of the package before, and names one that was', async () => {
      await plant('packages/greeting');
      const root = JSON.parse(await readFile(file('package.json'), 'utf8'));
      await write('package.json', { ...root, workspaces: ['packages/*'] });
      await succeed(scene.workshop.npm(['install', '--package-lock-only'], { cwd: project }));
      await commit();
      const { code, stderr } = await ci('--trust-from', 'HEAD~1');
      assert.equal(code, 14, stderr);
      assert.match(stderr, /@example\/greeting: packages\/greeting/);
      await assert.rejects(access(file('node_modules')), 'nothing was unpacked');

      const known = await succeed(ci('--trust-from', 'HEAD'));
      assert.match(known.stderr, /! @example\/greeting is the folder packages\/greeting: nobody signed it/);
    });
  });
});
