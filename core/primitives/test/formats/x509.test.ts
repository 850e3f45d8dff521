import 'reflect-metadata';
import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import * as peculiar from '@peculiar/x509';
import {
  Certificate,
  der,
  embeddedScts,
  encodeSct,
  equalBytes,
  fulcioClaims,
  fulcioExtensions,
  oids,
  parsePem,
  parseSct,
  SignetError,
  sctListExtension,
  toPem,
} from '@signet/primitives/formats';
import fc from 'fast-check';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const claims = {
  issuerV1: 'https://issuer.example',
  githubWorkflowName: 'Release',
  issuer: 'https://issuer.example',
  sourceRepositoryUri: 'https://git.example/größe',
  tokenSubject: 'repo:acme/widgets',
};

async function makeCertificate(extensions: readonly Uint8Array[]): Promise<Uint8Array> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await peculiar.X509CertificateGenerator.create({
    serialNumber: '00ff01',
    subject: 'CN=leaf',
    issuer: 'CN=authority,O=acme',
    notBefore: new Date('2026-01-01T00:00:00Z'),
    notAfter: new Date('2060-01-01T00:00:00Z'),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey: keys.privateKey,
    extensions: [
      new peculiar.BasicConstraintsExtension(true, 3, true),
      new peculiar.KeyUsagesExtension(
        peculiar.KeyUsageFlags.digitalSignature | peculiar.KeyUsageFlags.keyCertSign,
        true,
      ),
      new peculiar.ExtendedKeyUsageExtension([oids.codeSigning]),
      new peculiar.SubjectAlternativeNameExtension([
        { type: 'email', value: 'alice@acme.example' },
        { type: 'url', value: 'https://a.example/x' },
      ]),
      await peculiar.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ...extensions.map((bytes) => new peculiar.Extension(Uint8Array.from(bytes))),
    ],
  });
  return new Uint8Array(certificate.rawData);
}

