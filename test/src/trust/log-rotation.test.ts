import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { servicesFromSigningConfig } from '@signet/client/sign';
import { TrustStore } from '@signet/client/trust/tuf';
import { fromUtf8, parseSigningConfig, parseTrustedRoot, toPem, utf8 } from '@signet/primitives/formats';
import { generateSigner, openKeyFile } from '@signet/primitives/keys';
import { beginRotation, readRotations } from '@signet/registry';
import { checkLog, findShards } from '@signet/services/log';
import { readProposal, signProposal } from '@signet/services/tuf';
import { initTUF } from '@sigstore/tuf';
import { eventually, InstanceScene, signWith, verifyWith } from './instance-scene.ts';

describe('the transparency logs of an instance, rotated', () => {
  let scene: InstanceScene;

  beforeEach(async () => {
    scene = await InstanceScene.open();
  });

  afterEach(() => scene.close());

  /** Sends a new entry. @returns 201, or 405 once the shard is frozen */
  async function submit(logUrl: string): Promise<number> {
    const { signature, digest, key } = await signedArtifact(`never ${Date.now()}`);
    const verifier = { keyDetails: 'PKIX_ECDSA_P256_SHA_256', publicKey: { rawBytes: key } };
    const body = JSON.stringify({ hashedRekordRequestV002: { digest, signature: { content: signature, verifier } } });
    return (await fetch(`${logUrl}/api/v2/log/entries`, { method: 'POST', body })).status;
  }

  async function proposeV1(artifact: string): Promise<object> {
    const { signature, digest, pem } = await signedArtifact(artifact);
    const value = Buffer.from(digest, 'base64').toString('hex');
    const signed = { content: signature, publicKey: { content: Buffer.from(pem).toString('base64') } };
    const spec = { data: { hash: { algorithm: 'sha256', value } }, signature: signed };
    return { apiVersion: '0.0.1', kind: 'hashedrekord', spec };
  }

  async function signedArtifact(artifact: string) {
    const signer = generateSigner();
    const { spki } = signer.publicKey;
    return {
      signature: Buffer.from(await signer.sign(utf8(artifact))).toString('base64'),
      digest: createHash('sha256').update(artifact).digest('base64'),
      key: Buffer.from(spki).toString('base64'),
      pem: toPem('PUBLIC KEY', spki),
    };
  }

  it('goes on in new shards of its logs under way, and never takes the old ones out', async () => {
    const instance = await scene.start();
    const { urls, instance: made } = instance;
    const { layout } = made;
    const config = async () => parseSigningConfig(await readFile(layout.trust.signingConfig, 'utf8'));
    const signNow = async () => {
      const { logUrls } = servicesFromSigningConfig(await config());
      return { logUrls, bundle: await signWith(instance, logUrls[0]) };
    };
    const submitV1 = async (artifact: string) => {
      const answer = await fetch(`${urls.logV1}/api/v1/log/entries`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(await proposeV1(artifact)),
      });
      assert.equal(answer.status, 201);
      const [entry] = Object.values((await answer.json()) as Record<string, { logIndex: number; logID: string }>);
      assert.ok(entry !== undefined);
      return entry;
    };
    const before = await signNow();
    assert.deepEqual(before.logUrls, [urls.log]);
    const oldV1 = await submitV1('before');
    await beginRotation(made, 'log', { leadSeconds: 3, overlapSeconds: 2 });
    await assert.rejects(beginRotation(made, 'log'), { code: 'ERR_ROTATION' });
    await beginRotation(made, 'log-v1', { leadSeconds: 3 });
    const under = [];
    while ((await readRotations(made)).length > 0) under.push((await signNow()).bundle);
    const after = await signNow();
    assert.deepEqual(after.logUrls, [`${urls.log}/2`]);
    for (const bundle of [before.bundle, ...under, after.bundle]) await verifyWith(instance, bundle);

    const root = parseTrustedRoot(await readFile(layout.trust.trustedRoot, 'utf8'));
    assert.deepEqual(
      root.tlogs.map(({ baseUrl, validFor }) => [baseUrl, validFor.end !== undefined]),
      [
        [urls.log, true],
        [urls.logV1, true],
        [`${urls.log}/2`, false],
        [urls.logV1, false],
      ],
    );
    const { log } = (await (await fetch(urls.instance)).json()) as { log: string };
    assert.equal(log, `${urls.log}/2`);
    const newV1 = await submitV1('after');
    assert.deepEqual([oldV1.logIndex, newV1.logIndex], [0, 1]);
    assert.notEqual(oldV1.logID, newV1.logID);
    // What clients fetch is what lies there.
    const served = await new TrustStore().load({ url: urls.tuf, root: await readFile(instance.tufRoot.path) });
    assert.equal(fromUtf8(served.trustedRoot, ''), await readFile(layout.trust.trustedRoot, 'utf8'));
    const mirror = { mirrorURL: urls.tuf, rootPath: instance.tufRoot.path, cachePath: join(scene.directory, 'cache') };
    const target = await (await initTUF(mirror)).getTarget('signing_config.v0.2.json');
    assert.equal(target, await readFile(layout.trust.signingConfig, 'utf8'));
    await eventually(async () => ((await submit(urls.log)) === 405 ? true : undefined));

    await instance.stop();
    const restarted = await scene.start();
    assert.equal(await submit(urls.log), 405);
    const { bundle } = await signNow();
    for (const one of [before.bundle, bundle]) await verifyWith(restarted, one);
    await restarted.stop();
    for (const kind of ['log', 'log-v1'] as const) {
      const shards = findShards(layout.directory, kind);
      assert.deepEqual(
        shards.map((shard) => checkLog(shard.directory).sound),
        [true, true],
      );
    }
  }).timeout(120_000);

  it('leaves the old shard open until the holders of the trust root have told signers of the new one', async () => {
    const offline = join(scene.directory, 'vault');
    const { instance: made, urls } = await scene.start({
      offlineKeys: { directory: offline, holders: 1, threshold: 1 },
    });
    const { layout } = made;
    const proposal = () => eventually(() => readProposal(layout.tuf.proposal).catch(() => undefined));
    const ceremony = async () => {
      await signProposal(await proposal(), await openKeyFile(join(offline, 'tuf-1.key')));
      await rename(layout.tuf.proposal, layout.tuf.incoming);
      await eventually(async () => (existsSync(layout.tuf.incoming) ? undefined : true));
    };
    await beginRotation(made, 'log', { leadSeconds: 0, overlapSeconds: 0 });
    await ceremony();
    // The new key is trusted; where to write is the next question to the holders.
    await proposal();
    assert.deepEqual(
      (await readRotations(made)).map(({ switched }) => switched),
      [undefined],
    );
    assert.equal(await submit(urls.log), 201);
    assert.equal(await submit(`${urls.log}/2`), 201);
    await ceremony();
    await eventually(async () => ((await submit(urls.log)) === 405 ? true : undefined));
    await ceremony();
    await eventually(async () => ((await readRotations(made)).length === 0 ? true : undefined));
    assert.equal(await submit(`${urls.log}/2`), 201);
  }).timeout(60_000);

  it('takes up a rotation that a crash cut off at the switch', async () => {
    const first = await scene.start();
    const { layout } = first.instance;
    await first.stop();
    await beginRotation(first.instance, 'log', { leadSeconds: 0, overlapSeconds: 0 });
    await beginRotation(first.instance, 'log-v1', { leadSeconds: 0 });
    const second = await scene.start();
    assert.deepEqual(await readRotations(second.instance), []);
    await second.stop();
    // As if the process had died after the shards were opened and before that was written down.
    await rm(layout.state.generations);
    for (const [service, begun] of [
      ['log', new Date()],
      ['log-v1', new Date()],
    ] as const) {
      await writeFile(
        join(layout.state.directory, `rotation-${service}.json`),
        JSON.stringify({ format: 1, service, generation: 2, begun, leadSeconds: 0, announced: begun }),
      );
    }
    const third = await scene.start();
    assert.deepEqual(await readRotations(third.instance), []);
    const { urls } = third;
    assert.deepEqual([await submit(urls.log), await submit(`${urls.log}/2`)], [405, 201]);
    assert.equal(findShards(layout.directory, 'log-v1').length, 2);
    await assert.rejects(scene.start(), { code: 'ERR_INSTANCE_BUSY' });
  }).timeout(60_000);
});
