import assert from 'node:assert/strict';
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { succeed } from '../scene/instance.ts';
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
});
