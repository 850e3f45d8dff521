import assert from 'node:assert/strict';
import { appendFile } from 'node:fs/promises';
import { toPurl } from '@signet/client/npm';
import { TestRegistry } from './support/registry.ts';

const predicateType = 'https://example.com/scan/v1';

describe('a registry whose policy has an expression', () => {
  let registry: TestRegistry;

  before(async () => {
    registry = await TestRegistry.start();
    const rule = `
  - id: scanned
    match: ["@example/scanned-*"]
    require:
      - attestation: { predicateType: "${predicateType}", by: [publisher-1] }
        cel: attestation.predicate.critical == 0 && name.startsWith('@example/')
`;
    await appendFile(registry.running.instance.layout.policyFile, rule);
  });

  after(() => registry.remove());

  async function parcel(name: string, predicate?: object) {
    const plain = await registry.parcel(name, '1.0.0', { bundle: undefined });
    if (predicate === undefined) return await registry.parcel(name, '1.0.0', { tarball: plain.tarball });
    const bundle = await registry.signSubjects([toPurl(name, '1.0.0')], plain.tarball, { predicateType, predicate });
    return await registry.parcel(name, '1.0.0', { tarball: plain.tarball, bundle });
  }

  it('takes and serves what it is true of', async () => {
    const name = '@example/scanned-well';
    const answer = await registry.put(await parcel(name, { critical: 0 }));
    assert.equal(answer.status, 201, answer.text);
    assert.equal((await registry.fetch(`/${name}/-/scanned-well-1.0.0.tgz`)).status, 200);
  });

  it('refuses what it is false of, what it cannot be said of, and what comes without', async () => {
    for (const [name, predicate] of [
      ['@example/scanned-badly', { critical: 2 }],
      ['@example/scanned-oddly', { other: 1 }],
      ['@example/scanned-never', undefined],
    ] as const) {
      const answer = await registry.put(await parcel(name, predicate));
      assert.equal(answer.status, 422, answer.text);
      assert.match(answer.text, predicate === undefined ? /TP1/ : /TP132/);
      assert.equal((await registry.fetch(`/${name.replace('/', '%2f')}`)).status, 404);
    }
  });

  it('asks it of evidence that comes by itself', async () => {
    const name = '@example/scanned-later';
    const plain = await registry.parcel(name, '1.0.0', { bundle: undefined });
    const send = async (predicate: object) =>
      registry.fetch('/-/signet/v1/bundles', {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${await registry.npmToken('alice')}` },
        body: JSON.stringify(
          await registry.signSubjects([toPurl(name, '1.0.0')], plain.tarball, { predicateType, predicate }),
        ),
      });
    const good = await send({ critical: 0 });
    assert.equal(good.status, 202, good.text);
    assert.equal((await registry.put(plain)).status, 201);
  });
});
