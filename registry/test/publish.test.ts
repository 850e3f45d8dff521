import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { verifyPackageBundle } from '@signet/client/npm';
import { packTarball } from './support/package.ts';
import { type Parcel, TestRegistry } from './support/registry.ts';

type Json = Record<string, unknown>;
type Served = { readonly attestations: readonly { predicateType: string; bundle: unknown }[] };

function attachments(parcel: Parcel): Record<string, Json> {
  return parcel.document._attachments as Record<string, Json>;
}

function manifest(parcel: Parcel): Json & { dist: Json } {
  const versions = parcel.document.versions as Record<string, Json & { dist: Json }>;
  const found = versions[parcel.version];
  assert.ok(found);
  return found;
}

function sigstoreKey(parcel: Parcel): string {
  return `${parcel.name}-${parcel.version}.sigstore`;
}

function tarballKey(parcel: Parcel): string {
  return `${parcel.name}-${parcel.version}.tgz`;
}

describe('publishing to the registry', () => {
  let registry: TestRegistry;

  before(async () => {
    registry = await TestRegistry.start();
  });

  after(() => registry.remove());

  /** A refusal leaves no trace of the package. */
  async function assertNothingStored(name: string) {
    assert.equal((await registry.fetch(`/${name}`)).status, 404, `${name} exists`);
    assert.equal((await registry.attestations(`${name}@1.0.0`)).status, 404);
  }

  it('takes a signed package and serves tarball and evidence', async () => {
    const parcel = await registry.parcel('@example/first');
    const answer = await registry.put(parcel);
    assert.equal(answer.status, 201, answer.text);

    const packument = (await registry.fetch('/@example%2ffirst')).json();
    const { dist } = (packument.versions as Record<string, { dist: Json }>)['1.0.0'] ?? { dist: {} };
    assert.deepEqual(packument['dist-tags'], { latest: '1.0.0' });
    assert.equal(dist.integrity, `sha512-${createHash('sha512').update(parcel.tarball).digest('base64')}`);
    assert.equal(dist.tarball, `${registry.url}@example/first/-/first-1.0.0.tgz`);
    const tarball = await fetch(String(dist.tarball));
    assert.deepEqual(new Uint8Array(await tarball.arrayBuffer()), parcel.tarball);

    for (const spec of ['@example%2ffirst@1.0.0', '@example/first@1.0.0', '%40example%2Ffirst%401.0.0']) {
      const served = await registry.attestations(spec);
      assert.equal(served.status, 200, spec);
      const { attestations } = served.json<Served>();
      assert.equal(attestations.length, 1);
      assert.equal(attestations[0]?.predicateType, 'https://example.com/release/v1');
      const verified = verifyPackageBundle(attestations[0]?.bundle, {
        name: parcel.name,
        version: parcel.version,
        integrity: String(dist.integrity),
        trust: await registry.trust(),
      });
      const { signer } = verified.verified;
      assert.equal(signer.kind === 'certificate' && signer.subject.value, 'alice@example.com');
    }
  });

  it('answers 404 for the evidence of what it does not have', async () => {
    for (const spec of [
      '@example/nothing@1.0.0',
      'ms@2.1.3',
      '@example/first',
      '..%2f..%2fx@1.0.0',
      '%',
      '@example%252ffirst@1.0.0',
    ]) {
      const answer = await registry.attestations(spec);
      assert.equal(answer.status, 404, spec);
      assert.equal(typeof answer.json().error, 'string');
    }
  });

  it('refuses a package without evidence with 403, and stores nothing', async () => {
    const parcel = await registry.parcel('@example/unsigned', '1.0.0', { bundle: undefined });
    const answer = await registry.put(parcel);
    assert.equal(answer.status, 403);
    assert.match(String(answer.json().error), /^@example\/unsigned@1\.0\.0 comes without signed evidence/);
    await assertNothingStored('@example/unsigned');
  });

  it('refuses an identity that the policy does not name with 422', async () => {
    const parcel = await registry.parcel('@example/stranger', '1.0.0', { signer: 'mallory@example.com' });
    const answer = await registry.put(parcel);
    assert.equal(answer.status, 422);
    assert.match(String(answer.json().error), /mallory@example\.com/);
    assert.match(String(answer.json().error), /alice@example\.com/);
    await assertNothingStored('@example/stranger');
  });

  it('refuses the evidence of another package, of another version and of other bytes with 422', async () => {
    const other = await registry.parcel('@example/other');
    const bundle = attachments(other)[sigstoreKey(other)];
    for (const [name, version] of [
      ['@example/thief', '1.0.0'],
      ['@example/other', '2.0.0'],
    ] as const) {
      const parcel = await registry.parcel(name, version, { bundle: undefined });
      attachments(parcel)[sigstoreKey(parcel)] = { ...bundle };
      const answer = await registry.put(parcel);
      assert.equal(answer.status, 422, answer.text);
      assert.match(String(answer.json().error), /another package or version/);
    }
    const swapped = await registry.parcel('@example/other', '1.0.0', {
      bundle: undefined,
      manifest: { description: 'swapped' },
    });
    attachments(swapped)[sigstoreKey(swapped)] = { ...bundle };
    const answer = await registry.put(swapped);
    assert.equal(answer.status, 422);
    assert.match(String(answer.json().error), /other bytes/);
    await assertNothingStored('@example/thief');
    await assertNothingStored('@example/other');
  });

  it('refuses a bundle in which one byte was changed with 422', async () => {
    const parcel = await registry.parcel('@example/tampered');
    const attachment = attachments(parcel)[sigstoreKey(parcel)];
    assert.ok(attachment);
    const bundle = JSON.parse(String(attachment.data));
    const signature = Buffer.from(bundle.dsseEnvelope.signatures[0].sig, 'base64');
    signature[signature.length - 1] = (signature[signature.length - 1] ?? 0) ^ 1;
    bundle.dsseEnvelope.signatures[0].sig = signature.toString('base64');
    const data = JSON.stringify(bundle);
    Object.assign(attachment, { data, length: data.length });
    const answer = await registry.put(parcel);
    assert.equal(answer.status, 422, answer.text);
    await assertNothingStored('@example/tampered');
  });

  it('refuses a dist.integrity that is not that of the bytes', async () => {
    const parcel = await registry.parcel('@example/integrity');
    manifest(parcel).dist.integrity = `sha512-${Buffer.alloc(64).toString('base64')}`;
    assert.equal((await registry.put(parcel)).status, 422);
    delete manifest(parcel).dist.integrity;
    assert.equal((await registry.put(parcel)).status, 422);
    await assertNothingStored('@example/integrity');
  });

  it('refuses two versions, two tarballs and two bundles in one document', async () => {
    const versions = await registry.parcel('@example/doubled');
    (versions.document.versions as Json)['1.0.1'] = { ...manifest(versions), version: '1.0.1' };
    const tarballs = await registry.parcel('@example/doubled');
    attachments(tarballs)['doubled-1.0.0.tgz'] = { ...attachments(tarballs)[tarballKey(tarballs)] };
    const bundles = await registry.parcel('@example/doubled');
    attachments(bundles)['doubled-1.0.0.sigstore'] = { ...attachments(bundles)[sigstoreKey(bundles)] };
    const foreign = await registry.parcel('@example/doubled');
    attachments(foreign)['../../evil.tgz'] = { ...attachments(foreign)[tarballKey(foreign)] };
    for (const parcel of [versions, tarballs, bundles, foreign]) {
      const answer = await registry.put(parcel);
      assert.equal(answer.status, 422, answer.text);
    }
    await assertNothingStored('@example/doubled');
  });

  it('refuses a manifest that says other than package.json in the tarball', async () => {
    for (const lie of [
      { dependencies: { evil: '1.0.0' } },
      { optionalDependencies: { evil: '1.0.0' } },
      { scripts: { postinstall: 'node evil.js' } },
    ]) {
      const parcel = await registry.parcel('@example/confused');
      Object.assign(manifest(parcel), lie);
      const answer = await registry.put(parcel);
      assert.equal(answer.status, 422);
      assert.match(String(answer.json().error), /differs from package\.json in the tarball/);
    }
    const tarball = packTarball({ name: '@example/else', version: '1.0.0' });
    const parcel = await registry.parcel('@example/confused', '1.0.0', { bundle: undefined });
    const attachment = attachments(parcel)[tarballKey(parcel)];
    assert.ok(attachment);
    Object.assign(attachment, { data: Buffer.from(tarball).toString('base64'), length: tarball.length });
    Object.assign(manifest(parcel).dist, {
      integrity: `sha512-${createHash('sha512').update(tarball).digest('base64')}`,
      shasum: createHash('sha1').update(tarball).digest('hex'),
    });
    const bundle = JSON.stringify(await registry.sign('@example/confused', '1.0.0', tarball));
    attachments(parcel)[sigstoreKey(parcel)] = { content_type: 'x', data: bundle, length: bundle.length };
    const answer = await registry.put(parcel);
    assert.equal(answer.status, 422);
    assert.match(String(answer.json().error), /the name in the publish document differs/);
    await assertNothingStored('@example/confused');
  });

  it('asks for the right to publish before anything else', async () => {
    const parcel = await registry.parcel('@example/rights');
    assert.equal((await registry.put(parcel, { user: undefined })).status, 401);
    const unsigned = await registry.parcel('@example/rights', '1.0.0', { bundle: undefined });
    assert.equal((await registry.put(unsigned, { user: undefined })).status, 401);
    await assertNothingStored('@example/rights');
  });

  it('refuses names that it does not own, in any spelling', async () => {
    for (const name of ['unowned', '@other/example', '@examples/x']) {
      const parcel = await registry.parcel(name);
      const answer = await registry.put(parcel);
      assert.equal(answer.status, 403, name);
    }
    const upper = await registry.parcel('@example/upper');
    const shouting = { ...upper, name: '@EXAMPLE/upper', document: { ...upper.document, name: '@EXAMPLE/upper' } };
    assert.ok((await registry.put(shouting)).status >= 400);
    await assertNothingStored('@example/upper');
  });

  it('takes a publish at the address of the package alone', async () => {
    const parcel = await registry.parcel('@example/address');
    for (const path of [
      '/@example%2faddress/-rev/1-abc',
      '/@example%2faddress/-rev/',
      '/@example%2faddress/-rev',
      '/@example%2felse',
      '/@example%252faddress',
      '/@example/address/1.0.0',
      '/-/stage/package/@example%2faddress',
    ]) {
      const answer = await registry.put(parcel, { path });
      assert.ok(answer.status >= 400 && answer.status < 500, `${path}: ${answer.status}`);
    }
    for (const method of ['POST', 'PATCH']) {
      assert.ok((await registry.put(parcel, { method })).status >= 400, method);
    }
    await assertNothingStored('@example/address');
    assert.equal((await registry.put(parcel, { path: '/%40example%2Faddress/?write=true' })).status, 400);
    assert.equal((await registry.put(parcel, { path: '/@example/address?x=1' })).status, 201);
  });

  it('takes no unsigned publish at any address', async () => {
    const signed = await registry.parcel('@example/everywhere');
    assert.equal((await registry.put(signed)).status, 201);
    const parcel = await registry.parcel('@example/everywhere', '1.0.1', { bundle: undefined });
    for (const path of [
      '/@example%2feverywhere',
      '/@example/everywhere',
      '/@example%2feverywhere/-rev/1-abc',
      '/@example/everywhere/-rev/1-abc',
      '/@example%2feverywhere/',
      '/%40example%2feverywhere',
      '//@example%2feverywhere',
      '/./@example%2feverywhere',
    ]) {
      const answer = await registry.put(parcel, { path });
      assert.ok(answer.status >= 400 && answer.status < 500, `${path}: ${answer.status} ${answer.text}`);
    }
    const packument = (await registry.fetch('/@example/everywhere')).json<{ versions: Json }>();
    assert.deepEqual(Object.keys(packument.versions), ['1.0.0']);
  });

  it('takes no bare tarball', async () => {
    for (const path of [
      '/@example%2fraw/-/raw-1.0.0.tgz/x',
      '/@example/raw/-/raw-1.0.0.tgz/x',
      '/raw/-/raw-1.0.0.tgz',
    ]) {
      for (const type of ['application/octet-stream', 'application/octet-stream; charset=utf-8']) {
        const answer = await registry.fetch(path, {
          method: 'PUT',
          headers: { 'content-type': type, authorization: `Bearer ${await registry.npmToken('alice')}` },
          body: 'x',
        });
        assert.equal(answer.status, 403, `${path} ${type}`);
      }
    }
  });

  it('serves no claims of the client about signatures', async () => {
    const parcel = await registry.parcel('@example/forged');
    Object.assign(manifest(parcel).dist, {
      signatures: [{ keyid: 'SHA256:x', sig: 'eA==' }],
      attestations: { url: 'https://evil.example/', provenance: { predicateType: 'https://slsa.dev/provenance/v1' } },
    });
    assert.equal((await registry.put(parcel)).status, 201);
    for (const accept of ['application/json', 'application/vnd.npm.install-v1+json']) {
      const { text } = await registry.fetch('/@example%2fforged', { headers: { accept } });
      assert.doesNotMatch(text, /evil\.example|SHA256:x"|"attestations"/);
    }
  });

  it('refuses a version that exists with 409, whoever signed it', async () => {
    const parcel = await registry.parcel('@example/again');
    assert.equal((await registry.put(parcel)).status, 201);
    assert.equal((await registry.put(parcel)).status, 409);
    const other = await registry.parcel('@example/again', '1.0.0', { manifest: { description: 'other bytes' } });
    assert.equal((await registry.put(other)).status, 409);
    const { attestations } = (await registry.attestations('@example/again@1.0.0')).json() as {
      attestations: unknown[];
    };
    assert.equal(attestations.length, 1);
  });

  it('lets one of two publishes of the same version win, and both of two versions', async () => {
    const [one, two] = await Promise.all([
      registry.parcel('@example/race', '1.0.0', { manifest: { description: 'one' } }),
      registry.parcel('@example/race', '1.0.0', { manifest: { description: 'two' } }),
    ]);
    const statuses = (await Promise.all([registry.put(one), registry.put(two)])).map(({ status }) => status);
    assert.deepEqual(statuses.sort(), [201, 409]);
    const next = await Promise.all(['2.0.0', '3.0.0', '4.0.0'].map((v) => registry.parcel('@example/race', v)));
    const answers = await Promise.all(next.map((parcel) => registry.put(parcel)));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [201, 201, 201],
    );
    for (const version of ['1.0.0', '2.0.0', '3.0.0', '4.0.0']) {
      const answer = await registry.attestations(`@example/race@${version}`);
      assert.equal(answer.json<Served>().attestations.length, 1, version);
    }
  });

  it('tells apart the evidence of 1.0.0 and of 1.0.0-rc.1', async () => {
    for (const version of ['1.0.0-rc.1', '1.0.0']) {
      assert.equal((await registry.put(await registry.parcel('@example/candidate', version))).status, 201);
    }
    for (const version of ['1.0.0-rc.1', '1.0.0']) {
      const answer = await registry.attestations(`@example/candidate@${version}`);
      assert.equal(answer.json<Served>().attestations.length, 1, version);
    }
  });

  it('refuses a document larger than the limit', async () => {
    const parcel = await registry.parcel('@example/large', '1.0.0', { bundle: undefined });
    const bundle = { mediaType: 'x', padding: 'a'.repeat(2 * 1024 * 1024) };
    const data = JSON.stringify(bundle);
    attachments(parcel)[sigstoreKey(parcel)] = { content_type: 'x', data, length: data.length };
    assert.equal((await registry.put(parcel)).status, 413);
    await assertNothingStored('@example/large');
  });

  it('serves the evidence of many versions at once', async () => {
    for (const version of ['1.0.0', '1.1.0']) {
      assert.equal((await registry.put(await registry.parcel('@example/batch', version))).status, 201);
    }
    const ask = (body: unknown) =>
      registry.fetch('/-/signet/v1/attestations:batch', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    const packages = [
      { name: '@example/batch', version: '1.0.0' },
      { name: '@example/batch', version: '1.1.0' },
      { name: '@example/batch', version: '9.9.9' },
      { name: 'ms', version: '2.1.3' },
    ];
    const answer = await ask({ packages });
    assert.equal(answer.status, 200);
    const lines = answer.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      lines.map(({ purl, attestations }) => [purl, attestations.length]),
      [
        ['pkg:npm/%40example/batch@1.0.0', 1],
        ['pkg:npm/%40example/batch@1.1.0', 1],
        ['pkg:npm/%40example/batch@9.9.9', 0],
        ['pkg:npm/ms@2.1.3', 0],
      ],
    );
    const single = (await registry.attestations('@example/batch@1.1.0')).json<Served>();
    assert.deepEqual(lines[1].attestations, single.attestations);
    assert.match(lines[0].integrity, /^sha512-/);
    assert.equal(lines[2].integrity, null);
    for (const body of [
      {},
      { packages: {} },
      { packages: [{ name: '../x', version: '1.0.0' }] },
      { packages: ['x'] },
    ]) {
      assert.equal((await ask(body)).status, 400, JSON.stringify(body));
    }
  });
});
