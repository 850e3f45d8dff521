import type { Extension, X509CertificateCreateParams } from '@peculiar/x509';
import { Certificate, der, equalBytes, SignetError, signatureAlgorithmName } from '@signet/primitives/formats';
import type { Signer } from '@signet/primitives/keys';

/** A new timestamp authority. */
export interface TimestampChainOptions {
  /** Organization of both certificates, for example the instance's host. */
  readonly name: string;
  /** Signs the leaf once and is not needed again; P-384 is usual. */
  readonly rootSigner: Signer;
  /** Signs timestamps; P-256 is usual. */
  readonly signer: Signer;
  /** Default: now. */
  readonly notBefore?: Date;
  /** Default 10. */
  readonly rootYears?: number;
  /** Default 9: timestamps are verified for as long as their chain is. */
  readonly leafYears?: number;
}

type X509 = typeof import('@peculiar/x509');

/**
 * Makes the certificates of a new timestamp authority: a self-signed root and the leaf that signs, whose one purpose is
 * timeStamping and critical (RFC 3161 §2.3). A lone self-signed certificate could never be verified by Sigstore's
 * clients (notes/ca.md §3.3).
 *
 * @returns DER of both
 */
export async function createTimestampChain(
  options: TimestampChainOptions,
): Promise<{ root: Uint8Array; leaf: Uint8Array }> {
  // The library needs its polyfill first.
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  const notBefore = new Date(Math.floor((options.notBefore ?? new Date()).getTime() / 1000) * 1000);
  const rootKey = new x509.PublicKey(Uint8Array.from(options.rootSigner.publicKey.spki));
  const rootName = [{ O: [options.name] }, { CN: [`${options.name} timestamp root`] }];
  const root = await signed(x509, options.rootSigner, {
    subject: rootName,
    issuer: rootName,
    notBefore,
    notAfter: yearsAfter(notBefore, options.rootYears ?? 10),
    publicKey: rootKey,
    extensions: [
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      new x509.BasicConstraintsExtension(true, 0, true),
      await x509.SubjectKeyIdentifierExtension.create(rootKey),
    ],
  });
  const leaf = await createTimestampLeaf({ ...options, notBefore, root: Certificate.parse(root) });
  return { root, leaf };
}

/** Another leaf under a root that exists. */
export interface TimestampLeafOptions {
  readonly name: string;
  readonly root: Certificate;
  /** Holds the private key of `root`. */
  readonly rootSigner: Signer;
  readonly signer: Signer;
  /** Default: now. */
  readonly notBefore?: Date;
  /** Default 9, and never longer than the root. */
  readonly leafYears?: number;
}

/**
 * Makes the certificate that signs timestamps.
 *
 * @returns DER
 * @throws ERR_AUTHORITY_CHAIN when the signer is not the root's
 */
export async function createTimestampLeaf(options: TimestampLeafOptions): Promise<Uint8Array> {
  const { root, rootSigner } = options;
  if (!equalBytes(root.publicKey.spki, rootSigner.publicKey.spki)) {
    throw new SignetError('ERR_AUTHORITY_CHAIN', 'The key that is to sign the leaf is not that of the root.');
  }
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  const notBefore = new Date(Math.floor((options.notBefore ?? new Date()).getTime() / 1000) * 1000);
  const wanted = yearsAfter(notBefore, options.leafYears ?? 9);
  const rootKey = new x509.PublicKey(Uint8Array.from(rootSigner.publicKey.spki));
  const leafKey = new x509.PublicKey(Uint8Array.from(options.signer.publicKey.spki));
  return signed(x509, rootSigner, {
    subject: [{ O: [options.name] }, { CN: [`${options.name} timestamp authority`] }],
    issuer: new x509.X509Certificate(Uint8Array.from(root.bytes)).subjectName.toJSON(),
    notBefore,
    notAfter: wanted < root.notAfter ? wanted : root.notAfter,
    publicKey: leafKey,
    extensions: [
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.timeStamping], true),
      await x509.SubjectKeyIdentifierExtension.create(leafKey),
      await x509.AuthorityKeyIdentifierExtension.create(rootKey),
    ] satisfies Extension[],
  });
}

/** The library lays the certificate out, the signer signs it: its key never becomes a CryptoKey. */
async function signed(
  x509: X509,
  signer: Signer,
  parameters: Omit<X509CertificateCreateParams, 'signature' | 'signingKey'>,
): Promise<Uint8Array> {
  const { identifier, hash } = signatureAlgorithmName(signer.keyDetails);
  const names = { ecdsa: 'ECDSA', rsa: 'RSASSA-PKCS1-v1_5', ed25519: 'Ed25519' } as const;
  const name = names[signer.publicKey.algorithm as keyof typeof names];
  const laidOut = await x509.X509CertificateGenerator.create({
    ...parameters,
    signature: new ArrayBuffer(0),
    signingAlgorithm: hash === undefined ? { name } : { name, hash: hash.replace('sha', 'SHA-') },
  });
  const { tbs } = Certificate.parse(new Uint8Array(laidOut.rawData));
  return der.sequence(tbs, identifier, der.bitString(await signer.sign(tbs)));
}

function yearsAfter(start: Date, years: number): Date {
  const end = new Date(start);
  end.setUTCFullYear(end.getUTCFullYear() + years);
  return end;
}
