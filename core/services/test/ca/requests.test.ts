import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, type KeyObject, webcrypto, X509Certificate } from 'node:crypto';
import { Certificate, der, oids, toPem, utf8 } from '@signet/primitives/formats';
import { generateSigner } from '@signet/primitives/keys';
import { CertificateAuthority, caRoutes, createAuthority, parseIssuers } from '@signet/services/ca';
import fastify from 'fastify';
import { rsaWeakness } from '../../src/ca/weak-rsa.ts';
import { makeAuthority, prove, type TestAuthority, TestLog } from './authority.ts';
import { IdentityProvider } from './identity-provider.ts';

const address = 'alice@example.com';
const spkiOf = (key: KeyObject) => new Uint8Array(createPublicKey(key).export({ type: 'spki', format: 'der' }));

async function request(
  algorithm: webcrypto.AlgorithmIdentifier | webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams,
  hash = 'SHA-256',
) {
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  const generated = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  if (!('publicKey' in generated)) throw new Error('expected a key pair');
  const keys = generated;
  const name = typeof algorithm === 'string' ? algorithm : algorithm.name;
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=mallory@evil.example',
    keys,
    signingAlgorithm: { name, hash },
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'email', value: 'mallory@evil.example' }])],
  });
  const spki = new Uint8Array(await webcrypto.subtle.exportKey('spki', keys.publicKey));
  return { der: new Uint8Array(csr.rawData), pem: utf8(csr.toString('pem')), spki };
}

