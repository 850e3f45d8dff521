import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parsePolicy } from '@signet/client/policy';
import { publishPackage } from '@signet/client/publish';
import { keySigner, SigningSession } from '@signet/client/sign';
import { generateSigner } from '@signet/primitives/keys';
import { after, before, describe, it } from 'mocha';
import { run, signetCommand } from '../scene/processes.ts';
import { AuthorScene, alice } from './author-scene.ts';

describe('signet inspect', () => {
  let scene: AuthorScene;
  const trustRoots = "version: 1\ntrustRoots: { r: { file: ./root.json, packages: ['@example/*'] } }\n";

  before(async () => {
    scene = await AuthorScene.open();
  });
  after(async () => {
    await scene?.close();
  });

  async function inspect(bundle: unknown, ...flags: readonly string[]) {
    const file = join(scene.directory, 'inspected.json');
    await writeFile(file, JSON.stringify(bundle));
    const [program, args] = signetCommand(['inspect', file, ...flags]);
    const { code, stdout, stderr } = await run(program, args, { cwd: scene.directory, env: scene.env });
    assert.equal(code, 0, stderr);
    return { stdout, stderr };
  }

  /** What is printed between the sentence and the end, as a person pastes it. */
  function pasted(stderr: string): string {
    const [, block = ''] = stderr.split('a policy says so like this:\n');
    return trustRoots + block.replace(/^ {2}/gm, '');
  }

  it('says that it verifies nothing, and gives a policy for who signed this package', async () => {
    const folder = await scene.package({ name: '@example/inspected', version: '1.0.0' });
    const findToken = async () => ({ token: await scene.token(), source: 'test', skipped: [] });
    const report = await publishPackage({ source: folder, cwd: folder, env: scene.env, trust: scene.trust, findToken });
    const { stdout, stderr } = await inspect(report.bundle);
    assert.match(stderr, /^Nothing of this is verified\.$/m);
    assert.match(stdout, /^subject +alice@example\.com$/m);
    assert.match(stdout, /^about +pkg:npm\/%40example\/inspected@1\.0\.0$/m);
    const policy = parsePolicy(pasted(stderr), { path: 'pasted' });
    assert.deepEqual(policy.publishers.get('somebody'), {
      kind: 'oidc',
      name: 'somebody',
      issuer: scene.instance.urls.oidc,
      subjects: [alice],
    });
    assert.equal(policy.rules[0]?.match.length, 1);
    assert.match(stderr, /match: \["@example\/inspected"\]/);
    const { bundles } = JSON.parse((await inspect(report.bundle, '--json')).stdout);
    assert.equal(bundles[0].subject, alice);
    assert.ok(parsePolicy(trustRoots + bundles[0].policy.join('\n'), { path: 'pasted' }).rules.length === 1);
  });

  it('gives one for a key, and for whoever is in an attestation document', async () => {
    const { services, trust } = scene;
    const byKey = await keySigner({ signer: generateSigner(), services, trust }).signMessage(new Uint8Array(3));
    const policy = parsePolicy(pasted((await inspect(byKey.bundle)).stderr), { path: 'pasted' });
    assert.equal(policy.publishers.get('somebody')?.kind, 'key');
    const session = await SigningSession.open({ identityToken: await scene.token(), services, trust });
    const { bundle } = await session.signMessage(new Uint8Array(3));
    const { stdout } = await inspect({ attestations: [{ bundle: byKey.bundle }, { bundle }] });
    assert.match(stdout, /^key /m);
    assert.match(stdout, /^subject +alice@example\.com$/m);
  });

  it('reads what does not verify all the same', async () => {
    const { services, trust } = scene;
    const session = await SigningSession.open({ identityToken: await scene.token(), services, trust });
    const { bundle } = await session.signMessage(new Uint8Array(3));
    const { stdout } = await inspect({
      ...bundle,
      messageSignature: { messageDigest: { algorithm: 'SHA2_256', digest: 'AAAA' }, signature: 'AAAA' },
    });
    assert.match(stdout, /^subject +alice@example\.com$/m);
  });
});
