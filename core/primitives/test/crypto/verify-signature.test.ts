import assert from 'node:assert/strict';
import { constants, createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { ed25519ph } from '@noble/curves/ed25519.js';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import { importPublicKey, verifySignature, verifySignatureAside } from '@signet/primitives/crypto';
import { der, type KeyDetails, keyDetailsHash, parsePublicKeyInfo, SignetError } from '@signet/primitives/formats';
import fc from 'fast-check';

const spkiOf = (key: KeyObject) => new Uint8Array(key.export({ format: 'der', type: 'spki' }));

const kinds: readonly { details: KeyDetails; make: () => { publicKey: KeyObject; privateKey: KeyObject } }[] = [
  { details: 'PKIX_ECDSA_P256_SHA_256', make: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }) },
  { details: 'PKIX_ECDSA_P384_SHA_384', make: () => generateKeyPairSync('ec', { namedCurve: 'P-384' }) },
  { details: 'PKIX_ECDSA_P521_SHA_512', make: () => generateKeyPairSync('ec', { namedCurve: 'P-521' }) },
  { details: 'PKIX_RSA_PKCS1V15_2048_SHA256', make: () => generateKeyPairSync('rsa', { modulusLength: 2048 }) },
  { details: 'PKIX_RSA_PKCS1V15_3072_SHA256', make: () => generateKeyPairSync('rsa', { modulusLength: 3072 }) },
  { details: 'PKIX_RSA_PSS_2048_SHA256', make: () => generateKeyPairSync('rsa', { modulusLength: 2048 }) },
  { details: 'PKIX_RSA_PSS_4096_SHA256', make: () => generateKeyPairSync('rsa', { modulusLength: 4096 }) },
  { details: 'PKIX_ED25519', make: () => generateKeyPairSync('ed25519') },
];

function signWith(details: KeyDetails, privateKey: KeyObject, message: Uint8Array): Uint8Array {
  const padding = details.startsWith('PKIX_RSA_PSS')
    ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
    : {};
  return new Uint8Array(sign(keyDetailsHash(details) ?? null, message, { key: privateKey, ...padding }));
}

