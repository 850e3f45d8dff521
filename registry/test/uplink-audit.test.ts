import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createPublishDocument } from '@signet/client/npm';
import { packTarball } from './support/package.ts';
import { packageManagers, Workplace } from './support/package-managers.ts';
import { SigstoreMirror } from './support/sigstore-mirror.ts';
import { UplinkScene } from './support/uplink-scene.ts';

describe('npm audit signatures of npm 12, through a Verdaccio with an uplink', () => {
  let scene: UplinkScene;
  let mirror: SigstoreMirror;
  let work: Workplace;
  let home: string;

  before(async function () {
    this.timeout(180_000);
    const npm = packageManagers.find(({ name, version }) => name === 'npm' && version.startsWith('12.'));
    assert.ok(npm);
    scene = await UplinkScene.open();
    home = join(scene.folder, 'home');
    const opened = await Workplace.open(npm, home);
    if (typeof opened === 'string') {
      process.stderr.write(`skipped: ${opened}\n`);
      this.skip();
    }
    work = opened;
    await scene.serve();
    mirror = await SigstoreMirror.start(scene.upstream.running.urls.tuf, scene.folder);
  });

  after(async () => {
    await mirror?.stop();
    await scene?.close();
  });

  async function install(...names: string[]) {
    const dependencies = Object.fromEntries(names.map((name) => [name, '1.0.0']));
    const consumer = { name: 'consumer', version: '1.0.0', dependencies };
    await work.begin({ '.npmrc': `registry=${scene.verdaccio.url}\n`, 'package.json': JSON.stringify(consumer) });
    await SigstoreMirror.seed(join(home, 'npm-cache'), scene.upstream.running.urls.tuf);
    return work.run(['install', '--no-audit']);
  }

  it('says that packages of both registries are verified', async function () {
    this.timeout(120_000);
    await scene.publish('@example/proxied');
    const manifest = { name: '@own/local', version: '1.0.0' };
    const document = createPublishDocument({
      manifest,
      tarball: packTarball(manifest),
      registry: scene.verdaccio.url,
    });
    const token = await scene.verdaccio.addUser('alice');
    const put = await scene.verdaccio.fetch('/@own%2flocal', {
      method: 'PUT',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify(document),
    });
    assert.equal(put.status, 201, put.text);

    const installed = await install('@example/proxied', '@own/local');
    assert.equal(installed.code, 0, installed.output);
    const good = await work.run(['audit', 'signatures'], mirror.env);
    assert.equal(good.code, 0, good.output);
    assert.match(good.output, /2 packages have verified registry signatures/);
    assert.match(good.output, /1 package has a verified attestation/);
  });

  it('is not even reached when the uplink’s signature is another', async function () {
    this.timeout(60_000);
    await scene.publish('@example/bent');
    scene.lieAbout('@example/bent', ({ dist }) => {
      const [entry] = dist.signatures as { sig: string }[];
      if (entry !== undefined) entry.sig = Buffer.from('3006020101020101', 'hex').toString('base64');
    });
    const { code, output } = await install('@example/bent');
    assert.notEqual(code, 0);
    assert.match(output, /403.*the registry’s signatures of @example\/bent@1\.0\.0: .* does not verify/);
  });
});
