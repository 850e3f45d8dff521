import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { AttackScene, victim } from './attack-scene.ts';

describe('attack: a publish that another identity signed', () => {
  let scene: AttackScene;
  before(async () => {
    scene = await AttackScene.open();
  });
  after(() => scene?.close());

  it('is refused with 422, naming who signed and who should have, and leaves nothing in the registry', async () => {
    const folder = await scene.copyPackage('mallory', { version: '1.1.0' });
    const result = await scene.publish(folder, 'mallory@example.com');
    assert.equal(result.code, 15, 'refused by the registry');
    assert.match(result.stderr, /422/);
    assert.match(result.stderr, /expected subject alice@example\.com, found subject mallory@example\.com \(TP111\)/);
    assert.deepEqual(await scene.versions(victim), ['1.0.0']);
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
