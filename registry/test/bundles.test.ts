import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha512Integrity } from '@signet/client/npm';
import { packTarball } from './support/package.ts';
import { type Answer, bundlesOf, type Parcel, TestRegistry } from './support/registry.ts';

type Json = Record<string, unknown>;

describe('evidence that comes by itself', () => {
  let registry: TestRegistry;
  let policy: string;

  before(async () => {
    registry = await TestRegistry.start({
      publishers: [{ subject: 'alice@example.com' }, { subject: 'bob@example.com' }],
    });
    policy = await readFile(registry.running.instance.layout.policyFile, 'utf8');
  });

  afterEach(() => writeFile(registry.running.instance.layout.policyFile, policy));

  after(() => registry.remove());

  const pending = () =>
    readdir(join(registry.running.instance.layout.registry.storage, '.signet-pending')).catch(() => []);

  async function send(bundle: unknown, user: string | undefined = 'alice'): Promise<Answer> {
    const authorization = user === '' ? {} : { authorization: `Bearer ${await registry.npmToken(user)}` };
    return registry.fetch('/-/signet/v1/bundles', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...authorization },
      body: JSON.stringify(bundle),
    });
  }

  /** A publish as plain npm sends it, and somebody's bundle over its tarball. */
  async function plain(name: string, version = '1.0.0', email = 'alice@example.com') {
    const parcel = await registry.parcel(name, version, { bundle: undefined });
    return { parcel, bundle: await registry.sign(name, version, parcel.tarball, email) };
  }

  it('waits for a plain publish of the same bytes', async () => {
    const { parcel, bundle } = await plain('@example/early');
    const answer = await send(bundle);
    assert.equal(answer.status, 202, answer.text);
    assert.equal(answer.json().state, 'waiting');
    assert.equal((await registry.fetch('/@example/early')).status, 404, 'nothing is to be seen before');
    assert.equal((await registry.put(parcel)).status, 201);
    const served = (await registry.attestations('@example/early@1.0.0')).json<{
      attestations: { bundle: unknown }[];
    }>();
    assert.deepEqual(served.attestations[0]?.bundle, bundle);
    assert.deepEqual(await pending(), [], 'what was used does not wait any more');
  });

  it('does not count for other bytes, another version or another name', async () => {
    const { bundle } = await plain('@example/elsewhere');
    assert.equal((await send(bundle)).status, 202);
    const other = await registry.parcel('@example/elsewhere', '1.0.0', {
      bundle: undefined,
      manifest: { description: 'other bytes' },
    });
    for (const parcel of [
      other,
      await registry.parcel('@example/elsewhere', '1.0.1', { bundle: undefined }),
      await registry.parcel('@example/elsewhere2', '1.0.0', { bundle: undefined }),
    ]) {
      assert.equal((await registry.put(parcel)).status, 403);
    }
  });

  it('expires', async () => {
    const { parcel, bundle } = await plain('@example/late');
    assert.equal((await send(bundle)).status, 202);
    const folder = join(registry.running.instance.layout.registry.storage, '.signet-pending');
    for (const place of await readdir(folder)) {
      const file = join(folder, place, 'package.json');
      const text = await readFile(file, 'utf8');
      await writeFile(
        file,
        text.replace(/"expires": *"[^"]+"/g, `"expires": "${new Date(Date.now() - 1).toISOString()}"`),
      );
    }
    assert.equal((await registry.put(parcel)).status, 403);
  });

  it('is taken from whoever may publish the package, signed by whom the policy names', async () => {
    const { bundle } = await plain('@example/whose');
    assert.equal((await send(bundle, '')).status, 401);
    const { bundle: stranger } = await plain('@example/whose', '1.0.0', 'mallory@example.com');
    const refused = await send(stranger);
    assert.equal(refused.status, 403);
    assert.match(refused.text, /not one that the registry’s policy asks for.*mallory@example\.com/);
    const { bundle: foreign } = await plain('unowned');
    assert.equal((await send(foreign)).status, 403);
    const changed = structuredClone(bundle) as { dsseEnvelope: { signatures: { sig: string }[] } };
    const [signature] = changed.dsseEnvelope.signatures;
    assert.ok(signature);
    signature.sig = `${signature.sig.startsWith('M') ? 'N' : 'M'}${signature.sig.slice(1)}`;
    assert.equal((await send(changed)).status, 422);
    for (const nonsense of [{}, [], { mediaType: 'x' }, { dsseEnvelope: {} }]) {
      assert.equal((await send(nonsense)).status, 422, JSON.stringify(nonsense));
    }
  });

  it('makes up the number of signers that the policy demands', async () => {
    await writeFile(
      registry.running.instance.layout.policyFile,
      policy.replace(/by: (\["publisher-1","publisher-2"\])/, 'by: $1, threshold: 2'),
    );
    const { parcel, bundle } = await plain('@example/two');
    const second = await registry.sign('@example/two', '1.0.0', parcel.tarball, 'bob@example.com');
    const again = await registry.sign('@example/two', '1.0.0', parcel.tarball, 'alice@example.com');
    assert.equal((await send(bundle)).status, 202);
    assert.equal((await send(again)).status, 202);
    const alone = await registry.put(parcel);
    assert.equal(alone.status, 422, 'one person twice is one person');
    assert.match(alone.text, /1 of 2 required distinct signers/);
    assert.equal((await send(second, 'bob')).status, 202);
    assert.equal((await registry.put(parcel)).status, 201);
    assert.equal(await bundlesOf(registry, '@example/two@1.0.0'), 3);
  });

  it('is attached to a version that exists, once', async () => {
    const parcel: Parcel = await registry.parcel('@example/attach');
    assert.equal((await registry.put(parcel)).status, 201);
    const bundle = await registry.sign('@example/attach', '1.0.0', parcel.tarball, 'bob@example.com');
    const first = await send(bundle, 'bob');
    assert.equal(first.status, 201, first.text);
    assert.match(String(first.json().file), /^attach-1\.0\.0\.[0-9a-f]{16}\.sigstore\.json$/);
    assert.equal((await send(bundle, 'bob')).status, 200, 'the same again changes nothing');
    assert.equal(await bundlesOf(registry, '@example/attach@1.0.0'), 2);
    const tarball = packTarball({ name: '@example/attach', version: '1.0.0', description: 'other' });
    assert.notEqual(sha512Integrity(tarball), sha512Integrity(parcel.tarball));
    const other = await registry.sign('@example/attach', '1.0.0', tarball, 'bob@example.com');
    const refused = await send(other, 'bob');
    assert.equal(refused.status, 422);
    assert.match(refused.text, /other bytes/);
    await registry.restart();
    assert.equal(await bundlesOf(registry, '@example/attach@1.0.0'), 2);
  });

  it('goes with the version when that is unpublished', async () => {
    const parcel = await registry.parcel('@example/gone');
    assert.equal((await registry.put(parcel)).status, 201);
    assert.equal(
      (await send(await registry.sign('@example/gone', '1.0.0', parcel.tarball, 'bob@example.com'))).status,
      201,
    );
    const { _rev: revision } = (await registry.fetch('/@example/gone?write=true')).json<{ _rev: string }>();
    const removed = await registry.fetch(`/@example%2fgone/-rev/${revision}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${await registry.npmToken('alice')}` },
    });
    assert.equal(removed.status, 201, removed.text);
    const folder = join(registry.running.instance.layout.registry.storage, '@example', 'gone');
    assert.deepEqual(await readdir(folder).catch(() => []), []);
  });

  it('leaves a line in the audit log', async () => {
    const { bundle } = await plain('@example/noted', '1.0.0', 'mallory@example.com');
    assert.equal((await send(bundle)).status, 403);
    const log = await readFile(registry.running.instance.layout.registry.auditLog, 'utf8');
    const last: Json = JSON.parse(log.trimEnd().split('\n').at(-1) ?? '');
    assert.deepEqual([last.decision, last.package, last.code], ['refused', '@example/noted', 'ERR_EVIDENCE_REFUSED']);
  });
});
