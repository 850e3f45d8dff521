import assert from 'node:assert/strict';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { registryKeyFiles } from '../src/registry-key.ts';
import { TestRegistry } from './support/registry.ts';

interface Key {
  readonly keyid: string;
  readonly key: string;
  readonly keytype: string;
  readonly scheme: string;
  readonly expires: string | null;
}

interface Dist {
  readonly integrity?: string;
  readonly shasum: string;
  readonly signatures?: readonly { readonly keyid: string; readonly sig: string }[];
  readonly attestations?: { readonly url: string; readonly provenance?: { readonly predicateType: string } };
}

describe('what the registry signs', () => {
  let registry: TestRegistry;

  before(async () => {
    registry = await TestRegistry.start();
  });

  after(() => registry.remove());

  async function keys(): Promise<readonly Key[]> {
    const answer = await registry.fetch('/-/npm/v1/keys');
    assert.equal(answer.status, 200);
    return answer.json<{ keys: Key[] }>().keys;
  }

  async function dist(name: string, version = '1.0.0'): Promise<Dist> {
    const packument = (await registry.fetch(`/${name}`)).json<{ versions: Record<string, { dist: Dist }> }>();
    const found = packument.versions[version]?.dist;
    assert.ok(found);
    return found;
  }

  /** As npm does it (pacote, lib/registry.js). */
  function verifies(name: string, version: string, { integrity, signatures }: Dist, known: readonly Key[]): boolean {
    return (signatures ?? []).every(({ keyid, sig }) => {
      const key = known.find((candidate) => candidate.keyid === keyid);
      if (key === undefined) return false;
      const pem = `-----BEGIN PUBLIC KEY-----\n${key.key}\n-----END PUBLIC KEY-----`;
      const text = `${name}@${version}:${integrity}`;
      return verify('sha256', Buffer.from(text), createPublicKey(pem), Buffer.from(sig, 'base64'));
    });
  }

  async function publish(name: string, version = '1.0.0') {
    const answer = await registry.put(await registry.parcel(name, version));
    assert.equal(answer.status, 201, answer.text);
  }

  const manifestFile = (name: string) =>
    join(registry.running.instance.layout.registry.storage, ...name.split('/'), 'package.json');

  /** Changes the stored document as another Verdaccio, or somebody with access to the disk, could. */
  async function editStored(name: string, change: (dist: Record<string, unknown>) => void, version = '1.0.0') {
    const manifest = JSON.parse(await readFile(manifestFile(name), 'utf8'));
    change(manifest.versions[version].dist);
    await writeFile(manifestFile(name), JSON.stringify(manifest));
  }

  async function untilSigned(name: string, isDone: (dist: Dist) => boolean) {
    for (let attempt = 0; attempt < 100 && !isDone(await dist(name)); attempt += 1) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  it('has a key that npm takes', async () => {
    const [key, second] = await keys();
    assert.equal(second, undefined);
    assert.ok(key);
    assert.deepEqual([key.keytype, key.scheme, key.expires], ['ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp256', null]);
    const hash = createHash('sha256').update(Buffer.from(key.key, 'base64')).digest('base64').replace(/=+$/, '');
    assert.equal(key.keyid, `SHA256:${hash}`);
  });

  it('is every version it takes, and the signature stays the same', async () => {
    await publish('@example/signed');
    const first = await dist('@example/signed');
    assert.equal(first.signatures?.length, 1);
    assert.ok(verifies('@example/signed', '1.0.0', first, await keys()));
    assert.ok(!verifies('@example/signed', '1.0.1', first, await keys()));
    assert.equal(first.attestations, undefined, 'evidence is not advertised unless the operator asks');
    const tag = async () => (await fetch(`${registry.url}@example%2fsigned`)).headers.get('etag');
    const before = await tag();
    await registry.restart();
    assert.deepEqual(await dist('@example/signed'), first);
    assert.equal(await tag(), before);
  });

  it('is in the abbreviated document too', async () => {
    const { text } = await registry.fetch('/@example%2fsigned', {
      headers: { accept: 'application/vnd.npm.install-v1+json' },
    });
    assert.match(text, /"keyid"/);
  });

  it('is what was stored before, once its bytes were found to be right', async () => {
    for (const name of ['@example/old', '@example/older', '@example/forged', '@example/wrong']) await publish(name);
    await editStored('@example/old', (stored) => delete stored.signatures);
    await editStored('@example/older', (stored) => {
      delete stored.signatures;
      delete stored.integrity;
    });
    await editStored('@example/forged', (stored) => {
      stored.signatures = [{ keyid: 'SHA256:forged', sig: 'eA==' }];
      stored.attestations = { url: 'https://evil.example/', provenance: { predicateType: 'x' } };
    });
    await editStored('@example/wrong', (stored) => delete stored.signatures);
    await writeFile(manifestFile('@example/wrong').replace('package.json', 'wrong-1.0.0.tgz'), 'other bytes');
    await registry.restart();
    for (const name of ['@example/old', '@example/older', '@example/forged']) {
      await untilSigned(
        name,
        ({ signatures }) => signatures?.[0] !== undefined && signatures[0].keyid !== 'SHA256:forged',
      );
      const now = await dist(name);
      assert.match(String(now.integrity), /^sha512-/, name);
      assert.equal(now.attestations, undefined, name);
      assert.equal(now.signatures?.length, 1);
      assert.ok(verifies(name, '1.0.0', now, await keys()), name);
    }
    assert.equal(
      (await dist('@example/wrong')).signatures,
      undefined,
      'nothing is signed that is not what was published',
    );
  });

  it('points to evidence when the operator asks for it', async () => {
    const { instanceFile } = registry.running.instance.layout;
    const text = await readFile(instanceFile, 'utf8');
    await writeFile(instanceFile, text.replace('advertiseEvidence: false', 'advertiseEvidence: true'));
    await registry.restart();
    await publish('@example/advertised');
    const { attestations } = await dist('@example/advertised');
    assert.equal(attestations?.url, `${registry.url}-/npm/v1/attestations/@example%2fadvertised@1.0.0`);
    assert.equal(attestations?.provenance, undefined, 'only a provenance is called one');
    await untilSigned('@example/signed', (stored) => stored.attestations !== undefined);
    assert.ok((await dist('@example/signed')).attestations, 'what was stored before is pointed to as well');
    await writeFile(instanceFile, text);
    await registry.restart();
    await untilSigned('@example/signed', (stored) => stored.attestations === undefined);
    assert.equal((await dist('@example/signed')).attestations, undefined);
  });

  it('stays valid after a rotation, and new versions are signed with the new key', async () => {
    const { key } = registryKeyFiles(registry.running.instance.layout);
    const before = await dist('@example/signed');
    const old = await readFile(key, 'utf8');
    const { createKeyFile } = await import('@signet/primitives/keys');
    await rm(key);
    await createKeyFile(key, 'PKIX_ECDSA_P256_SHA_256');
    await registry.restart();
    const [first, second, third] = await keys();
    assert.equal(third, undefined);
    assert.ok(first?.expires && Date.parse(first.expires) <= Date.now());
    assert.equal(second?.expires, null);
    assert.deepEqual(await dist('@example/signed'), before);
    assert.ok(verifies('@example/signed', '1.0.0', before, await keys()));
    await publish('@example/rotated');
    assert.equal((await dist('@example/rotated')).signatures?.[0]?.keyid, second?.keyid);
    await writeFile(key, old);
    await assert.rejects(registry.restart(), { code: 'ERR_PLUGIN_CONFIG', message: /was rotated out/ });
    await rm(key);
    await assert.rejects(registry.restart(), { code: 'ERR_INSTANCE', message: /restore both/ });
  });

  it('says who may see a package, as npm asks before it signs provenance', async () => {
    const own = await TestRegistry.start();
    try {
      for (const name of ['@example%2fsigned', '@example/never', '%40example%2fsigned']) {
        const answer = await own.fetch(`/-/package/${name}/visibility`);
        assert.equal(answer.status, 200, name);
        assert.deepEqual(answer.json(), { public: true });
      }
      assert.equal((await own.fetch('/-/package/..%2fx/visibility')).status, 404);
    } finally {
      await own.remove();
    }
  });
});
