import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createPublishDocument } from '@signet/client/npm';
import { packTarball } from './support/package.ts';
import { S3 } from './support/s3.ts';
import { UplinkScene } from './support/uplink-scene.ts';
import { VerdaccioProcess } from './support/verdaccio.ts';

describe('two Verdaccios over one S3 bucket', function () {
  this.timeout(120_000);
  let scene: UplinkScene;
  let s3: S3;
  let one: VerdaccioProcess;
  let other: VerdaccioProcess;
  let token: string;

  const start = (file: string) =>
    VerdaccioProcess.start({ folder: scene.folder, file, configuration: configuration(), env: s3.env });

  function configuration() {
    const limits = { lockMilliseconds: 1500 };
    const { storage: _, ...settings } = scene.configuration({ publish: 'enforce', tarballs: 'enforce', limits });
    return { ...settings, store: s3.store, plugins: s3.plugins };
  }

  before(async function () {
    scene = await UplinkScene.open();
    const opened = await S3.start(join(scene.folder, 's3'));
    if (typeof opened === 'string') {
      process.stderr.write(`skipped: ${opened}\n`);
      this.skip();
    }
    s3 = opened;
    // The first makes the secret that both share.
    one = await start('one.yaml');
    other = await start('other.yaml');
    token = await one.addUser('alice');
  });

  after(async () => {
    await one?.stop();
    await other?.stop();
    await s3?.stop();
    await scene?.close();
  });

  async function pack(name: string, version = '1.0.0') {
    const manifest = { name, version };
    const tarball = packTarball(manifest);
    return { manifest, tarball, bundle: await scene.upstream.sign(name, version, tarball) };
  }

  const send = (server: VerdaccioProcess, method: string, path: string, body?: unknown) =>
    server.fetch(path, {
      method,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });

  async function publish(server: VerdaccioProcess, name: string, version = '1.0.0') {
    const { manifest, tarball, bundle } = await pack(name, version);
    const document = createPublishDocument({ manifest, tarball, registry: server.url, bundle });
    const answer = await send(server, 'PUT', `/${name.replace('/', '%2f')}`, document);
    assert.equal(answer.status, 201, answer.text);
    return { tarball, bundle };
  }

  const tarballOf = (server: VerdaccioProcess, name: string, version = '1.0.0') =>
    server.fetch(`/${name}/-/${name.slice(name.indexOf('/') + 1)}-${version}.tgz`);
  const evidenceOf = (server: VerdaccioProcess, name: string, version = '1.0.0') =>
    server.fetch(`/-/npm/v1/attestations/${name.replace('/', '%2f')}@${version}`);

  it('keep the evidence beside the tarball, and each serves what the other took', async () => {
    const { tarball, bundle } = await publish(one, '@own/tool');
    const objects = await s3.objects('@own/tool/');
    assert.equal(objects.length, 3, objects.join());
    assert.match(
      objects.join(),
      /package\.json,@own\/tool\/tool-1\.0\.0\.[0-9a-f]{16}\.sigstore\.json,.*tool-1\.0\.0\.tgz/,
    );
    for (const server of [one, other]) {
      const answer = await tarballOf(server, '@own/tool');
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual(answer.bytes, tarball);
      const evidence = (await evidenceOf(server, '@own/tool')).json<{ attestations: { bundle: unknown }[] }>();
      assert.deepEqual(evidence.attestations[0]?.bundle, bundle);
      const packument = await server.fetch('/@own%2ftool');
      type Document = { versions: Record<string, { dist: { signatures?: unknown[] } }> };
      assert.equal(packument.json<Document>().versions['1.0.0']?.dist.signatures?.length, 1);
    }
  });

  it('refuse what has no evidence, and store nothing of it', async () => {
    const { manifest, tarball } = await pack('@own/bare');
    const document = createPublishDocument({ manifest, tarball, registry: one.url });
    assert.equal((await send(one, 'PUT', '/@own%2fbare', document)).status, 403);
    assert.deepEqual(await s3.objects('@own/bare'), []);
  });

  it('let evidence wait at one for a publish through the other', async () => {
    const { manifest, tarball, bundle } = await pack('@own/early');
    assert.equal((await send(one, 'POST', '/-/signet/v1/bundles', bundle)).status, 202);
    const document = createPublishDocument({ manifest, tarball, registry: other.url });
    const answer = await send(other, 'PUT', '/@own%2fearly', document);
    assert.equal(answer.status, 201, answer.text);
    assert.equal((await evidenceOf(one, '@own/early')).status, 200);
  });

  it('lose nothing of what is published through both at once, and let one win each version', async () => {
    const name = '@own/contended';
    const document = async (server: VerdaccioProcess) => {
      const { versions, ...rest } = (await server.fetch('/@own%2fcontended')).json<{
        versions: Record<string, { dist: { integrity: string } }>;
        'dist-tags': Record<string, string>;
      }>();
      return { versions, tags: rest['dist-tags'] };
    };
    const tries: { readonly version: string; readonly tarball: Uint8Array; readonly status: number }[] = [];
    // Two of their own, and one that both want.
    const attempt = async (server: VerdaccioProcess, version: string, description: string) => {
      const manifest = { name, version, description };
      const tarball = packTarball(manifest);
      const bundle = await scene.upstream.sign(name, version, tarball);
      const body = createPublishDocument({
        manifest,
        tarball,
        registry: server.url,
        bundle,
        tag: `release-${version}`,
      });
      return async () => {
        const { status, text } = await send(server, 'PUT', '/@own%2fcontended', body);
        assert.ok(status === 201 || status === 409, text);
        tries.push({ version, tarball, status });
      };
    };
    const attempts = await Promise.all([
      attempt(one, '1.0.0', 'one'),
      attempt(other, '2.0.0', 'other'),
      attempt(one, '3.0.0', 'one'),
      attempt(other, '3.0.0', 'other'),
      attempt(one, '4.0.0', 'one'),
      attempt(other, '4.0.0', 'other'),
    ]);
    await Promise.all(attempts.map((send) => send()));
    for (const version of ['1.0.0', '2.0.0', '3.0.0', '4.0.0']) {
      const winners = tries.filter((one) => one.version === version && one.status === 201);
      assert.equal(winners.length, 1, `${version}: ${tries.map(({ version: of, status }) => `${of} ${status}`)}`);
      for (const server of [one, other]) {
        const { versions, tags } = await document(server);
        assert.deepEqual(Object.keys(versions).sort(), ['1.0.0', '2.0.0', '3.0.0', '4.0.0']);
        assert.equal(tags[`release-${version}`], version);
        const answer = await tarballOf(server, name, version);
        assert.equal(answer.status, 200, answer.text);
        assert.deepEqual(answer.bytes, winners[0]?.tarball);
        const evidence = (await evidenceOf(server, name, version)).json<{ attestations: unknown[] }>();
        assert.equal(evidence.attestations.length, 1);
      }
    }
    const tag = (server: VerdaccioProcess, label: string) =>
      server.fetch(`/-/package/@own%2fcontended/dist-tags/${label}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: '"1.0.0"',
      });
    const labels = Array.from({ length: 6 }, (_, index) => `label-${index}`);
    const answers = await Promise.all(labels.map((label, index) => tag(index % 2 === 0 ? one : other, label)));
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([201]));
    const { tags } = await document(one);
    assert.deepEqual(
      labels.filter((label) => tags[label] !== '1.0.0'),
      [],
    );
  });

  it('serve no object that was exchanged in the bucket', async () => {
    await publish(one, '@own/exchanged');
    await s3.replace('@own/exchanged/exchanged-1.0.0.tgz', 'other bytes');
    const answer = await tarballOf(other, '@own/exchanged');
    assert.equal(answer.status, 403);
    assert.match(answer.text, /the stored tarball is not the one that was published/);
  });

  it('remove the evidence with its version, and with its package', async () => {
    await publish(one, '@own/leaving', '1.0.0');
    await publish(one, '@own/leaving', '1.1.0');
    type Document = { _rev: string; versions: Record<string, unknown>; 'dist-tags': Record<string, string> };
    const document = (await one.fetch('/@own%2fleaving?write=true')).json<Document>();
    delete document.versions['1.1.0'];
    document['dist-tags'].latest = '1.0.0';
    const changed = await send(one, 'PUT', `/@own%2fleaving/-rev/${document._rev}`, document);
    assert.equal(changed.status, 201, changed.text);
    const { _rev: revision } = (await one.fetch('/@own%2fleaving?write=true')).json<Document>();
    const removed = await send(one, 'DELETE', `/@own/leaving/-/leaving-1.1.0.tgz/-rev/${revision}`);
    assert.equal(removed.status, 201, removed.text);
    const left = await s3.objects('@own/leaving/');
    assert.ok(left.some((file) => file.includes('1.0.0')) && !left.some((file) => file.includes('1.1.0')), left.join());
    const { _rev: last } = (await one.fetch('/@own%2fleaving?write=true')).json<Document>();
    assert.equal((await send(one, 'DELETE', `/@own%2fleaving/-rev/${last}`)).status, 201);
    assert.deepEqual(await s3.objects('@own/leaving/'), []);
    for (const server of [one, other]) assert.equal((await evidenceOf(server, '@own/leaving')).status, 404);
  });

  it('keep packages of an uplink in the bucket once they were checked', async () => {
    const { tarball } = await scene.publish('@example/proxied');
    const first = await tarballOf(one, '@example/proxied');
    assert.equal(first.status, 200, first.text);
    scene.proxy.tamper = async () => ({ status: 503, headers: {}, body: Buffer.from('{}') });
    const second = await tarballOf(other, '@example/proxied');
    assert.equal(second.status, 200, second.text);
    assert.deepEqual(second.bytes, tarball);
    assert.equal((await evidenceOf(other, '@example/proxied')).status, 200);
    scene.proxy.tamper = scene.honest;
  });
});
