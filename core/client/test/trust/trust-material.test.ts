import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadTrustMaterial, TrustMaterial } from '@signet/client/trust';
import { Lab } from '../verify/lab.ts';

describe('TrustMaterial', () => {
  let lab: Lab;

  before(async () => {
    lab = await Lab.create();
  });

  it('is read from a file, and says which file cannot be read', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'signet-trust-'));
    try {
      const file = join(folder, 'trusted_root.json');
      await writeFile(file, JSON.stringify(lab.trustedRoot()));
      const trust = await loadTrustMaterial(file, { name: 'acme', packages: ['@acme/*'] });
      assert.equal(trust.name, 'acme');
      assert.deepEqual(trust.packages, ['@acme/*']);
      assert.equal(trust.transparencyLogs.length, 2);
      await assert.rejects(loadTrustMaterial(join(folder, 'missing.json')), { code: 'ERR_TRUST_FILE' });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('takes both versions of the media type and no other', () => {
    for (const mediaType of [
      'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
      'application/vnd.dev.sigstore.trustedroot.v0.1+json',
      'application/vnd.dev.sigstore.trustedroot.v0.2+json',
    ]) {
      TrustMaterial.fromTrustedRoot({ ...lab.trustedRoot(), mediaType });
    }
    for (const mediaType of ['application/vnd.dev.sigstore.trustedroot.v0.3+json', '', null]) {
      assert.throws(() => TrustMaterial.fromTrustedRoot({ ...lab.trustedRoot(), mediaType }), {
        code: 'ERR_TRUSTED_ROOT_FORMAT',
      });
    }
  });

  it('demands to know from when on each key and authority is trusted', () => {
    const without = (edit: (root: ReturnType<Lab['trustedRoot']>) => void) => {
      const root = lab.trustedRoot();
      edit(root);
      assert.throws(() => TrustMaterial.fromTrustedRoot(root), { code: 'ERR_TRUSTED_ROOT_FORMAT' });
    };
    without((root) => Object.assign(root.tlogs[0]?.publicKey ?? {}, { validFor: {} }));
    without((root) => Object.assign(root.tlogs[0]?.publicKey ?? {}, { validFor: null }));
    without((root) => Object.assign(root.ctlogs[0]?.publicKey ?? {}, { validFor: { end: '2030-01-01T00:00:00Z' } }));
    without((root) => Object.assign(root.certificateAuthorities[0] ?? {}, { validFor: undefined }));
    without((root) =>
      Object.assign(root.timestampAuthorities[0] ?? {}, { validFor: { start: '2026-02-30T00:00:00Z' } }),
    );
  });

  it('refuses a key that is not of the kind it is said to be', () => {
    const root = lab.trustedRoot();
    Object.assign(root.tlogs[0]?.publicKey ?? {}, { keyDetails: 'PKIX_ED25519' });
    assert.throws(() => TrustMaterial.fromTrustedRoot(root), { code: 'ERR_TRUST_MATERIAL' });
  });

  it('refuses an authority whose certificates do not form a chain', async () => {
    const other = await Lab.create();
    const root = lab.trustedRoot();
    const chain = root.certificateAuthorities[0]?.certChain.certificates ?? [];
    chain.splice(1, 1, ...(other.trustedRoot().certificateAuthorities[0]?.certChain.certificates.slice(1) ?? []));
    const trust = TrustMaterial.fromTrustedRoot(root);
    assert.throws(() => trust.certificateAuthorities[0]?.issuers, { code: 'ERR_TRUST_MATERIAL' });
  });

  it('counts the certificates that may issue, and not the certificate of a timestamp authority', () => {
    const trust = lab.trust();
    assert.equal(trust.certificateAuthorities[0]?.issuers.length, 2);
    assert.equal(trust.timestampAuthorities[0]?.issuers.length, 1);
  });
});
