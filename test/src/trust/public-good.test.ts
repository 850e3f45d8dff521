import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { TrustMaterial } from '@signet/client/trust';
import { publicGood, publicGoodUrl, readRoot, TrustStore } from '@signet/client/trust/tuf';

interface Seed {
  readonly 'root.json': string;
  readonly targets: Readonly<Record<string, string>>;
}

describe('the trust of the public-good instance', () => {
  async function seed(): Promise<Seed> {
    const path = createRequire(import.meta.url)
      .resolve('@sigstore/tuf')
      .replace(/dist.*$/, 'seeds.json');
    const seeds = JSON.parse(await readFile(path, 'utf8')) as Record<string, Seed>;
    return seeds[publicGoodUrl] ?? assert.fail(`@sigstore/tuf has no seed for ${publicGoodUrl}`);
  }

  it('ships as the one that the reference client carries', async () => {
    const { 'root.json': root } = await seed();
    assert.equal(Buffer.from(publicGood().root).toString('base64'), root);
  });

  it('is usable without a network until its root expires', async () => {
    const { targets } = await seed();
    const { expires } = readRoot(publicGood().root);
    const notes: string[] = [];
    const at = (time: number) =>
      new TrustStore({ offline: true, clock: () => new Date(time), onNote: (note) => notes.push(note) });
    const trust = await at(expires.getTime() - 1000).load(publicGood());
    assert.equal(trust.source, 'shipped');
    assert.equal(Buffer.from(trust.trustedRoot).toString('base64'), targets['trusted_root.json']);
    assert.match(notes.join(), /shipped with signet/);
    const material = TrustMaterial.fromTrustedRoot(trust.trustedRoot);
    assert.ok(material.certificateAuthorities.length > 0 && material.transparencyLogs.length > 0);
    await assert.rejects(at(expires.getTime()).load(publicGood()), { code: 'ERR_TRUST_EXPIRED' });
  });

  it('is not what ships when another root is pinned for the same place', async () => {
    const other = {
      url: publicGoodUrl,
      root: new TextEncoder().encode(`${new TextDecoder().decode(publicGood().root)}\n`),
    };
    await assert.rejects(new TrustStore({ offline: true }).load(other), { code: 'ERR_OFFLINE' });
  });
});
