import assert from 'node:assert/strict';
import { SigningSession, servicesFromSigningConfig } from '@signet/client/sign';
import { loadTrustMaterial } from '@signet/client/trust';
import { verifyBundle } from '@signet/client/verify';
import { parseSigningConfig } from '@signet/primitives/formats';
import { beginRotation } from '@signet/registry';
import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { after, before, describe, it } from 'mocha';
import { AuthorScene, alice } from './author-scene.ts';

describe('a signing config with several logs', function () {
  this.timeout(60_000);
  let scene: AuthorScene;
  let logs: string[];

  before(async () => {
    scene = await AuthorScene.open();
    const { log } = scene.instance.urls;
    logs = [log, `${log}/2`];
    // Both shards of a log that is continued take entries for a while.
    await beginRotation(scene.instance.instance, 'log', { leadSeconds: 0, overlapSeconds: 600 });
    for (let wait = 0; ; wait += 1) {
      const { tlogs } = JSON.parse(await scene.readTrustedRoot());
      const [, second = ''] = logs;
      const isTrusted = tlogs.some(({ baseUrl }: { baseUrl: string }) => baseUrl === second);
      if (isTrusted && (await fetch(`${second}/checkpoint`)).status === 200) break;
      assert.ok(wait < 400, 'the second shard opens');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });
  after(async () => {
    await scene?.close();
  });

  const service = (url: string) => ({
    url,
    majorApiVersion: url.includes('/log') ? 2 : 1,
    operator: url,
    validFor: { start: '2020-01-01T00:00:00Z' },
  });

  async function signBy(selection: object) {
    const { caUrl, tsaUrls } = scene.services;
    const config = parseSigningConfig({
      mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json',
      caUrls: [service(caUrl)],
      rekorTlogUrls: logs.map(service),
      rekorTlogConfig: selection,
      tsaUrls: tsaUrls.map(service),
      tsaConfig: { selector: 'ALL' },
    });
    const trust = await loadTrustMaterial(scene.instance.instance.layout.trust.trustedRoot);
    const identityToken = await scene.token();
    const session = await SigningSession.open({ identityToken, services: servicesFromSigningConfig(config), trust });
    const artifact = new TextEncoder().encode(JSON.stringify(selection));
    const { bundle } = await session.signMessage(artifact);
    const identities = [{ issuer: scene.instance.urls.oidc, subject: alice }];
    return { bundle, artifact, ...verifyBundle(bundle, { trust, artifact, identities }) };
  }

  for (const selection of [{ selector: 'ALL' }, { selector: 'EXACT', count: 2 }]) {
    it(`has an entry of each by ${JSON.stringify(selection)}, which our verifier and the reference client count`, async () => {
      const { bundle, artifact, logEntries } = await signBy(selection);
      assert.deepEqual(logEntries.map(({ baseUrl }) => baseUrl).sort(), logs);
      const root = TrustedRoot.fromJSON(JSON.parse(await scene.readTrustedRoot()));
      const verifier = new Verifier(toTrustMaterial(root), {
        tlogThreshold: 2,
        ctlogThreshold: 1,
        timestampThreshold: 1,
      });
      verifier.verify(toSignedEntity(bundleFromJSON(bundle), Buffer.from(artifact)));
    });
  }

  it('has the entry of one of them by ANY', async () => {
    assert.equal((await signBy({ selector: 'ANY' })).logEntries.length, 1);
  });
});
