import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadPolicy } from '@signet/client/preflight';
import { publicGood, TrustStore } from '@signet/client/trust/tuf';
import { fromUtf8 } from '@signet/primitives/formats';
import { TufScene, targetsOf } from './tuf-scene.ts';

const policyText = (url: string) => `version: 1
trustRoots:
  everybody: { builtin: sigstore-public-good }
  acme: { tuf: { url: '${url}', root: ./acme.root.json }, packages: ['@acme/*'] }
`;

describe('trust roots that a policy names', () => {
  let scene: TufScene;

  before(async () => {
    const trust = await new TrustStore({ offline: true }).load(publicGood());
    scene = await TufScene.open(fromUtf8(trust.trustedRoot, 'trusted root'));
    await writeFile(join(scene.directory, 'acme.root.json'), scene.repository.root);
    await writeFile(join(scene.directory, 'trust-policy.yaml'), policyText(scene.url));
  });

  after(() => scene.close());

  const load = async (offline: boolean, cache = 'cache') => {
    const env = { SIGNET_CACHE: join(scene.directory, cache) };
    return (await loadPolicy(join(scene.directory, 'trust-policy.yaml'), 'policy', undefined, { offline, env }))
      .trustRoots;
  };

  it('are fetched from the repository with the root beside the policy, once', async () => {
    const roots = await load(false);
    const acme = await roots.load('acme');
    assert.deepEqual([acme.name, acme.packages], ['acme', ['@acme/*']]);
    assert.ok(acme.certificateAuthorities.length > 0);
    assert.equal(await roots.load('acme'), acme);
    const digest = await roots.digest('acme');
    assert.match(digest ?? '', /^[0-9a-f]{64}$/);
    const again = await load(true);
    assert.equal(await again.digest('acme'), digest);
    assert.ok((await again.load('everybody')).transparencyLogs.length > 0);
    await assert.rejects((await load(true, 'empty')).load('acme'), { code: 'ERR_OFFLINE' });
  });

  it('are refused when the repository does not verify from that root', async () => {
    const other = await TufScene.open();
    try {
      await writeFile(join(scene.directory, 'trust-policy.yaml'), policyText(other.url));
      await assert.rejects((await load(false)).load('acme'), { code: 'ERR_TRUST_REPOSITORY' });
    } finally {
      await other.close();
    }
    await writeFile(join(scene.directory, 'trust-policy.yaml'), policyText(scene.url));
    await scene.repository.publishTargets(targetsOf('{}'));
    await assert.rejects((await load(false, 'fresh')).load('acme'), { code: 'ERR_TRUSTED_ROOT_FORMAT' });
  });
});