describe('Certificate', () => {
  it('reads what @peculiar/x509 wrote, field by field', async () => {
    const bytes = await makeCertificate(fulcioExtensions(claims));
    const oracle = new peculiar.X509Certificate(Uint8Array.from(bytes));
    const certificate = Certificate.parse(bytes);
    assert.deepEqual(Buffer.from(certificate.serialNumber).toString('hex'), '00ff01');
    assert.deepEqual([certificate.notBefore, certificate.notAfter], [oracle.notBefore, oracle.notAfter]);
    assert.deepEqual(certificate.basicConstraints, { ca: true, pathLength: 3 });
    assert.deepEqual(certificate.keyUsage, { digitalSignature: true, keyCertSign: true, cRLSign: false });
    assert.deepEqual(certificate.extendedKeyUsage, [oids.codeSigning]);
    assert.deepEqual(certificate.subjectAlternativeNames, [
      { type: 'email', value: 'alice@acme.example' },
      { type: 'uri', value: 'https://a.example/x' },
    ]);
    assert.equal(certificate.publicKey.curve, 'P-256');
    assert.ok(equalBytes(certificate.publicKey.spki, new Uint8Array(oracle.publicKey.rawData)));
    assert.equal(certificate.subjectKeyId?.length, 20);
    assert.deepEqual(fulcioClaims(certificate), claims);
    assert.equal(certificate.isSelfIssued, false);
    assert.ok(equalBytes(Certificate.fromPem(certificate.pem).bytes, bytes));
  });

  it('takes one extension out of the TBS and leaves the rest byte for byte', async () => {
    const poison = der.sequence(der.oid(oids.precertificatePoison), der.boolean(true), der.octetString(der.null()));
    const certificate = Certificate.parse(await makeCertificate([poison, ...fulcioExtensions(claims)]));
    const without = certificate.tbsWithoutExtension(oids.precertificatePoison);
    const rebuilt = Certificate.parse(
      der.sequence(without, der.sequence(der.oid(oids.ecdsaWithSha256)), der.bitString(certificate.signature)),
    );
    assert.equal(rebuilt.extensions.size, certificate.extensions.size - 1);
    assert.equal(without.length, certificate.tbs.length - poison.length);
    assert.ok(equalBytes(certificate.tbsWithoutExtension('1.2.3'), certificate.tbs));
  });

  it('refuses an extension that stands twice, and an outer algorithm that differs from the signed one', async () => {
    const extension = fulcioExtensions({ issuer: 'a' });
    const refused = (error: unknown) => error instanceof SignetError && error.code === 'ERR_CERT_FORMAT';
    assert.throws(() => Certificate.parse(der.sequence()), refused);
    const twice = await makeCertificate([...extension, ...extension]);
    assert.throws(() => Certificate.parse(twice), refused);
    const certificate = Certificate.parse(await makeCertificate([]));
    const other = der.sequence(
      certificate.tbs,
      der.sequence(der.oid(oids.ecdsaWithSha384)),
      der.bitString(certificate.signature),
    );
    assert.throws(() => Certificate.parse(other), refused);
  });

  it('fails only with its own errors, whatever byte is changed', async () => {
    const bytes = await makeCertificate([...fulcioExtensions(claims)]);
    fc.assert(
      fc.property(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 255 }), (at, value) => {
        const mutated = Uint8Array.from(bytes);
        mutated[at] = value;
        try {
          const certificate = Certificate.parse(mutated);
          fulcioClaims(certificate);
          for (const read of [
            'keyUsage',
            'extendedKeyUsage',
            'basicConstraints',
            'subjectKeyId',
            'authorityKeyId',
            'subjectAlternativeNames',
          ] as const) {
            void certificate[read];
          }
        } catch (error) {
          assert.ok(error instanceof SignetError, String(error));
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe('signed certificate timestamps', () => {
  const sct = {
    logId: new Uint8Array(32).fill(7),
    timestamp: new Date(1_700_000_000_123),
    extensions: new Uint8Array([0, 0, 5, 0, 0, 0, 0, 1]),
    hashAlgorithm: 4,
    signatureAlgorithm: 3,
    signature: new Uint8Array([1, 2, 3]),
  };

  it('are read as they were written, alone and embedded', async () => {
    assert.deepEqual(parseSct(encodeSct(sct)), sct);
    const certificate = Certificate.parse(await makeCertificate([sctListExtension([sct, sct])]));
    assert.deepEqual(embeddedScts(certificate), [sct, sct]);
  });

  it('are refused when cut off, followed by bytes, of another version or of an impossible time', () => {
    const bytes = encodeSct(sct);
    for (const wrong of [
      bytes.subarray(0, -1),
      Buffer.concat([bytes, Buffer.from([0])]),
      Uint8Array.from(bytes, (byte, at) => (at === 0 ? 1 : byte)),
      Uint8Array.from(bytes, (byte, at) => (at === 33 ? 0xff : byte)),
    ]) {
      assert.throws(
        () => parseSct(wrong),
        (error) => error instanceof SignetError && error.code === 'ERR_SCT_FORMAT',
      );
    }
  });
});

describe('PEM', () => {
  it('reads back what it writes and skips explanatory text', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const [block, ...rest] = parsePem(`subject: x\n${toPem('CERTIFICATE', bytes)}`);
        assert.equal(rest.length, 0);
        assert.ok(block !== undefined && equalBytes(block.bytes, bytes));
      }),
    );
  });

  it('refuses open, crossed and damaged blocks', () => {
    for (const text of [
      '-----BEGIN A-----\nAAAA',
      '-----BEGIN A-----\nAAAA\n-----END B-----',
      '-----END A-----',
      '-----BEGIN A-----\n*\n-----END A-----',
    ]) {
      assert.throws(
        () => parsePem(text),
        (error) => error instanceof SignetError && error.code === 'ERR_ENCODING',
      );
    }
  });
});
