import assert from 'node:assert/strict';
import { constants, createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { TrustedLog } from '@signet/client/trust';
import { noteKeyHint, utf8 } from '@signet/primitives/formats';

const message = utf8('a checkpoint\n');
const name = 'log.example';
const spkiOf = (key: KeyObject) => new Uint8Array(key.export({ format: 'der', type: 'spki' }));

function logWith(keyDetails: string, publicKey: Uint8Array): TrustedLog {
  return new TrustedLog({
    baseUrl: `https://${name}`,
    hashAlgorithm: 'sha256',
    publicKey,
    keyDetails,
    validFor: { start: new Date(0) },
    logId: new Uint8Array(32).fill(7),
  });
}

describe('TrustedLog', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  const curve = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve });
  const pkcs1 = new Uint8Array(rsa.publicKey.export({ format: 'der', type: 'pkcs1' }));
  const [p256, p384, p521] = [curve('P-256'), curve('P-384'), curve('P-521')];
  const edwards = generateKeyPairSync('ed25519');

  const kinds: readonly [keyDetails: string, publicKey: Uint8Array, signature: Uint8Array][] = [
    ['PKIX_ECDSA_P256_SHA_256', spkiOf(p256.publicKey), sign('sha256', message, p256.privateKey)],
    ['PKIX_ECDSA_P384_SHA_384', spkiOf(p384.publicKey), sign('sha384', message, p384.privateKey)],
    ['PKIX_ECDSA_P521_SHA_512', spkiOf(p521.publicKey), sign('sha512', message, p521.privateKey)],
    ['PKIX_ED25519', spkiOf(edwards.publicKey), sign(null, message, edwards.privateKey)],
    ['PKIX_RSA_PKCS1V15_2048_SHA256', spkiOf(rsa.publicKey), sign('sha256', message, rsa.privateKey)],
    ['PKIX_RSA_PSS_2048_SHA256', spkiOf(rsa.publicKey), sign('sha256', message, { key: rsa.privateKey, ...pss })],
    // Deprecated, and still in trusted roots.
    ['PKIX_RSA_PKCS1V5', spkiOf(rsa.publicKey), sign('sha256', message, rsa.privateKey)],
    ['PKCS1_RSA_PKCS1V5', pkcs1, sign('sha256', message, rsa.privateKey)],
    ['PKIX_RSA_PSS', spkiOf(rsa.publicKey), sign('sha256', message, { key: rsa.privateKey, ...pss })],
    ['PKCS1_RSA_PSS', pkcs1, sign('sha256', message, { key: rsa.privateKey, ...pss })],
    ['PKIX_ECDSA_P256_HMAC_SHA_256', spkiOf(p256.publicKey), sign('sha256', message, p256.privateKey)],
    ['PKIX_ECDSA_P384_SHA_256', spkiOf(p384.publicKey), sign('sha256', message, p384.privateKey)],
    ['PKIX_ECDSA_P521_SHA_256', spkiOf(p521.publicKey), sign('sha256', message, p521.privateKey)],
  ];
  for (const [index, [keyDetails, publicKey, signature]] of kinds.entries()) {
    it(`checks signatures of the kind ${keyDetails}, and takes none of another`, () => {
      const log = logWith(keyDetails, publicKey);
      assert.equal(log.hasSigned(message, signature), true);
      assert.equal(log.hasSigned(utf8('another checkpoint\n'), signature), false);
      const [, , other = new Uint8Array()] = kinds[(index + 5) % kinds.length] ?? [];
      assert.equal(log.hasSigned(message, other), false);
    });
  }

  it('refuses keys that are not of the kind they are said to be', () => {
    for (const [keyDetails, key] of [
      ['PKIX_ECDSA_P384_SHA_256', p256],
      ['PKIX_ECDSA_P256_HMAC_SHA_256', p384],
      ['PKIX_RSA_PSS', p256],
      ['PKIX_RSA_PKCS1V15_4096_SHA256', rsa],
      ['PUBLIC_KEY_DETAILS_UNSPECIFIED', p256],
    ] as const) {
      assert.throws(() => logWith(keyDetails, spkiOf(key.publicKey)), { code: 'ERR_TRUST_MATERIAL' });
    }
    assert.throws(() => logWith('LMS_SHA256', spkiOf(p256.publicKey)), { code: 'ERR_KEY_UNSUPPORTED' });
  });

  it('derives its id from its key where the trusted root has the four bytes of checkpoints alone', () => {
    const publicKey = spkiOf(p256.publicKey);
    const id = createHash('sha256').update(publicKey).digest();
    const known = {
      baseUrl: `https://${name}`,
      hashAlgorithm: 'sha256',
      publicKey,
      validFor: { start: new Date(0) },
    } as const;
    const withId = (logId: Uint8Array) => new TrustedLog({ ...known, keyDetails: 'PKIX_ECDSA_P256_SHA_256', logId });
    assert.deepEqual(Buffer.from(withId(id.subarray(0, 4)).logId), id);
    assert.deepEqual(Buffer.from(withId(id).logId), id);
    assert.deepEqual(Buffer.from(withId(new Uint8Array([1, 2, 3, 4])).logId), Buffer.from([1, 2, 3, 4]));
  });

  it('knows the key ids of its checkpoints, given or derived', () => {
    const keyBytes = spkiOf(edwards.publicKey).subarray(-32);
    const rsaId = Buffer.concat([Buffer.from('PKIX-RSA-PKCS#1v1.5'), spkiOf(rsa.publicKey)]);
    const ecdsaId = createHash('sha256').update(spkiOf(p256.publicKey)).digest().subarray(0, 4);
    const given = new Uint8Array([7, 7, 7, 7]);
    for (const [log, hint] of [
      [logWith('PKIX_ED25519', spkiOf(edwards.publicKey)), noteKeyHint(name, 0x01, keyBytes)],
      [logWith('PKIX_RSA_PKCS1V15_2048_SHA256', spkiOf(rsa.publicKey)), noteKeyHint(name, 0xff, rsaId)],
      [logWith('PKIX_ECDSA_P256_SHA_256', spkiOf(p256.publicKey)), new Uint8Array(ecdsaId)],
    ] as const) {
      assert.equal(log.hasKeyHint(hint), true);
      assert.equal(log.hasKeyHint(given), true);
      assert.equal(log.hasKeyHint(new Uint8Array([1, 2, 3, 4])), false);
    }
  });
});
