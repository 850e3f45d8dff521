import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bundlesIn, verifyAhead } from '@signet/client/install';
import { examineAttestationDocument } from '@signet/client/npm';
import { loadTrustMaterial } from '@signet/client/trust';

const data = new URL('../../../../../shared/data/', import.meta.url);
const document = (file: string) => JSON.parse(readFileSync(new URL(`npm-attestations/${file}`, data), 'utf8'));

describe('verifying on all cores', () => {
  before(function () {
    if (!existsSync(data)) {
      console.error('      skipped: the folder ../shared/data is not there');
      this.skip();
    }
  });

  it('says the same of good and bad bundles as verifying one by one', async () => {
    const trust = await loadTrustMaterial(fileURLToPath(new URL('conformance/public-good-trusted-root.json', data)));
    const index = document('INDEX.json') as { package: string; sri: string }[];
    const integrity = index.find(({ package: name }) => name === 'sigstore@2.3.1')?.sri ?? assert.fail();
    const good = document('slsa-verifier__sigstore@2.3.1.attestations.json');
    const forged = structuredClone(good);
    for (const { bundle } of forged.attestations) {
      bundle.dsseEnvelope.payload = Buffer.from('{}').toString('base64');
    }
    const verifiedAhead = await verifyAhead(
      [{ trust, bundles: [...bundlesIn(good), ...bundlesIn(forged), null, 1] }],
      1,
    );
    assert.equal(verifiedAhead.size, 2, 'those with a certificate');
    const subject = { name: 'sigstore', version: '2.3.1', integrity, trust };
    for (const [what, one] of [
      ['good', good],
      ['forged', forged],
    ] as const) {
      const alone = examineAttestationDocument(one, subject);
      const ahead = examineAttestationDocument(one, { ...subject, verifiedAhead });
      assert.deepEqual(
        ahead.invalid.map(({ error }) => error.code),
        alone.invalid.map(({ error }) => error.code),
        what,
      );
      assert.deepEqual(
        ahead.attestations.map(({ verified: { checks, timestamps, logEntries } }) => ({
          checks,
          timestamps,
          logEntries,
        })),
        alone.attestations.map(({ verified: { checks, timestamps, logEntries } }) => ({
          checks,
          timestamps,
          logEntries,
        })),
        what,
      );
    }
    assert.equal((await verifyAhead([{ trust, bundles: bundlesIn(good) }])).size, 0, 'a few are not worth threads');
  });

  it('finds no bundles in what is no document', () => {
    for (const one of [undefined, null, [], { attestations: 1 }, { attestations: [null, 1] }]) {
      assert.deepEqual(bundlesIn(one), []);
    }
  });
});