describe('requests for certificates', () => {
  let provider: IdentityProvider;
  let test: TestAuthority;
  const token = () => provider.token({ email: address, email_verified: true });

  before(async () => {
    provider = await IdentityProvider.start('ES256');
    test = await makeAuthority({ 'oidc-issuers': { [provider.url]: { type: 'email' } } });
  });

  after(() => provider.stop());

  for (const keyDetails of [
    'PKIX_ECDSA_P256_SHA_256',
    'PKIX_ECDSA_P384_SHA_384',
    'PKIX_ECDSA_P521_SHA_512',
    'PKIX_RSA_PKCS1V15_2048_SHA256',
    'PKIX_RSA_PKCS1V15_3072_SHA256',
    'PKIX_ED25519',
  ] as const) {
    it(`are granted to a key for ${keyDetails}, given in DER or PEM`, async () => {
      const { signer, proofOfPossession } = await prove(address, generateSigner(keyDetails));
      const { spki } = signer.publicKey;
      for (const publicKey of [spki, toPem('PUBLIC KEY', spki), utf8(toPem('PUBLIC KEY', spki))]) {
        const issued = await test.authority.issue({ token: await token(), publicKey, proofOfPossession });
        assert.deepEqual(Certificate.parse(issued.certificate).publicKey.spki, spki);
      }
    });
  }

  it('may prove possession over the other of e-mail and subject', async () => {
    await test.authority.issue({ token: await token(), ...(await prove('subject-1')) });
    const bySubject = await makeAuthority({
      'oidc-issuers': { [provider.url]: { type: 'uri', 'subject-domain': 'http://127.0.0.1' } },
    });
    const claims = { sub: 'http://127.0.0.1/alice', email: address };
    for (const challenge of [claims.sub, address]) {
      const issued = await bySubject.authority.issue({
        token: await provider.token(claims),
        ...(await prove(challenge)),
      });
      assert.deepEqual(Certificate.parse(issued.certificate).subjectAlternativeNames, [
        { type: 'uri', value: claims.sub },
      ]);
    }
    const unverified = await provider.token({ ...claims, email_verified: false });
    await assert.rejects(bySubject.authority.issue({ token: unverified, ...(await prove(address)) }), {
      code: 'ERR_PROOF_OF_POSSESSION',
    });
  });

  const proofs: [string, () => Promise<{ publicKey: Uint8Array; proofOfPossession: Uint8Array }>][] = [
    ['over another address', () => prove('bob@example.com')],
    ['over the address in other letters', () => prove('Alice@example.com')],
    ['by another key', async () => ({ ...(await prove(address)), publicKey: generateSigner().publicKey.spki })],
    ['that is empty', async () => ({ ...(await prove(address)), proofOfPossession: new Uint8Array() })],
    ['that is garbage', async () => ({ ...(await prove(address)), proofOfPossession: new Uint8Array(70).fill(0x30) })],
  ];
  for (const [what, make] of proofs) {
    it(`are refused with a proof ${what}`, async () => {
      await assert.rejects(test.authority.issue({ token: await token(), ...(await make()) }), {
        code: 'ERR_PROOF_OF_POSSESSION',
        reason: 'proof-of-possession',
        claim: 'email',
      });
    });
  }

  const rsa = (modulusLength: number, publicExponent = 65537) =>
    generateKeyPairSync('rsa', { modulusLength, publicExponent }).privateKey;
  const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve }).privateKey;
  const keys: [string, () => string | Uint8Array, string][] = [
    ['RSA of 1024 bits', () => spkiOf(rsa(1024)), 'ERR_KEY_WEAK'],
    ['RSA of 2560 bits', () => spkiOf(rsa(2560)), 'ERR_KEY_WEAK'],
    ['RSA with exponent 3', () => spkiOf(rsa(2048, 3)), 'ERR_KEY_WEAK'],
    ['secp256k1', () => spkiOf(ec('secp256k1')), 'ERR_KEY_UNSUPPORTED'],
    ['X25519', () => spkiOf(generateKeyPairSync('x25519').privateKey), 'ERR_KEY_UNSUPPORTED'],
    [
      'a point off its curve',
      () => Uint8Array.from(spkiOf(ec('P-256')), (byte, index) => (index > 80 ? byte ^ 1 : byte)),
      'ERR_KEY_UNSUPPORTED',
    ],
    ['no key', () => '', 'ERR_KEY_UNSUPPORTED'],
    ['text', () => 'ssh-ed25519 AAAA', 'ERR_KEY_UNSUPPORTED'],
    ['two keys', () => toPem('PUBLIC KEY', spkiOf(ec('P-256'))).repeat(2), 'ERR_KEY_UNSUPPORTED'],
    ['a private key', () => ec('P-256').export({ type: 'pkcs8', format: 'pem' }).toString(), 'ERR_KEY_UNSUPPORTED'],
    ['bytes behind the key', () => Uint8Array.from([...spkiOf(ec('P-256')), 0]), 'ERR_KEY_UNSUPPORTED'],
    ['an enormous key', () => new Uint8Array(20_000), 'ERR_KEY_UNSUPPORTED'],
  ];
  for (const [what, publicKey, code] of keys) {
    it(`are refused for ${what}`, async () => {
      const { proofOfPossession } = await prove(address);
      await assert.rejects(test.authority.issue({ token: await token(), publicKey: publicKey(), proofOfPossession }), {
        code,
      });
    });
  }

  it('recognize RSA moduli that can be factored', () => {
    const big = (bits: number) => 2n ** BigInt(bits);
    const good = BigInt(
      `0x${Buffer.from(generateSigner('PKIX_RSA_PKCS1V15_2048_SHA256').publicKey.keyBytes.subarray(9, 265)).toString('hex')}`,
    );
    assert.equal(rsaWeakness(good), undefined);
    assert.match(rsaWeakness(good * 751n) ?? '', /small prime/);
    // 2^1279 - 1 is prime; what is beside it need not be, as long as it has no small factor.
    const prime = big(1279) - 1n;
    let neighbour = prime + 2n ** 40n;
    while (/small/.test(rsaWeakness(prime * neighbour) ?? '')) neighbour += 2n;
    assert.match(rsaWeakness(prime * neighbour) ?? '', /too close/);
    const roca = [
      3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
      113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
    ].reduce((product, prime) => product * BigInt(prime), 1n);
    // 65537^3 plus a multiple of the product of the primes is a power of 65537 modulo each of them.
    let modulus = 65537n ** 3n + roca * big(1800);
    while (/small/.test(rsaWeakness(modulus) ?? '')) modulus += roca * 2n;
    assert.match(rsaWeakness(modulus) ?? '', /CVE-2017-15361/);
  });

  for (const [what, algorithm, hash] of [
    ['P-256', { name: 'ECDSA', namedCurve: 'P-256' }, 'SHA-256'],
    ['P-384', { name: 'ECDSA', namedCurve: 'P-384' }, 'SHA-384'],
    ['Ed25519', 'Ed25519', 'SHA-512'],
    [
      'RSA',
      { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' },
      'SHA-256',
    ],
  ] as const) {
    it(`are granted to a signing request for ${what}, whose names count for nothing`, async () => {
      const csr = await request(algorithm, hash);
      for (const content of [csr.pem, csr.der]) {
        const { certificate } = await test.authority.issue({ token: await token(), csr: content });
        const parsed = Certificate.parse(certificate);
        assert.deepEqual(parsed.publicKey.spki, csr.spki);
        assert.deepEqual(parsed.subjectAlternativeNames, [{ type: 'email', value: address }]);
        assert.equal(parsed.subject.length, 2);
      }
    });
  }

  it('are refused with a signing request that is broken or signed by another key', async () => {
    const csr = await request({ name: 'ECDSA', namedCurve: 'P-256' });
    const broken = Uint8Array.from(csr.der);
    broken[broken.length - 1] = (broken.at(-1) ?? 0) ^ 1;
    await assert.rejects(test.authority.issue({ token: await token(), csr: broken }), {
      code: 'ERR_PROOF_OF_POSSESSION',
      reason: 'csr-signature',
    });
    const other = await request({ name: 'ECDSA', namedCurve: 'P-256' });
    const position = Buffer.from(csr.der).indexOf(Buffer.from(csr.spki));
    const swapped = Uint8Array.from(csr.der);
    swapped.set(other.spki, position);
    await assert.rejects(test.authority.issue({ token: await token(), csr: swapped }), {
      code: 'ERR_PROOF_OF_POSSESSION',
    });
  });

  it('are refused with a signing request for a weak key', async () => {
    const csr = await request({
      name: 'RSASSA-PKCS1-v1_5',
      modulusLength: 1024,
      publicExponent: new Uint8Array([1, 0, 1]),
      hash: 'SHA-256',
    });
    await assert.rejects(test.authority.issue({ token: await token(), csr: csr.der }), { code: 'ERR_KEY_WEAK' });
  });

  for (const [what, csr] of [
    ['nothing', new Uint8Array()],
    ['text', utf8('hello')],
    ['a PEM block of another kind', utf8(toPem('CERTIFICATE', new Uint8Array(8)))],
    ['a SEQUENCE of nothing', der.sequence()],
    ['100 kB', new Uint8Array(100_000)],
  ] as const) {
    it(`are refused with a signing request that is ${what}`, async () => {
      await assert.rejects(test.authority.issue({ token: await token(), csr }), { code: 'ERR_CSR_FORMAT' });
    });
  }
});

