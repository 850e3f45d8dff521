import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { fetchAttestations, publishWithBundle } from '../scene/attacks.ts';
import { succeed } from '../scene/instance.ts';
import { AttackScene, victim } from './attack-scene.ts';

describe('attack: a publish with the bundle of something else', () => {
  let scene: AttackScene;
  before(async () => {
    scene = await AttackScene.open();
  });
  after(() => scene?.close());

  async function publishAs(folder: string, overrides: Record<string, unknown>) {
    const copy = await scene.copyPackage(folder, overrides);
    const manifest = JSON.parse(await readFile(`${copy}/package.json`, 'utf8'));
    await succeed(scene.workshop.npm(['pack', '--pack-destination', copy], { cwd: copy }));
    const tarball = await readFile(
      `${copy}/${manifest.name.replace('@', '').replace('/', '-')}-${manifest.version}.tgz`,
    );
    const { attestations } = await fetchAttestations(scene.instance, victim, '1.0.0');
    const [attestation] = attestations;
    assert.ok(attestation, 'the honest package has evidence to steal');
    return publishWithBundle(scene.instance, await scene.npmToken(), manifest, tarball, attestation.bundle);
  }

  it('is refused with 422 for another package, and leaves nothing in the registry', async () => {
    const { status, error } = await publishAs('other', { name: '@example/other' });
    assert.equal(status, 422);
    assert.match(error, /pkg:npm\/%40example\/greeting@1\.0\.0/, 'it says whose the bundle is');
    assert.deepEqual(await scene.versions('@example/other'), []);
  });

  it('is refused with 422 for another version of the same package', async () => {
    const { status } = await publishAs('next', { version: '1.0.1' });
    assert.equal(status, 422);
    assert.deepEqual(await scene.versions(victim), ['1.0.0']);
  });
});
