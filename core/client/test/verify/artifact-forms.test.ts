import assert from 'node:assert/strict';
import { constants, createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { ed25519ph } from '@noble/curves/ed25519.js';
import { type VerifyOptions, verifyBundle, verifyBundleStream } from '@signet/client/verify';
import { importPublicKey } from '@signet/primitives/crypto';
import {
  der,
  type KeyDetails,
  keyDetailsHash,
  oids,
  parsePublicKeyInfo,
  type RekorBody,
} from '@signet/primitives/formats';
import { generateSigner, type Signer } from '@signet/primitives/keys';
import { artifact, identities, Lab, type Recipe } from './lab.ts';

const algorithms = ['sha256', 'sha384', 'sha512'] as const;
type Algorithm = (typeof algorithms)[number];

function digestOf(algorithm: Algorithm, bytes = artifact) {
  return { algorithm, digest: new Uint8Array(createHash(algorithm).update(bytes).digest()) };
}

async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 5) yield bytes.subarray(at, at + 5);
}

function signerOf(keyDetails: KeyDetails, privateKey: KeyObject, publicKey: KeyObject, hash: string | null): Signer {
  const spki = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }));
  return {
    keyDetails,
    publicKey: parsePublicKeyInfo(spki),
    sign: async (message) => new Uint8Array(sign(hash, message, privateKey)),
  };
}

/** P-384 or P-521 with SHA-256, as older clients signed. */
function shortened(keyDetails: 'PKIX_ECDSA_P384_SHA_384' | 'PKIX_ECDSA_P521_SHA_512'): Signer {
  const namedCurve = keyDetails === 'PKIX_ECDSA_P384_SHA_384' ? 'P-384' : 'P-521';
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve });
  return signerOf(keyDetails, privateKey, publicKey, 'sha256');
}

const mlDsa = [
  { details: 'ML_DSA_44', name: 'ml-dsa-44', oid: oids.mlDsa44, length: 1312 },
  { details: 'ML_DSA_65', name: 'ml-dsa-65', oid: oids.mlDsa65, length: 1952 },
  { details: 'ML_DSA_87', name: 'ml-dsa-87', oid: oids.mlDsa87, length: 2592 },
] as const;
/** Node has it from 24.7 on. */
const hasMlDsa = (() => {
  try {
    generateKeyPairSync('ml-dsa-44');
    return true;
  } catch {
    return false;
  }
})();

function prehashed(): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const seed = new Uint8Array(privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32));
  const signer = signerOf('PKIX_ED25519_PH', privateKey, publicKey, null);
  return { ...signer, sign: async (message) => ed25519ph.sign(message, seed) };
}

function pss(bits: number): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: bits });
  const signer = signerOf(`PKIX_RSA_PSS_${bits}_SHA256` as KeyDetails, privateKey, publicKey, 'sha256');
  const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  return {
    ...signer,
    sign: async (message) => new Uint8Array(sign('sha256', message, { key: privateKey, ...padding })),
  };
}

