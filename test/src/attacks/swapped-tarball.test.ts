import assert from 'node:assert/strict';
import { access, copyFile } from 'node:fs/promises';
import { swapTarball } from '../scene/attacks.ts';
import { succeed } from '../scene/instance.ts';
import { AttackScene, victim } from './attack-scene.ts';

describe('attack: a tarball swapped in the storage, with its integrity, before a project resolves its lockfile', () => {
  let scene: AttackScene;
  before(async () => {
    scene = await AttackScene.open();
  });
  after(() => scene?.close());

  it('fools npm alone and is refused by signet ci before anything is unpacked', async () => {
    const { workshop, instance } = scene;
    const early = await scene.copyProject('early');
    await succeed(workshop.signet(['ci'], { cwd: early }));

    await swapTarball(workshop, instance, victim, '1.0.0');
    // A cache of its own: a machine that has not seen the honest tarball.
    const env = { npm_config_cache: workshop.path('fresh-cache') };
    const project = await scene.copyProject('late', env);

    const served = await workshop.npm(['ci'], { cwd: project, env });
    assert.match(served.stderr, /403 Forbidden/, 'the registry itself does not serve bytes without evidence');
    // Who can write to the disk can also tell the registry not to look.
    await instance.reconfigure('tarballs: enforce', 'tarballs: off');

    const unprotected = await workshop.copyExample('app', 'unprotected');
    await copyFile(`${project}/package-lock.json`, `${unprotected}/package-lock.json`);
    await succeed(workshop.npm(['ci'], { cwd: unprotected, env }));
    const { stdout } = await succeed(workshop.node(['main.js'], { cwd: unprotected }));
    assert.match(stdout, /planted code ran/, 'npm alone installs it');

    const result = await workshop.signet(['ci'], { cwd: project, env });
    assert.equal(result.code, 11, `evidence that does not verify: ${result.stderr}`);
    assert.match(result.stderr, /@example\/greeting@1\.0\.0/);
    assert.match(result.stderr, /TP102/);
    assert.match(result.stderr, /nothing was installed/);
    await assert.rejects(access(`${project}/node_modules/${victim}`), 'nothing was unpacked');
  });
});
