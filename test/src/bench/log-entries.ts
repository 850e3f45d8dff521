import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { concat, der, oids, toPem, utf8 } from '@signet/primitives/formats';

const ecdsaSha256 = der.sequence(der.oid(oids.ecdsaWithSha256));

/**
 * Bodies of requests to log an entry, each with its own key, its own short-lived certificate with the claims of a CI job,
 * and a signature: what a public instance gets.
 */
export function makeRequests(count: number, api: 'v1' | 'v2' = 'v2'): Buffer[] {
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  return Array.from({ length: count }, () => (api === 'v2' ? makeRequest(authority) : makeV1Request(authority)));
}

/** The same as Rekor v1's clients send it. */
function makeV1Request(authority: KeyObject): Buffer {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const message = randomBytes(32);
  const certificate = makeCertificate(publicKey.export({ format: 'der', type: 'spki' }), authority);
  const proposal = {
    apiVersion: '0.0.1',
    kind: 'hashedrekord',
    spec: {
      data: { hash: { algorithm: 'sha256', value: createHash('sha256').update(message).digest('hex') } },
      signature: {
        content: sign('sha256', message, privateKey).toString('base64'),
        publicKey: { content: Buffer.from(toPem('CERTIFICATE', certificate)).toString('base64') },
      },
    },
  };
  return Buffer.from(JSON.stringify(proposal));
}

function makeRequest(authority: KeyObject): Buffer {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const message = randomBytes(32);
  const request = {
    hashedRekordRequestV002: {
      digest: createHash('sha256').update(message).digest('base64'),
      signature: {
        content: sign('sha256', message, privateKey).toString('base64'),
        verifier: {
          keyDetails: 'PKIX_ECDSA_P256_SHA_256',
          x509Certificate: {
            rawBytes: makeCertificate(publicKey.export({ format: 'der', type: 'spki' }), authority).toString('base64'),
          },
        },
      },
    },
  };
  return Buffer.from(JSON.stringify(request));
}

const claims = [
  'https://token.actions.githubusercontent.com',
  'https://github.com/example-organization/example-package/.github/workflows/release.yml@refs/tags/v1.2.3',
  '0123456789abcdef0123456789abcdef01234567',
  'github-hosted',
  'https://github.com/example-organization/example-package',
  'refs/tags/v1.2.3',
  '123456789',
  'https://github.com/example-organization/example-package/actions/runs/1234567890/attempts/1',
];

/** About as long as Fulcio's: two thousand bytes. */
function makeCertificate(spki: Uint8Array, authority: KeyObject): Buffer {
  const extension = (oid: string, value: Uint8Array): Uint8Array => der.sequence(der.oid(oid), der.octetString(value));
  const name = der.sequence(der.set(der.sequence(der.oid(oids.organizationName), der.utf8String('bench'))));
  const now = Date.now();
  const tbs = der.sequence(
    der.context(0, der.integer(2)),
    der.integer(concat(Uint8Array.of(1), randomBytes(19))),
    ecdsaSha256,
    name,
    der.sequence(der.time(new Date(now)), der.time(new Date(now + 600_000))),
    der.sequence(),
    spki,
    der.context(
      3,
      der.sequence(
        extension(oids.extendedKeyUsage, der.sequence(der.oid(oids.codeSigning))),
        extension(oids.subjectAlternativeName, der.sequence(der.tlv(0x86, utf8(claims[1] ?? '')))),
        ...claims.map((claim, i) => extension(`${oids.fulcio}.${i + 8}`, der.utf8String(claim))),
        ...claims.map((claim, i) => extension(`${oids.fulcio}.${i + 16}`, der.utf8String(claim))),
        extension(oids.sctList, randomBytes(120)),
      ),
    ),
  );
  return Buffer.from(der.sequence(tbs, ecdsaSha256, der.bitString(sign('sha256', tbs, authority))));
}
