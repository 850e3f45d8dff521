import assert from 'node:assert/strict';
import { AttackScene, victim } from './attack-scene.ts';

describe('attack: a publish without a signature', () => {
  let scene: AttackScene;
  before(async () => {
    scene = await AttackScene.open();
  });
  after(() => scene?.close());

  it('is refused with 403 and a sentence that npm prints, and leaves nothing in the registry', async () => {
    const folder = await scene.copyPackage('unsigned', { version: '1.1.0' });
    const result = await scene.workshop.npm(['publish'], { cwd: folder });
    assert.notEqual(result.code, 0);
    assert.match(result.stderr, /403 Forbidden/);
    assert.match(result.stderr, /@example\/greeting@1\.1\.0 comes without signed evidence.*signet publish/);
    assert.deepEqual(await scene.versions(victim), ['1.0.0']);
  });

  it('is refused for a name of the registry that does not exist yet', async () => {
    const folder = await scene.copyPackage('unsigned-new', { name: '@example/fresh' });
    const result = await scene.workshop.npm(['publish'], { cwd: folder });
    assert.match(result.stderr, /403 Forbidden/);
    assert.deepEqual(await scene.versions('@example/fresh'), []);
  });
});