describe('a certificate authority', () => {
  let provider: IdentityProvider;
  const issuers = parseIssuers('oidc-issuers: { "https://a.example": { type: email } }');
  const rootSigner = generateSigner('PKIX_ECDSA_P384_SHA_384');
  const signer = generateSigner('PKIX_ECDSA_P384_SHA_384');

  before(async () => {
    provider = await IdentityProvider.start('ES256');
  });

  after(() => provider.stop());

  it('does not start with a chain that clients would refuse', async () => {
    const { root, intermediate } = await createAuthority({ name: 'a', rootSigner, intermediateSigner: signer });
    const foreign = await createAuthority({ name: 'b', rootSigner: signer, intermediateSigner: rootSigner });
    const old = await createAuthority({
      name: 'old',
      rootSigner,
      intermediateSigner: signer,
      notBefore: new Date('2001-01-01'),
    });
    const cases: [readonly Uint8Array[], RegExp, typeof signer?][] = [
      [[], /empty/],
      [[intermediate, root], /another key/, generateSigner()],
      [[intermediate], /not signed by/],
      [[intermediate, foreign.root], /not signed by/],
      [[root, root], /path|allows|codeSigning/, rootSigner],
      [[old.intermediate, old.root], /valid from/],
    ];
    const certificateLog = new TestLog();
    for (const [chain, pattern, key] of cases) {
      assert.throws(
        () => new CertificateAuthority({ signer: key ?? signer, chain, issuers, certificateLog }),
        (error: Error & { code?: string }) => error.code === 'ERR_AUTHORITY_CHAIN' && pattern.test(error.message),
      );
    }
  });

  it('does not start with an intermediate for another purpose', async () => {
    const { root, intermediate } = await createAuthority({ name: 'a', rootSigner, intermediateSigner: signer });
    const { tbs } = Certificate.parse(intermediate);
    const find = Buffer.from(der.oid(oids.codeSigning));
    const changed = Uint8Array.from(tbs);
    changed.set(der.oid(oids.timeStamping), Buffer.from(tbs).indexOf(find));
    const algorithm = der.sequence(der.oid(oids.ecdsaWithSha384));
    const other = der.sequence(changed, algorithm, der.bitString(await rootSigner.sign(changed)));
    assert.throws(
      () => new CertificateAuthority({ signer, chain: [other, root], issuers, certificateLog: new TestLog() }),
      { code: 'ERR_AUTHORITY_CHAIN' },
    );
  });

  it('issues nothing that outlives its own certificate', async () => {
    let now = new Date();
    const clock = () => now;
    const other = await makeAuthority({ 'oidc-issuers': { [provider.url]: { type: 'email' } } }, { clock });
    now = new Date(Certificate.parse(other.intermediate).notAfter.getTime() - 60_000);
    assert.equal(other.authority.isServing, false);
    assert(now > other.authority.servingUntil);
    const stale = fastify();
    await stale.register(caRoutes(other.authority));
    assert.equal((await stale.inject('/healthz')).statusCode, 503);
    const seconds = Math.floor(now.getTime() / 1000);
    const claims = { email: address, email_verified: true, iat: seconds, exp: seconds + 60 };
    const token = await provider.token(claims);
    await assert.rejects(other.authority.issue({ token, ...(await prove(address)) }), { code: 'ERR_AUTHORITY_CHAIN' });
  });

  const bends: [string, (log: TestLog) => void][] = [
    [
      'of another log',
      (log) => {
        log.bend = (sct) => ({ ...sct, logId: new Uint8Array(32) });
      },
    ],
    [
      'over other bytes',
      (log) => {
        log.bend = (sct) => ({ ...sct, timestamp: new Date(sct.timestamp.getTime() + 1) });
      },
    ],
    [
      'from last week',
      (log) => {
        log.clock = () => new Date(Date.now() - 7 * 86_400_000);
      },
    ],
    [
      'by another algorithm',
      (log) => {
        log.bend = (sct) => ({ ...sct, signatureAlgorithm: 1 });
      },
    ],
    [
      'that never comes',
      (log) => {
        log.addPreChain = async () => {
          throw new Error('disk full');
        };
      },
    ],
  ];
  for (const [what, bend] of bends) {
    it(`issues nothing on an SCT ${what}`, async () => {
      const { authority, log } = await makeAuthority({ 'oidc-issuers': { [provider.url]: { type: 'email' } } });
      bend(log);
      const token = await provider.token({ email: address, email_verified: true });
      await assert.rejects(authority.issue({ token, ...(await prove(address)) }), { code: 'ERR_CT_LOG' });
    });
  }

  it('looks at promises of a log in its own process now and then, and at all once one did not hold', async () => {
    const { authority, log } = await makeAuthority(
      { 'oidc-issuers': { [provider.url]: { type: 'email' } } },
      { certificateLogIsHere: true },
    );
    const token = await provider.token({ email: address, email_verified: true });
    const proof = await prove(address);
    const issue = () => authority.issue({ token, ...proof });
    const fails = () =>
      issue().then(
        () => false,
        (error: { code?: string }) => error.code === 'ERR_CT_LOG',
      );
    log.bend = (sct) => ({ ...sct, signatureAlgorithm: 1 });
    assert.equal(await fails(), true);
    assert.equal(await fails(), true);
    log.bend = (sct) => sct;
    await issue();
    log.bend = (sct) => ({ ...sct, signatureAlgorithm: 1 });
    let passed = 0;
    while (!(await fails())) passed++;
    assert.equal(passed, 99);
    assert.equal(await fails(), true);
  });

  for (const keyDetails of ['PKIX_ECDSA_P256_SHA_256', 'PKIX_RSA_PKCS1V15_2048_SHA256', 'PKIX_ED25519'] as const) {
    it(`can sign with keys for ${keyDetails}`, async () => {
      const intermediateSigner = generateSigner(keyDetails);
      const made = await createAuthority({
        name: 'a',
        rootSigner: generateSigner(keyDetails),
        intermediateSigner,
        notBefore: new Date(Date.now() - 60_000),
      });
      const authority = new CertificateAuthority({
        signer: intermediateSigner,
        chain: [made.intermediate, made.root],
        issuers: parseIssuers(JSON.stringify({ 'oidc-issuers': { [provider.url]: { type: 'email' } } })),
        certificateLog: new TestLog(),
        backdateSeconds: 5,
        lifetimeSeconds: 300,
      });
      const token = await provider.token({ email: address, email_verified: true });
      const { certificate } = await authority.issue({ token, ...(await prove(address)) });
      assert(new X509Certificate(certificate).verify(new X509Certificate(made.intermediate).publicKey));
      assert(new X509Certificate(made.intermediate).verify(new X509Certificate(made.root).publicKey));
      const { notBefore, notAfter } = Certificate.parse(certificate);
      assert.equal(notAfter.getTime() - notBefore.getTime(), 305_000);
    });
  }
});
