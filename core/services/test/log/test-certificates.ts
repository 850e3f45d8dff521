import { randomBytes } from 'node:crypto';
import { concat, der, oids } from '@signet/primitives/formats';
import { generateSigner, type Signer } from '@signet/primitives/keys';

const ecdsaSha256 = der.sequence(der.oid('1.2.840.10045.4.3.2'));

/** One X.509 extension. */
export function extension(oid: string, value: Uint8Array, critical = false): Uint8Array {
  return der.sequence(der.oid(oid), ...(critical ? [der.boolean(true)] : []), der.octetString(value));
}

export const poison = extension(oids.precertificatePoison, der.null(), true);
export const codeSigning = extension(oids.extendedKeyUsage, der.sequence(der.oid(oids.codeSigning)));

/** BasicConstraints and KeyUsage of an authority. */
export function authority(pathLength?: number): Uint8Array[] {
  const limit = pathLength === undefined ? [] : [der.integer(pathLength)];
  return [
    extension(oids.basicConstraints, der.sequence(der.boolean(true), ...limit), true),
    extension(oids.keyUsage, Uint8Array.of(3, 2, 1, 6), true),
  ];
}

export interface CertificateParts {
  readonly issuer: string;
  readonly subject: string;
  readonly key: Signer;
  readonly signedBy: Signer;
  readonly extensions: readonly Uint8Array[];
}

/** Signs a certificate of whatever content. */
export async function makeCertificate(parts: CertificateParts): Promise<Uint8Array> {
  const now = Date.now();
  const tbs = der.sequence(
    der.context(0, der.integer(2)),
    der.integer(concat(Uint8Array.of(1), randomBytes(15))),
    ecdsaSha256,
    name(parts.issuer),
    der.sequence(der.time(new Date(now - 60_000)), der.time(new Date(now + 600_000))),
    name(parts.subject),
    parts.key.publicKey.spki,
    der.context(3, der.sequence(...parts.extensions)),
  );
  return der.sequence(tbs, ecdsaSha256, der.bitString(await parts.signedBy.sign(tbs)));
}

/** A root and an intermediate that issues code signing certificates. */
export interface TestAuthority {
  readonly root: Uint8Array;
  readonly intermediate: Uint8Array;
  readonly intermediateKey: Signer;
  /** Issues a leaf; a precertificate when `poison` is among the extensions. */
  issue(extensions: readonly Uint8Array[], key?: Signer): Promise<Uint8Array>;
}

export async function makeAuthority(title = 'Test'): Promise<TestAuthority> {
  const rootKey = generateSigner();
  const intermediateKey = generateSigner();
  const root = await makeCertificate({
    issuer: `${title} Root`,
    subject: `${title} Root`,
    key: rootKey,
    signedBy: rootKey,
    extensions: authority(1),
  });
  const intermediate = await makeCertificate({
    issuer: `${title} Root`,
    subject: `${title} Intermediate`,
    key: intermediateKey,
    signedBy: rootKey,
    extensions: [...authority(0), codeSigning],
  });
  const issue = (extensions: readonly Uint8Array[], key = generateSigner()): Promise<Uint8Array> =>
    makeCertificate({
      issuer: `${title} Intermediate`,
      subject: 'leaf',
      key,
      signedBy: intermediateKey,
      extensions,
    });
  return { root, intermediate, intermediateKey, issue };
}

function name(commonName: string): Uint8Array {
  return der.sequence(der.set(der.sequence(der.oid('2.5.4.3'), der.utf8String(commonName))));
}