describe('verifySignature', () => {
  for (const { details, make } of kinds) {
    const { publicKey, privateKey } = make();
    const key = importPublicKey(spkiOf(publicKey));
    const hash = keyDetailsHash(details);

    it(`accepts a ${details} signature of the message and refuses it for every changed byte of message or signature`, () => {
      fc.assert(
        fc.property(
          fc.uint8Array({ minLength: 1, maxLength: 300 }),
          fc.nat(),
          fc.integer({ min: 1, max: 255 }),
          (message, at, flip) => {
            const signature = signWith(details, privateKey, message);
            const value = hash === undefined ? undefined : createHash(hash).update(message).digest();
            const check = (m: Uint8Array, s: Uint8Array, v?: Uint8Array) => {
              const verdicts = [verifySignature({ key, details, message: m, signature: s })];
              if (hash !== undefined && v !== undefined) {
                verdicts.push(verifySignature({ key, details, digest: { algorithm: hash, value: v }, signature: s }));
              }
              return verdicts;
            };
            assert.ok(check(message, signature, value).every(Boolean));
            const changedMessage = message.map((byte, index) => (index === at % message.length ? byte ^ flip : byte));
            const changedDigest = hash === undefined ? undefined : createHash(hash).update(changedMessage).digest();
            assert.ok(!check(changedMessage, signature, changedDigest).some(Boolean));
            const changed = signature.map((byte, index) => (index === at % signature.length ? byte ^ flip : byte));
            assert.ok(!check(message, changed, value).some(Boolean));
          },
        ),
        { numRuns: details.includes('4096') || details.includes('P521') ? 8 : 25 },
      );
    });
  }

  it('decides the same on another thread, whatever the algorithm and however broken the signature', async () => {
    const message = new Uint8Array([1, 2, 3]);
    for (const { details, make } of kinds) {
      const { publicKey, privateKey } = make();
      const key = importPublicKey(spkiOf(publicKey));
      const signature = signWith(details, privateKey, message);
      const flipped = signature.map((byte, index) => (index === 9 ? byte ^ 1 : byte));
      for (const one of [signature, flipped, signature.subarray(1), new Uint8Array(), new Uint8Array(9000)]) {
        const check = { key, details, message, signature: one };
        assert.equal(await verifySignatureAside(check), one === signature, `${details}, ${one.length} bytes`);
        assert.equal(verifySignature(check), one === signature);
      }
    }
    const { publicKey } = generateKeyPairSync('ed25519');
    const check = { key: importPublicKey(spkiOf(publicKey)), message, signature: message };
    await assert.rejects(verifySignatureAside({ ...check, details: 'PKIX_ECDSA_P256_SHA_256' }), {
      code: 'ERR_KEY_UNSUPPORTED',
    });
    assert.equal(await verifySignatureAside({ ...check, details: 'PKIX_ED25519_PH' }), false);
  });

  it('decides on ECDSA digests as @noble/curves does, also on the edges of the numbers', () => {
    const oracles = [
      { oracle: p256, details: 'PKIX_ECDSA_P256_SHA_256', hash: 'sha256', bits: 256 },
      { oracle: p384, details: 'PKIX_ECDSA_P384_SHA_384', hash: 'sha384', bits: 384 },
      { oracle: p521, details: 'PKIX_ECDSA_P521_SHA_512', hash: 'sha512', bits: 521 },
    ] as const;
    const curveNames = { p256: 'P-256', p384: 'P-384', p521: 'P-521' } as const;
    for (const { oracle, details, hash } of oracles) {
      const name = details.includes('256')
        ? curveNames.p256
        : details.includes('384')
          ? curveNames.p384
          : curveNames.p521;
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: name });
      const key = importPublicKey(spkiOf(publicKey));
      const point = key.info.keyBytes;
      const order = oracle.Point.Fn.ORDER;
      const value = createHash(hash).update('edge').digest();
      const numbers = [0n, 1n, 2n, order - 1n, order, order + 1n, 2n ** 255n];
      const signatures = numbers.flatMap((r) => numbers.map((s) => ({ r, s })));
      for (const { r, s } of signatures) {
        const signature = der.sequence(der.integer(r), der.integer(s));
        let expected = false;
        try {
          expected = oracle.verify(signature, value, point, { prehash: false, format: 'der', lowS: false });
        } catch {
          expected = false;
        }
        assert.equal(
          verifySignature({ key, details, digest: { algorithm: hash, value }, signature }),
          expected,
          `${name} r=${r} s=${s}`,
        );
      }
      // The digests of the messages that stand in for others, and no digest of any message.
      const jwk = privateKey.export({ format: 'jwk' });
      const secret = Buffer.from(jwk.d ?? '', 'base64url');
      for (const digest of [
        createHash(hash).digest(),
        createHash(hash).update('\0').digest(),
        Buffer.alloc(value.length),
      ]) {
        const signature = oracle.sign(digest, secret, { prehash: false, format: 'der', lowS: false });
        const holds = (given: Uint8Array) =>
          verifySignature({ key, details, digest: { algorithm: hash, value: given }, signature });
        assert.deepEqual([holds(digest), holds(value)], [true, false]);
      }
      // A key for which the message that stands in has none, as only its holder can make it: with the nonce k, the private
      // key is (e - z)/r, and the signature over z is (r, e/k).
      const { Fn, BASE } = oracle.Point;
      const number = (bytes: Uint8Array) => Fn.create(BigInt(`0x${Buffer.from(bytes).toString('hex')}`));
      const e = number(createHash(hash).digest());
      const r = Fn.create(BASE.multiply(7n).x);
      const special = Fn.mul(Fn.sub(e, number(value)), Fn.inv(r));
      const specialPoint = BASE.multiply(special).toBytes(false);
      const signature = der.sequence(der.integer(r), der.integer(Fn.mul(e, Fn.inv(7n))));
      const verified = { prehash: false, format: 'der', lowS: false } as const;
      assert.equal(oracle.verify(signature, value, specialPoint, verified), true);
      const spki = Buffer.concat([spkiOf(publicKey).subarray(0, -specialPoint.length), specialPoint]);
      const check = { key: importPublicKey(spki), details, signature };
      assert.equal(verifySignature({ ...check, digest: { algorithm: hash, value } }), true);
      assert.equal(verifySignature({ ...check, digest: { algorithm: hash, value: createHash(hash).digest() } }), false);
    }
  });

  it('accepts Ed25519ph signatures of @noble/curves from message and digest, and nothing else', () => {
    const { secretKey, publicKey } = ed25519ph.keygen();
    const spki = der.sequence(der.sequence(der.oid('1.3.101.112')), der.bitString(publicKey));
    const key = importPublicKey(spki);
    const message = new Uint8Array([1, 2, 3]);
    const signature = ed25519ph.sign(message, secretKey);
    const value = createHash('sha512').update(message).digest();
    const details = 'PKIX_ED25519_PH';
    assert.equal(verifySignature({ key, details, message, signature }), true);
    assert.equal(verifySignature({ key, details, digest: { algorithm: 'sha512', value }, signature }), true);
    assert.equal(verifySignature({ key, details, message: new Uint8Array([1, 2, 4]), signature }), false);
    assert.equal(verifySignature({ key, details: 'PKIX_ED25519', message, signature }), false);
    for (const index of [0, 31, 32, 63]) {
      const changed = signature.map((byte, at) => (at === index ? byte ^ 1 : byte));
      assert.equal(verifySignature({ key, details, message, signature: changed }), false);
    }
  });

  it('has a code of its own when only a digest is given to an algorithm that signs messages', () => {
    const { publicKey } = generateKeyPairSync('ed25519');
    const key = importPublicKey(spkiOf(publicKey));
    const value = new Uint8Array(64);
    assert.throws(
      () => verifySignature({ key, digest: { algorithm: 'sha512', value }, signature: new Uint8Array(64) }),
      (error) => error instanceof SignetError && error.code === 'ERR_DIGEST_UNSUPPORTED',
    );
  });

  it('refuses an algorithm that is not for the key', () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const key = importPublicKey(spkiOf(publicKey));
    assert.throws(
      () =>
        verifySignature({
          key,
          details: 'PKIX_ECDSA_P256_SHA_256',
          message: new Uint8Array(1),
          signature: new Uint8Array(8),
        }),
      (error) => error instanceof SignetError && error.code === 'ERR_KEY_UNSUPPORTED',
    );
  });

  it('refuses a point that is not on its curve, whatever the key is for', () => {
    for (const namedCurve of ['P-256', 'P-384', 'P-521'] as const) {
      const spki = spkiOf(generateKeyPairSync('ec', { namedCurve }).publicKey);
      spki[spki.length - 1] = (spki.at(-1) ?? 0) ^ 1;
      assert.equal(parsePublicKeyInfo(spki).curve, namedCurve);
      for (const use of [undefined, 'messages'] as const) {
        assert.throws(
          () => importPublicKey(spki, use),
          (error) => error instanceof SignetError && error.code === 'ERR_KEY_UNSUPPORTED',
        );
      }
    }
  });
});
