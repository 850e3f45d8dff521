import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type PublishOptions, publishPackage, resumePublish } from '@signet/client/publish';
import { keyHint } from '@signet/client/sign';
import { verifyBundle } from '@signet/client/verify';
import { fromBase64, parseStatement, toPem } from '@signet/primitives/formats';
import { generateSigner, type Signer } from '@signet/primitives/keys';
import { after, afterEach, before, describe, it } from 'mocha';
import { AuthorScene } from './author-scene.ts';
import { TamperingProxy } from './tampering-proxy.ts';

describe('publishing with a lasting key', () => {
  let scene: AuthorScene;
  let proxy: TamperingProxy;
  const key = generateSigner('PKIX_ECDSA_P384_SHA_384');
  let count = 0;

  before(async () => {
    scene = await AuthorScene.open();
    proxy = await TamperingProxy.open(scene.registry);
    const { layout } = scene.instance.instance;
    await writeFile(join(scene.directory, 'instance', 'release.pub'), toPem('PUBLIC KEY', key.publicKey.spki));
    const policy = await readFile(layout.policyFile, 'utf8');
    const named = policy
      .replace('publishers:\n', 'publishers:\n  holder: { key: { file: ./release.pub } }\n')
      .replace(
        'rules:\n',
        "rules:\n  - { id: by-key, match: ['@example/keyed-*'], require: [{ provenance: { by: [holder] } }] }\n",
      )
      .replace("match: ['@example/*']", "match: ['@example/by-*']");
    await writeFile(layout.policyFile, named);
    await (await fetch(`${scene.registry}-/signet/v1/policy`)).arrayBuffer();
  });
  after(async () => {
    await proxy?.close();
    await scene?.close();
  });
  afterEach(() => {
    proxy.tamper = (passing) => passing.forward();
    proxy.seen.length = 0;
  });

  async function optionsFor(name: string, signer: Signer): Promise<PublishOptions> {
    const folder = await scene.package({ name, version: '1.0.0' });
    const npmrc = (await scene.npmrc()).replaceAll(new URL(scene.registry).host, new URL(proxy.origin).host);
    await writeFile(join(folder, '.npmrc'), npmrc);
    const { caUrl, tsaUrls, logUrls } = scene.services;
    const through = (url: string) => proxy.through(url);
    const services = { caUrl: through(caUrl), tsaUrls: tsaUrls.map(through), logUrls: logUrls.map(through) };
    return { source: folder, cwd: folder, env: scene.env, trust: scene.trust, services, retryFor: 0, signer };
  }

  const fresh = () => `@example/keyed-${++count}`;

  it('is accepted where the registry’s policy names the key, and asks for no identity and no certificate', async () => {
    const name = fresh();
    const report = await publishPackage(await optionsFor(name, key));
    assert.equal(report.identity, undefined);
    assert.equal(report.key, keyHint(key));
    assert.deepEqual(
      proxy.seen.filter((line) => line.includes('/-/signet/ca/')),
      [],
    );
    const answer = await fetch(`${scene.registry}-/npm/v1/attestations/${name.replace('/', '%2f')}@1.0.0`);
    const { attestations } = (await answer.json()) as { attestations: { bundle: Record<string, never> }[] };
    const [served] = attestations;
    const { signer, statement } = verifyBundle(served?.bundle, { trust: scene.trust, key });
    assert.equal(signer.kind, 'key');
    assert.match(JSON.stringify(statement?.predicate), /"builder":\{"id":"urn:signet:key:sha256:[0-9a-f]{64}"\}/);
  });

  it('is refused before anything is signed where the registry wants an identity, or another key', async () => {
    const size = await scene.logSize();
    await assert.rejects(publishPackage(await optionsFor('@example/by-identity', key)), (error: Error) => {
      assert.match(error.message, /TP111, rule example-is-signed/);
      assert.match(error.message, /expected signer an identity of alice, found signer a key/);
      return 'code' in error && error.code === 'ERR_EVIDENCE_REFUSED';
    });
    await assert.rejects(publishPackage(await optionsFor(fresh(), generateSigner('PKIX_ECDSA_P384_SHA_384'))), {
      code: 'ERR_EVIDENCE_REFUSED',
      message: /the key of holder.*another key/,
    });
    assert.equal(await scene.logSize(), size);
  });

  it('is judged by the registry too, which does not rely on who asked it before', async () => {
    const hide = async (passing: Parameters<typeof proxy.tamper>[0]) =>
      passing.path.endsWith('/-/signet/v1/policy')
        ? { status: 404, headers: {}, body: Buffer.from('{}') }
        : await passing.forward();
    proxy.tamper = hide;
    await assert.rejects(publishPackage(await optionsFor('@example/by-nobody', key)), {
      code: 'ERR_REGISTRY_REFUSED',
      message: /TP111/,
    });
    const stranger = await optionsFor(fresh(), generateSigner('PKIX_ECDSA_P384_SHA_384'));
    await assert.rejects(publishPackage(stranger), { code: 'ERR_REGISTRY_REFUSED' });
  });

  it('is finished by --resume without the key, and never under another', async () => {
    const name = fresh();
    const options = await optionsFor(name, key);
    proxy.tamper = async (passing) =>
      passing.method === 'PUT' ? { status: 500, headers: {}, body: Buffer.alloc(0) } : await passing.forward();
    await assert.rejects(publishPackage(options), { code: 'ERR_PUBLISH_UNFINISHED' });
    proxy.tamper = (passing) => passing.forward();
    const { signer: _signer, ...resuming } = options;
    const folder = join(options.cwd, '.signet');
    const file = join(folder, (await readdir(folder)).find((one) => one.endsWith('.json')) ?? '');
    const job = JSON.parse(await readFile(file, 'utf8'));
    const other = Buffer.from(generateSigner('PKIX_ECDSA_P384_SHA_384').publicKey.spki).toString('base64');
    await writeFile(file, JSON.stringify({ ...job, key: { ...job.key, publicKey: other } }));
    await assert.rejects(resumePublish(resuming), /ERR_|signature|key/);
    await writeFile(file, JSON.stringify(job));
    const size = await scene.logSize();
    const report = await resumePublish(resuming);
    assert.equal(await scene.logSize(), size);
    const { dsseEnvelope } = report.bundle as { dsseEnvelope: { payload: string } };
    assert.equal(
      parseStatement(fromBase64(dsseEnvelope.payload)).subject[0]?.name,
      `pkg:npm/${name.replace('@', '%40')}@1.0.0`,
    );
  });

  it('follows the policy when its file names another key from now on', async () => {
    const next = generateSigner('PKIX_ECDSA_P256_SHA_256');
    const file = join(scene.directory, 'instance', 'release.pub');
    const before = await readFile(file);
    await writeFile(file, toPem('PUBLIC KEY', next.publicKey.spki));
    assert.equal((await publishPackage(await optionsFor(fresh(), next))).key, keyHint(next));
    await assert.rejects(publishPackage(await optionsFor(fresh(), key)), { code: 'ERR_EVIDENCE_REFUSED' });
    await writeFile(file, before);
  });
});
