import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { publishWithBundle, signAs } from '../scene/attacks.ts';
import { succeed } from '../scene/instance.ts';
import { AttackScene, victim } from './attack-scene.ts';

describe('attack: a publish that another identity signed', () => {
  let scene: AttackScene;
  before(async () => {
    scene = await AttackScene.open();
  });
  after(() => scene?.close());

  it('is refused with 422, naming who signed and who should have, and leaves nothing in the registry', async () => {
    const folder = await scene.copyPackage('mallory', { version: '1.1.0' });
    await succeed(scene.workshop.npm(['pack', '--pack-destination', folder], { cwd: folder }));
    const tarball = await readFile(`${folder}/example-greeting-1.1.0.tgz`);
    const manifest = JSON.parse(await readFile(`${folder}/package.json`, 'utf8'));
    const bundle = await signAs(scene.instance, 'mallory@example.com', manifest, tarball);
    const npmToken = await scene.npmToken();
    const refused = await publishWithBundle(scene.instance, npmToken, manifest, tarball, bundle);
    assert.equal(refused.status, 422);
    assert.match(refused.error, /expected subject alice@example\.com, found subject mallory@example\.com \(TP111\)/);
    assert.deepEqual(await scene.versions(victim), ['1.0.0']);
    // The same way succeeds for whom the policy names, so that it was refused for the signer alone.
    const honest = await signAs(scene.instance, 'alice@example.com', manifest, tarball);
    const taken = await publishWithBundle(scene.instance, npmToken, manifest, tarball, honest);
    assert.equal(taken.status, 201, taken.error);
  });

  it('is refused by signet publish before anything is signed', async () => {
    const folder = await scene.copyPackage('mallory-asks', { version: '1.1.1' });
    const result = await scene.publish(folder, 'mallory@example.com');
    assert.equal(result.code, 15, result.stderr);
    assert.match(result.stderr, /expected subject alice@example\.com, found subject mallory@example\.com \(TP111, /);
    assert.match(result.stderr, /nothing was signed/);
  });

  it('is refused by the consumer too, when the registry took it', async () => {
    // The operator is fooled or hostile: its policy now names Mallory. The consumer's own does not.
    await writeFile(`${scene.instance.data}/trust-policy.yaml`, scene.instance.policy('mallory@example.com'));
    const published = await scene.publish(
      await scene.copyPackage('mallory-again', { version: '1.2.0' }),
      'mallory@example.com',
    );
    assert.equal(published.code, 0, published.stderr);
    const project = await scene.copyProject('project');
    const result = await scene.workshop.signet(['ci'], { cwd: project });
    assert.equal(result.code, 10, 'denied by policy');
    assert.match(result.stderr, /@example\/greeting@1\.2\.0/);
    assert.match(result.stderr, /alice@example\.com/);
    assert.match(result.stderr, /mallory@example\.com/);
    assert.match(result.stderr, /nothing was installed/);
  });
});
