import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { parseRegistryKeys, publishAttestationType, verifyPackageBundle } from '@signet/client/npm';
import { verifyBundle } from '@signet/client/verify';
import { TestRegistry } from './support/registry.ts';

interface Served {
  readonly attestations: readonly { readonly predicateType: string; readonly bundle: unknown }[];
}

describe('what the registry states with its own key', () => {
  let registry: TestRegistry;

  before(async () => {
    registry = await TestRegistry.start();
  });

  after(() => registry.remove());

  const keys = async () => parseRegistryKeys((await registry.fetch('/-/npm/v1/keys')).json());

  const attestations = async (spec: string) =>
    (await registry.attestations(spec)).json<Partial<Served>>().attestations ?? [];

  async function untilAttested(spec: string): Promise<Served['attestations']> {
    for (let attempt = 0; attempt < 200; attempt += 1) {
      const found = (await attestations(spec)).filter(({ predicateType }) => predicateType === publishAttestationType);
      if (found.length > 0) return found;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return [];
  }

  async function setAttesting(on: boolean) {
    const { instanceFile } = registry.running.instance.layout;
    const text = await readFile(instanceFile, 'utf8');
    await writeFile(instanceFile, text.replace(/attestPublish: \w+/, `attestPublish: ${on}`));
    await registry.restart();
  }

  it('is its policy and its trusted root, logged, and the same bundle until they change', async () => {
    const { policyFile, trust } = registry.running.instance.layout;
    const text = await readFile(policyFile, 'utf8');
    const ask = async () => {
      const answer = await registry.fetch('/-/signet/v1/policy');
      assert.equal(answer.status, 200, answer.text);
      const [key] = await keys();
      assert.ok(key);
      const { statement, logEntries } = verifyBundle(answer.text, { trust: await registry.trust(), key });
      assert.equal(logEntries.length, 1);
      return { text: answer.text, statement };
    };
    const first = await ask();
    assert.equal(first.statement?.predicate.policy, text);
    assert.equal(first.statement?.predicate.trustedRoot, await readFile(trust.trustedRoot, 'utf8'));
    const [subject] = first.statement?.subject ?? [];
    assert.equal(subject?.name, 'trust-policy.yaml');
    assert.equal(subject.digest.sha256, createHash('sha256').update(text).digest('hex'));
    assert.equal((await ask()).text, first.text);
    await registry.restart();
    assert.equal((await ask()).text, first.text, 'a restart logs nothing new');
    await writeFile(policyFile, `${text}# changed\n`);
    assert.equal((await ask()).statement?.predicate.policy, `${text}# changed\n`);
    await writeFile(policyFile, text);
    assert.equal((await ask()).text, first.text);
  });

  it('is that it took a version, also one that it took before it attested', async () => {
    assert.equal((await registry.put(await registry.parcel('@example/before'))).status, 201);
    await setAttesting(true);
    const parcel = await registry.parcel('@example/after');
    assert.equal((await registry.put(parcel)).status, 201);
    for (const name of ['@example/before', '@example/after']) {
      const [attestation, second] = await untilAttested(`${name}@1.0.0`);
      assert.ok(attestation, name);
      assert.equal(second, undefined);
      const packument = (await registry.fetch(`/${name}`)).json<{
        versions: Record<string, { dist: { integrity: string } }>;
      }>();
      const { predicate, verified } = verifyPackageBundle(attestation.bundle, {
        name,
        version: '1.0.0',
        integrity: packument.versions['1.0.0']?.dist.integrity ?? '',
        trust: await registry.trust(),
        registryKeys: await keys(),
      });
      assert.deepEqual(predicate, { name, version: '1.0.0', registry: registry.url });
      assert.equal(verified.signer.kind, 'key');
      assert.equal((await attestations(`${name}@1.0.0`)).length, 2);
      const tarball = await fetch(`${registry.url}${name}/-/${name.slice('@example/'.length)}-1.0.0.tgz`);
      assert.equal(tarball.status, 200);
    }
    await setAttesting(true);
    assert.equal((await untilAttested('@example/before@1.0.0')).length, 1, 'a restart attests nothing twice');
  });

  it('does not stand in for evidence of a publisher', async () => {
    const parcel = await registry.parcel('@example/unsigned', '1.0.0', { bundle: undefined });
    const [own] = await untilAttested('@example/before@1.0.0');
    assert.equal((await registry.put(parcel)).status, 403);
    const answer = await registry.fetch('/-/signet/v1/bundles', {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${await registry.npmToken('alice')}` },
      body: JSON.stringify(own?.bundle),
    });
    assert.equal(answer.status, 422, answer.text);
  });
});