describe('an artifact', () => {
  let lab: Lab;

  before(async () => {
    lab = await Lab.create();
  });

  const overSha256 = (body: RekorBody): RekorBody =>
    body.kind === 'hashedrekord'
      ? { ...body, digest: { algorithm: 'sha256', value: digestOf('sha256').digest } }
      : body;
  const cases: readonly [what: string, signer: () => Signer, recipe: Recipe, hash: Algorithm][] = [
    ...(['PKIX_ECDSA_P256_SHA_256', 'PKIX_ECDSA_P384_SHA_384', 'PKIX_ECDSA_P521_SHA_512'] as const).map(
      (details): [string, () => Signer, Recipe, Algorithm] => [
        details,
        () => generateSigner(details),
        { entry: 'hashedrekord 0.0.2' },
        keyDetailsHash(details) as Algorithm,
      ],
    ),
    ...[2048, 3072, 4096].map((bits): [string, () => Signer, Recipe, Algorithm] => [
      `PKIX_RSA_PKCS1V15_${bits}_SHA256`,
      () => generateSigner(`PKIX_RSA_PKCS1V15_${bits}_SHA256` as KeyDetails),
      { entry: 'hashedrekord 0.0.2' },
      'sha256',
    ]),
    ...[2048, 3072, 4096].map((bits): [string, () => Signer, Recipe, Algorithm] => [
      `PKIX_RSA_PSS_${bits}_SHA256`,
      () => pss(bits),
      { entry: 'hashedrekord 0.0.2' },
      'sha256',
    ]),
    ['PKIX_ED25519_PH in Rekor v2', prehashed, { entry: 'hashedrekord 0.0.2' }, 'sha512'],
    ['PKIX_ED25519_PH in Rekor v1', prehashed, { entry: 'hashedrekord 0.0.1' }, 'sha512'],
    ['P-384 with SHA-256', () => shortened('PKIX_ECDSA_P384_SHA_384'), { body: overSha256 }, 'sha256'],
    ['P-521 with SHA-256', () => shortened('PKIX_ECDSA_P521_SHA_512'), { body: overSha256 }, 'sha256'],
  ];
  for (const [what, makeSigner, recipe, hash] of cases) {
    it(`signed by ${what} verifies from bytes, from a stream and from its ${hash} alone, and no other does`, async () => {
      const { json } = await lab.bundle({ ...recipe, signer: makeSigner() });
      // The lab's digest in the bundle is SHA-256, which one digest of another kind could not be compared with.
      const { messageDigest: _, ...messageSignature } = json.messageSignature as Record<string, unknown>;
      const bundle = { ...json, messageSignature };
      const options = { trust: lab.trust(), identities };
      verifyBundle(bundle, { ...options, artifact });
      verifyBundle(bundle, { ...options, artifact: digestOf(hash) });
      await verifyBundleStream(bundle, { ...options, artifact: chunks(artifact) });

      const other = artifact.map((byte, index) => (index === 3 ? byte ^ 1 : byte));
      const refused = { code: 'ERR_LOG_ENTRY_MISMATCH' };
      assert.throws(() => verifyBundle(bundle, { ...options, artifact: other }), refused);
      assert.throws(() => verifyBundle(bundle, { ...options, artifact: digestOf(hash, other) }), refused);
      await assert.rejects(verifyBundleStream(bundle, { ...options, artifact: chunks(other) }), refused);
      const wrong = algorithms.find((algorithm) => algorithm !== hash) ?? 'sha256';
      assert.throws(() => verifyBundle(bundle, { ...options, artifact: digestOf(wrong) }), {
        code: 'ERR_ARTIFACT_DIGEST',
      });
    });
  }

  for (const signer of ['PKIX_ECDSA_P384_SHA_384', 'PKIX_ECDSA_P521_SHA_512'] as const) {
    it(`refuses another signature by ${signer} over SHA-256, from its digest too`, async () => {
      const honest = shortened(signer);
      const other = { ...honest, sign: (message: Uint8Array) => honest.sign(message.subarray(1)) };
      const { json } = await lab.bundle({ signer: other, body: overSha256 });
      for (const form of [artifact, digestOf('sha256')]) {
        const run = () => verifyBundle(json, { trust: lab.trust(), identities, artifact: form });
        assert.throws(run, { code: 'ERR_SIGNATURE' });
      }
    });
  }

  const whole: readonly [details: KeyDetails, signer: () => Signer][] = [
    ['PKIX_ED25519', () => generateSigner('PKIX_ED25519')],
    ...(hasMlDsa ? mlDsa : []).map(({ details, name }): [KeyDetails, () => Signer] => [
      details,
      () => {
        const { privateKey, publicKey } = generateKeyPairSync(name);
        return signerOf(details, privateKey, publicKey, null);
      },
    ]),
  ];
  for (const [details, makeSigner] of whole) {
    it(`signed whole by ${details} has to be there whole, and its stream is not even opened`, async () => {
      const signer = makeSigner();
      const { json } = await lab.bundle({ signer, body: overSha256 });
      const options: VerifyOptions = { trust: lab.trust(), identities };
      verifyBundle(json, { ...options, artifact });
      const refused = { code: 'ERR_DIGEST_UNSUPPORTED' };
      assert.throws(() => verifyBundle(json, { ...options, artifact: digestOf('sha256') }), refused);
      let isRead = false;
      async function* watched(): AsyncGenerator<Uint8Array> {
        isRead = true;
        yield artifact;
      }
      await assert.rejects(verifyBundleStream(json, { ...options, artifact: watched() }), refused);
      assert.equal(isRead, false);

      const other = { ...signer, sign: (message: Uint8Array) => signer.sign(message.subarray(1)) };
      const { json: forged } = await lab.bundle({ signer: other, body: overSha256 });
      assert.throws(() => verifyBundle(forged, { ...options, artifact }), { code: 'ERR_SIGNATURE' });
    });

    it(`in an envelope that ${details} signed is found by its bytes, its stream and its digest`, async () => {
      const { json } = await lab.bundle({ signer: makeSigner(), content: 'dsse', entry: 'dsse 0.0.1' });
      const options = { trust: lab.trust(), identities };
      verifyBundle(json, { ...options, artifact });
      verifyBundle(json, { ...options, artifact: digestOf('sha256') });
      await verifyBundleStream(json, { ...options, artifact: chunks(artifact) });
    });
  }

  for (const { details, oid, length } of mlDsa) {
    it(`signed by ${details} is refused in words where this Node lacks it`, () => {
      const spki = der.sequence(der.sequence(der.oid(oid)), der.bitString(new Uint8Array(length).fill(1)));
      if (hasMlDsa) assert.equal(importPublicKey(spki).info.keyBytes.length, length);
      else assert.throws(() => importPublicKey(spki), { code: 'ERR_KEY_UNSUPPORTED' });
    });
  }

  it('of a statement is found among its subjects, from a stream too', async () => {
    const { json } = await lab.bundle({ content: 'dsse', entry: 'dsse 0.0.1', signer: 'PKIX_ED25519' });
    const options = { trust: lab.trust(), identities };
    await verifyBundleStream(json, { ...options, artifact: chunks(artifact) });
    await assert.rejects(verifyBundleStream(json, { ...options, artifact: chunks(artifact.subarray(1)) }), {
      code: 'ERR_ARTIFACT_MISMATCH',
    });
  });

  it('whose stream fails is not verified', async () => {
    const { json } = await lab.bundle();
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield artifact.subarray(0, 4);
      throw new Error('the connection broke');
    }
    await assert.rejects(
      verifyBundleStream(json, { trust: lab.trust(), identities, artifact: failing() }),
      /the connection broke/,
    );
  });
});
