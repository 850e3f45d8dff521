import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { parseRegistryKeys, type SignedVersion, sha512Integrity, verifyRegistrySignatures } from '@signet/client/npm';
import { utf8 } from '@signet/primitives/formats';

describe('registry signatures', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
  const served = (expires: string | null, keyid = 'SHA256:one') => ({
    keyid,
    keytype: 'ecdsa-sha2-nistp256',
    scheme: 'ecdsa-sha2-nistp256',
    key,
    expires,
  });
  const keys = (...list: readonly unknown[]) => parseRegistryKeys({ keys: list });
  const integrity = sha512Integrity(utf8('a tarball'));
  const subject: SignedVersion = {
    name: '@example/hello',
    version: '1.2.3',
    integrity,
    registryKeys: keys(served(null)),
  };
  const signed = (text: string, keyid = 'SHA256:one') => ({
    keyid,
    sig: sign('sha256', utf8(text), privateKey).toString('base64'),
  });
  const good = signed(`@example/hello@1.2.3:${integrity}`);

  it('hold for the name, version and integrity that were signed', () => {
    assert.equal(verifyRegistrySignatures([good], subject)[0]?.keyId, 'SHA256:one');
    assert.equal(verifyRegistrySignatures([good, good], subject).length, 2);
  });

  it('hold for no other name, version or integrity', () => {
    const others: Partial<SignedVersion>[] = [
      { name: '@example/hallo' },
      { version: '1.2.4' },
      { integrity: sha512Integrity(utf8('another tarball')) },
    ];
    for (const other of others) {
      assert.throws(() => verifyRegistrySignatures([good], { ...subject, ...other }), {
        code: 'ERR_REGISTRY_SIGNATURE',
      });
    }
  });

  it('must all hold', () => {
    const bad = signed(`@example/hello@1.2.3:${sha512Integrity(utf8('x'))}`);
    assert.throws(() => verifyRegistrySignatures([good, bad], subject), { code: 'ERR_REGISTRY_SIGNATURE' });
  });

  it('are no evidence where there are none', () => {
    assert.deepEqual(verifyRegistrySignatures([], subject), []);
  });

  it('need a key that is known and may sign versions', () => {
    const refused = { code: 'ERR_REGISTRY_KEY' };
    assert.throws(() => verifyRegistrySignatures([{ ...good, keyid: 'SHA256:two' }], subject), refused);
    assert.throws(() => verifyRegistrySignatures([good], { ...subject, registryKeys: [] }), refused);
    const forAttestations = {
      keyId: 'SHA256:one',
      keyUsage: 'npm:attestations',
      publicKey: { rawBytes: key, keyDetails: 'PKIX_ECDSA_P256_SHA_256', validFor: {} },
    };
    assert.throws(() => verifyRegistrySignatures([good], { ...subject, registryKeys: keys(forAttestations) }), refused);
  });

  it('need a key that was valid when the version was published', () => {
    const registryKeys = keys(served('2025-01-29T00:00:00.000Z'));
    const at = (published: string) => ({ ...subject, registryKeys, published: new Date(published) });
    verifyRegistrySignatures([good], at('2025-01-28T23:59:59Z'));
    const refused = { code: 'ERR_REGISTRY_KEY' };
    assert.throws(() => verifyRegistrySignatures([good], at('2025-01-29T00:00:01Z')), refused);
    assert.throws(() => verifyRegistrySignatures([good], { ...subject, registryKeys }), refused);
    const twice = keys(served('2025-01-29T00:00:00.000Z'), served(null));
    verifyRegistrySignatures([good], { ...subject, registryKeys: twice, published: new Date('2026-01-01T00:00:00Z') });
  });

  it('are refused in any other form', () => {
    const wrong: readonly unknown[] = [
      undefined,
      {},
      [null],
      ['x'],
      [{ keyid: 'SHA256:one' }],
      [{ ...good, sig: '' }],
      [{ ...good, sig: '!' }],
      [{ ...good, sig: [good.sig] }],
      Array.from({ length: 33 }, () => good),
    ];
    for (const one of wrong) {
      assert.throws(
        () => verifyRegistrySignatures(one, subject),
        { code: 'ERR_REGISTRY_SIGNATURE' },
        JSON.stringify(one),
      );
    }
    const malformed = { ...subject, integrity: `${integrity} ${integrity}` };
    assert.throws(() => verifyRegistrySignatures([good], malformed), { code: 'ERR_INTEGRITY_FORMAT' });
  });
});
