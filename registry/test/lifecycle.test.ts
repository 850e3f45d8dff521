import assert from 'node:assert/strict';
import { access, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha512Integrity, verifyPackageBundle } from '@signet/client/npm';
import { packTarball } from './support/package.ts';
import { bundlesOf, type Parcel, TestRegistry } from './support/registry.ts';

type Json = Record<string, unknown>;

describe('the life of a published version', () => {
  let registry: TestRegistry;

  before(async () => {
    registry = await TestRegistry.start();
  });

  after(() => registry.remove());

  const storage = (...parts: string[]) => join(registry.running.instance.layout.registry.storage, ...parts);

  async function publish(name: string, version = '1.0.0'): Promise<Parcel> {
    const parcel = await registry.parcel(name, version);
    const answer = await registry.put(parcel);
    assert.equal(answer.status, 201, answer.text);
    return parcel;
  }

  async function asAlice(path: string, method: string, body?: unknown) {
    return registry.fetch(path, {
      method,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${await registry.npmToken('alice')}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  /** What `npm unpublish name@version` sends when other versions stay. */
  async function unpublish(name: string, version: string) {
    const packument = (await registry.fetch(`/${name}?write=true`)).json<{ versions: Json; _rev: string }>();
    const tarball = `${name.slice(name.indexOf('/') + 1)}-${version}.tgz`;
    delete packument.versions[version];
    const tags = Object.keys(packument.versions).at(-1);
    const changed = await asAlice(`/${name}/-rev/${packument._rev}`, 'PUT', {
      ...packument,
      'dist-tags': { latest: tags },
    });
    assert.equal(changed.status, 201, changed.text);
    const removed = await asAlice(`/${name}/-/${tarball}/-rev/${packument._rev}`, 'DELETE');
    assert.equal(removed.status, 201, removed.text);
  }

  it('keeps packages, evidence and accounts through a restart', async () => {
    await publish('@example/lasting');
    const before = (await registry.attestations('@example/lasting@1.0.0')).text;
    const { publicUrl } = registry.running.instance.configuration;
    await registry.restart();
    assert.equal(registry.running.instance.configuration.publicUrl, publicUrl);
    assert.equal((await registry.attestations('@example/lasting@1.0.0')).text, before);
    await publish('@example/lasting', '1.0.1');
  });

  it('removes the evidence of an unpublished version, and takes the version again', async () => {
    await publish('@example/withdrawn');
    await publish('@example/withdrawn', '1.1.0');
    await unpublish('@example/withdrawn', '1.0.0');
    assert.equal((await registry.attestations('@example/withdrawn@1.0.0')).status, 404);
    assert.equal(await bundlesOf(registry, '@example/withdrawn@1.1.0'), 1);
    const files = await readdir(storage('@example', 'withdrawn'));
    assert.deepEqual(
      files.filter((file) => file.startsWith('withdrawn-1.0.0.')),
      [],
    );
    await publish('@example/withdrawn');
    assert.equal(await bundlesOf(registry, '@example/withdrawn@1.0.0'), 1);
  });

  it('removes everything with the whole package, and takes it again', async () => {
    const { name } = await publish('@example/gone');
    const { _rev } = (await registry.fetch(`/${name}`)).json<{ _rev: string }>();
    const removed = await asAlice(`/@example%2fgone/-rev/${_rev}`, 'DELETE');
    assert.equal(removed.status, 201, removed.text);
    await assert.rejects(access(storage('@example', 'gone')));
    assert.equal((await registry.attestations('@example/gone@1.0.0')).status, 404);
    await publish(name);
  });

  it('lets deprecation and tags pass, without letting them change what was signed', async () => {
    const { name } = await publish('@example/deprecated');
    const packument = (await registry.fetch(`/${name}?write=true`)).json<{ versions: Record<string, Json> }>();
    const version = packument.versions['1.0.0'];
    assert.ok(version);
    const integrity = (version.dist as Json).integrity;
    Object.assign(version, { deprecated: 'use another', dist: { integrity: 'sha512-AAAA', attestations: {} } });
    assert.equal((await asAlice('/@example%2fdeprecated', 'PUT', { ...packument, _attachments: {} })).status, 201);
    const tagged = await asAlice('/-/package/@example%2fdeprecated/dist-tags/stable', 'PUT', '1.0.0');
    assert.equal(tagged.status, 201, tagged.text);
    const after = (await registry.fetch(`/${name}`)).json<{ versions: Record<string, Json>; 'dist-tags': Json }>();
    assert.equal(after.versions['1.0.0']?.deprecated, 'use another');
    const dist = after.versions['1.0.0']?.dist as Json | undefined;
    assert.equal(dist?.integrity, integrity);
    assert.equal(dist?.attestations, undefined);
    assert.equal(after['dist-tags'].stable, '1.0.0');
  });

  it('takes a version whose first publish was cut off after any of its writes', async () => {
    await publish('@example/cut', '0.9.0');
    const manifestFile = storage('@example', 'cut', 'package.json');
    const before = await readFile(manifestFile, 'utf8');
    await publish('@example/cut', '1.0.0');
    const files = (await readdir(storage('@example', 'cut'))).filter((file) => file.startsWith('cut-1.0.0.'));
    assert.equal(files.length, 2);
    const whole = JSON.parse(await readFile(manifestFile, 'utf8'));
    const [bundle = '', tarball = ''] = files.sort((a) => (a.endsWith('.sigstore.json') ? -1 : 1));

    // The order of writes: names of both files, bundle, tarball, the tarball's hash, the version.
    const announced = JSON.parse(before);
    announced._attachments[bundle] = {};
    announced._attachments[tarball] = {};
    const hashed = JSON.parse(before);
    hashed._attachments[bundle] = {};
    hashed._attachments[tarball] = whole._attachments[tarball];
    const moments = [
      { manifest: announced, files: [] },
      { manifest: announced, files: [bundle] },
      { manifest: announced, files: [bundle, tarball] },
      { manifest: hashed, files: [bundle, tarball] },
    ];
    const contents = new Map<string, Buffer>();
    for (const file of files) contents.set(file, await readFile(storage('@example', 'cut', file)));
    for (const { manifest, files: written } of moments) {
      for (const file of await readdir(storage('@example', 'cut'))) {
        if (file.startsWith('cut-1.0.0.')) await rm(storage('@example', 'cut', file));
      }
      for (const file of written) await writeFile(storage('@example', 'cut', file), contents.get(file) ?? '');
      await writeFile(manifestFile, JSON.stringify(manifest));
      await registry.restart();
      const packument = (await registry.fetch('/@example/cut')).json<{ versions: Json }>();
      assert.deepEqual(Object.keys(packument.versions), ['0.9.0'], 'nothing of it is visible');
      assert.equal((await registry.attestations('@example/cut@1.0.0')).status, 404);

      await publish('@example/cut', '1.0.0');
      assert.equal(await bundlesOf(registry, '@example/cut@1.0.0'), 1);
      const left = (await readdir(storage('@example', 'cut'))).filter((file) => file.startsWith('cut-1.0.0.'));
      assert.equal(left.length, 2, left.join(' '));
    }
  });

  it('makes version and tag visible in one write', async () => {
    const parcel = await registry.parcel('@example/tagged');
    Object.assign(parcel.document, { 'dist-tags': { beta: '1.0.0' } });
    assert.equal((await registry.put(parcel)).status, 201);
    const { 'dist-tags': tags } = (await registry.fetch('/@example/tagged')).json<{ 'dist-tags': Json }>();
    assert.equal(tags.beta, '1.0.0');
  });

  it('counts a change of the policy at once, and publishes nothing while it is broken', async () => {
    const { policyFile } = registry.running.instance.layout;
    const before = await readFile(policyFile, 'utf8');
    const parcel = await registry.parcel('@example/policy', '1.0.0', { signer: 'bob@example.com' });
    assert.equal((await registry.put(parcel)).status, 422);
    await writeFile(policyFile, before.replace('alice@example.com', 'bob@example.com'));
    assert.equal((await registry.put(parcel)).status, 201);
    const next = await registry.parcel('@example/policy', '1.0.1');
    for (const broken of ['version: 1\nrules: [', 'version: 9\n', '']) {
      await writeFile(policyFile, broken);
      const answer = await registry.put(next);
      assert.equal(answer.status, 503, answer.text);
      assert.doesNotMatch(answer.text, /instance\/trust-policy/, 'the operator’s paths stay in the log');
    }
    await writeFile(policyFile, before);
    assert.equal((await registry.put(next)).status, 201);
  });

  it('counts a change of the trusted root at once, as in a rotation', async () => {
    const { trustedRoot } = registry.running.instance.layout.trust;
    const before = await readFile(trustedRoot, 'utf8');
    const parcel = await registry.parcel('@example/rotated');
    const root = JSON.parse(before);
    const [authority] = root.certificateAuthorities;
    authority.validFor.end = new Date(new Date(authority.validFor.start).getTime() + 1).toISOString();
    await writeFile(trustedRoot, JSON.stringify(root));
    assert.equal((await registry.put(parcel)).status, 422);
    await writeFile(trustedRoot, '{');
    assert.equal((await registry.put(parcel)).status, 503);
    await writeFile(trustedRoot, before);
    assert.equal((await registry.put(parcel)).status, 201);
  });

  it('takes a release that consumers are to let age first', async () => {
    const { policyFile } = registry.running.instance.layout;
    const before = await readFile(policyFile, 'utf8');
    await writeFile(policyFile, before.replace('- id: owned-names', '- id: owned-names\n    minimumReleaseAge: 3d'));
    await publish('@example/young');
    await writeFile(policyFile, before);
  });

  it('takes no unsigned package under a policy without a rule for its name', async () => {
    const { policyFile } = registry.running.instance.layout;
    const before = await readFile(policyFile, 'utf8');
    for (const noMatch of ['allow', 'warn', 'deny']) {
      await writeFile(
        policyFile,
        `${before.slice(0, before.indexOf('rules:'))}`.replace('noMatch: deny', `noMatch: ${noMatch}`),
      );
      const unsigned = await registry.parcel('@example/ruleless', '1.0.0', { bundle: undefined });
      assert.equal((await registry.put(unsigned)).status, 403, noMatch);
      assert.equal((await registry.put(await registry.parcel('@example/ruleless'))).status, 422, noMatch);
    }
    await writeFile(policyFile, before);
  });

  it('does not pass over evidence that is damaged on disk', async () => {
    await publish('@example/damaged');
    const folder = storage('@example', 'damaged');
    const [bundle = ''] = (await readdir(folder)).filter((file) => file.endsWith('.sigstore.json'));
    for (const damaged of ['{"dsseEnvelope":', 'null', '']) {
      await writeFile(join(folder, bundle), damaged);
      assert.equal((await registry.attestations('@example/damaged@1.0.0')).status, 500, damaged);
    }
    await rm(join(folder, bundle));
    assert.equal((await registry.attestations('@example/damaged@1.0.0')).status, 500);
  });

  it('serves the evidence of bytes that were exchanged in storage, so that clients see it does not fit', async () => {
    const parcel = await publish('@example/exchanged');
    const manifestFile = storage('@example', 'exchanged', 'package.json');
    const manifest = JSON.parse(await readFile(manifestFile, 'utf8'));
    const swapped = packTarball({ name: parcel.name, version: parcel.version, scripts: { postinstall: 'evil' } });
    const integrity = sha512Integrity(swapped);
    manifest.versions['1.0.0'].dist.integrity = integrity;
    await writeFile(manifestFile, JSON.stringify(manifest));
    await writeFile(storage('@example', 'exchanged', 'exchanged-1.0.0.tgz'), swapped);
    const { attestations } = (await registry.attestations('@example/exchanged@1.0.0')).json<{
      attestations: { bundle: unknown }[];
    }>();
    const subject = { name: parcel.name, version: parcel.version, integrity, trust: await registry.trust() };
    assert.throws(() => verifyPackageBundle(attestations[0]?.bundle, subject), { code: 'ERR_ATTESTATION_SUBJECT' });
  });

  it('keeps a line about every accept and every refusal', async () => {
    const { auditLog } = registry.running.instance.layout.registry;
    const before = (await readFile(auditLog, 'utf8')).length;
    const parcel = await publish('@example/audited');
    const unsigned = await registry.parcel('@example/audited', '1.0.1', { bundle: undefined });
    await registry.put(unsigned);
    await registry.put(parcel, { user: undefined });
    const hostile = { ...parcel, document: { ...parcel.document, name: '@example/\u001b[2J\u202e' } };
    await registry.put(hostile);
    const text = (await readFile(auditLog, 'utf8')).slice(before);
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      lines.map(({ decision, status, code }) => [decision, status, code]),
      [
        ['accepted', undefined, undefined],
        ['refused', 403, 'ERR_EVIDENCE_MISSING'],
        ['refused', 401, 'ERR_PUBLISH_FORBIDDEN'],
        ['refused', 400, 'ERR_PUBLISH_DOCUMENT'],
      ],
    );
    assert.equal(lines[0].user, 'alice');
    assert.match(lines[0].evidence[0], /alice@example\.com .* index \d+/);
    assert.deepEqual(lines[0].rules, ['owned-names']);
    assert.equal(lines[3].package, '@example/\\u{1b}[2J\\u{202e}');
  });
});
