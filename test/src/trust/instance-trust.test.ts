import assert from 'node:assert/strict';
import { access, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { describeTrust, fetchFirstRoot, TrustStore } from '@signet/client/trust/tuf';
import { fromUtf8, parseTrustedRoot } from '@signet/primitives/formats';
import { openKeyFile } from '@signet/primitives/keys';
import { beginRotation, readRotations } from '@signet/registry';
import { proposalStatus, readProposal, signProposal } from '@signet/services/tuf';
import { getTrustedRoot, initTUF } from '@sigstore/tuf';
import { eventually, InstanceScene, signWith, verifyWith } from './instance-scene.ts';

describe('the trust root of an instance', () => {
  let scene: InstanceScene;

  beforeEach(async () => {
    scene = await InstanceScene.open();
  });

  afterEach(() => scene.close());

  it('is what the stock client fetches, whichever way the mirror is written', async () => {
    const { urls, tufRoot, instance } = await scene.start();
    const file = JSON.parse(await readFile(instance.layout.trust.trustedRoot, 'utf8'));
    for (const [index, mirrorURL] of [urls.tuf, `${urls.tuf}/`].entries()) {
      const options = { mirrorURL, rootPath: tufRoot.path, cachePath: join(scene.directory, `cache-${index}`) };
      const fetched = await getTrustedRoot(options);
      assert.equal(fetched.mediaType, file.mediaType);
      assert.equal(fetched.certificateAuthorities.length, 1);
      const client = await initTUF(options);
      const config = JSON.parse(await client.getTarget('signing_config.v0.2.json'));
      assert.equal(config.caUrls[0].url, urls.ca);
      assert.match(await client.getTarget('fulcio_v1.crt.pem'), /BEGIN CERTIFICATE/);
      assert.match(await client.getTarget('ctfe.pub'), /BEGIN PUBLIC KEY/);
    }
    const { url, fingerprint, names } = await describeTrust(urls.registry);
    assert.deepEqual([url, fingerprint, names], [urls.tuf, tufRoot.fingerprint, ['@example/*']]);
    assert.equal((await fetchFirstRoot(url, fingerprint)).facts.version, 1);
    assert.equal((await fetch(`${urls.tuf}/healthz`)).status, 200);
    assert.equal((await fetch(urls.registry)).status, 404);
  });

  it('keeps old signatures valid while authority, timestamps and certificate log are exchanged under way', async () => {
    const instance = await scene.start();
    const before = await signWith(instance);
    const old = await (await fetch(`${instance.urls.ca}/api/v1/rootCert`)).text();
    for (const service of ['ca', 'tsa', 'ctlog'] as const) {
      // Clients of this test ask for the trust before each signature, so seconds are enough.
      await beginRotation(instance.instance, service, { leadSeconds: 3 });
      await assert.rejects(beginRotation(instance.instance, service), { code: 'ERR_ROTATION' });
    }
    // Signing goes on all the while.
    const under = [];
    while ((await readRotations(instance.instance)).length > 0) under.push(await signWith(instance));
    const after = await signWith(instance);
    for (const bundle of [before, ...under, after]) await verifyWith(instance, bundle);
    assert.notEqual(await (await fetch(`${instance.urls.ca}/api/v1/rootCert`)).text(), old);
    const root = parseTrustedRoot(await readFile(instance.instance.layout.trust.trustedRoot, 'utf8'));
    for (const list of [root.certificateAuthorities, root.timestampAuthorities, root.ctlogs]) {
      assert.deepEqual(
        list.map(({ validFor }) => validFor.end !== undefined),
        [true, false],
      );
    }
    const { ct } = (await (await fetch(instance.urls.instance)).json()) as { ct: string };
    assert.equal(ct, `${instance.urls.ct}-2`);
    for (const url of [instance.urls.ct, ct]) assert.equal((await fetch(`${url}/checkpoint`)).status, 200, url);

    await instance.stop();
    const restarted = await scene.start();
    await verifyWith(restarted, await signWith(restarted));
    await verifyWith(restarted, before);
  }).timeout(120_000);

  it('exchanges the root of the authority, too', async () => {
    const instance = await scene.start();
    const before = await signWith(instance);
    await beginRotation(instance.instance, 'ca', { leadSeconds: 0, newRoot: true });
    await eventually(async () => ((await readRotations(instance.instance)).length === 0 ? true : undefined));
    await verifyWith(instance, await signWith(instance));
    await verifyWith(instance, before);
    const { certificateAuthorities } = parseTrustedRoot(
      await readFile(instance.instance.layout.trust.trustedRoot, 'utf8'),
    );
    const roots = certificateAuthorities.map(({ certificates }) =>
      Buffer.from(certificates.at(-1) ?? []).toString('hex'),
    );
    assert.equal(new Set(roots).size, 2);
  }).timeout(60_000);

  it('waits for the lead time before it switches', async () => {
    let now = new Date();
    const notes: string[] = [];
    const instance = await scene.start({ now: () => now, onNote: (note) => notes.push(note) });
    await beginRotation(instance.instance, 'ca', { leadSeconds: 3600 });
    const announced = await eventually(async () => (await readRotations(instance.instance))[0]?.announced);
    assert.ok(announced);
    const root = parseTrustedRoot(await readFile(instance.instance.layout.trust.trustedRoot, 'utf8'));
    assert.equal(root.certificateAuthorities.length, 2);
    await verifyWith(instance, await signWith(instance));
    assert.equal((await readRotations(instance.instance)).length, 1);
    await instance.stop();
    now = new Date(now.getTime() + 3_601_000);
    // A rotation that is due while nobody runs is taken up by the next start.
    const restarted = await scene.start({ now: () => now, onNote: (note) => notes.push(note) });
    assert.deepEqual(await readRotations(restarted.instance), []);
    await verifyWith(restarted, await signWith(restarted));
    assert.match(notes.join('\n'), /ca 2 is trusted and comes into use at .*\n.*ca 2 is in use/s);
  }).timeout(60_000);

  it('lives without the keys of its roots, which sign changes elsewhere', async () => {
    const offline = join(scene.directory, 'vault');
    const instance = await scene.start({ offlineKeys: { directory: offline, holders: 3, threshold: 2 } });
    const { layout } = instance.instance;
    assert.deepEqual((await readdir(offline)).sort(), [
      'ca-root.key',
      'tsa-root.key',
      'tuf-1.key',
      'tuf-2.key',
      'tuf-3.key',
    ]);
    for (const key of [layout.keys.caRoot, layout.keys.timestampRoot, layout.keys.tufRoot]) {
      await assert.rejects(access(key), { code: 'ENOENT' });
    }
    const before = await signWith(instance);
    await assert.rejects(beginRotation(instance.instance, 'ca', { leadSeconds: 0 }), { code: 'ERR_KEY_FILE' });
    await beginRotation(instance.instance, 'ca', { leadSeconds: 0, offlineKeys: { directory: offline } });
    // Twice: once to trust the new, once to end the old.
    for (const holders of [
      [1, 3],
      [2, 3],
    ]) {
      const proposal = await eventually(() => readProposal(layout.tuf.proposal).catch(() => undefined));
      for (const holder of holders) await signProposal(proposal, await openKeyFile(join(offline, `tuf-${holder}.key`)));
      assert.ok(proposalStatus(proposal).every(({ count }) => count.signed >= count.threshold));
      await rename(layout.tuf.proposal, layout.tuf.incoming);
      await eventually(
        async () =>
          (await access(layout.tuf.incoming).then(
            () => undefined,
            () => true,
          )) as true | undefined,
      );
    }
    await eventually(async () => ((await readRotations(instance.instance)).length === 0 ? true : undefined));
    await verifyWith(instance, await signWith(instance));
    await verifyWith(instance, before);
    const served = await new TrustStore().load({ url: instance.urls.tuf, root: await readFile(instance.tufRoot.path) });
    assert.equal(fromUtf8(served.trustedRoot, ''), await readFile(layout.trust.trustedRoot, 'utf8'));
  }).timeout(60_000);
});
