import type { Extension, X509CertificateCreateParams } from '@peculiar/x509';
import {
  Certificate,
  der,
  equalBytes,
  type PublicKeyInfo,
  SignetError,
  signatureAlgorithmName,
} from '@signet/primitives/formats';
import type { Signer } from '@signet/primitives/keys';

/** A new certificate authority. */
export interface AuthorityOptions {
  /** Organization of both certificates, for example the instance's host. */
  readonly name: string;
  /** P-384 is what the Fulcio specification asks for. */
  readonly rootSigner: Signer;
  readonly intermediateSigner: Signer;
  /** Default: now. */
  readonly notBefore?: Date;
  /** Default 10. */
  readonly rootYears?: number;
  /** Default 3. */
  readonly intermediateYears?: number;
}

type X509 = typeof import('@peculiar/x509');

/** The library that writes authorities' certificates; it needs its polyfill first. */
async function loadX509(): Promise<X509> {
  await import('reflect-metadata');
  return import('@peculiar/x509');
}

/**
 * Makes the certificates of a new authority by the profile of fulcio-spec.md §7: a self-signed root without purposes of
 * its own and an intermediate that may issue code signing certificates only, and no authorities below it.
 *
 * @returns DER of both
 */
export async function createAuthority(
  options: AuthorityOptions,
): Promise<{ root: Uint8Array; intermediate: Uint8Array }> {
  const x509 = await loadX509();
  const notBefore = new Date(Math.floor((options.notBefore ?? new Date()).getTime() / 1000) * 1000);
  const rootName = nameOf(options.name, 'root');
  const rootKey = options.rootSigner.publicKey;
  const root = await signed(x509, options.rootSigner, {
    subject: rootName,
    issuer: rootName,
    notBefore,
    notAfter: yearsAfter(notBefore, options.rootYears ?? 10),
    publicKey: bufferOf(rootKey.spki),
    extensions: [...authorityExtensions(x509, 1), await keyIdentifier(x509, rootKey)],
  });
  const intermediate = await createIntermediate({ ...options, notBefore, root: Certificate.parse(root) });
  return { root, intermediate };
}

/** Another issuing certificate under a root that exists. */
export interface IntermediateOptions {
  /** Organization, for example the instance's host. */
  readonly name: string;
  readonly root: Certificate;
  /** Holds the private key of `root`. */
  readonly rootSigner: Signer;
  readonly intermediateSigner: Signer;
  /** Default: now. */
  readonly notBefore?: Date;
  /** Default 3, and never longer than the root. */
  readonly intermediateYears?: number;
}

/**
 * Makes an intermediate by the profile of fulcio-spec.md §7.
 *
 * @returns DER
 * @throws ERR_AUTHORITY_CHAIN when the signer is not the root's
 */
export async function createIntermediate(options: IntermediateOptions): Promise<Uint8Array> {
  const { root, rootSigner, intermediateSigner } = options;
  if (!equalBytes(root.publicKey.spki, rootSigner.publicKey.spki)) {
    throw new SignetError('ERR_AUTHORITY_CHAIN', 'The key that is to sign the intermediate is not that of the root.');
  }
  const x509 = await loadX509();
  const notBefore = new Date(Math.floor((options.notBefore ?? new Date()).getTime() / 1000) * 1000);
  const wanted = yearsAfter(notBefore, options.intermediateYears ?? 3);
  const intermediateKey = intermediateSigner.publicKey;
  return signed(x509, rootSigner, {
    subject: nameOf(options.name, 'intermediate'),
    issuer: new x509.X509Certificate(bufferOf(root.bytes)).subjectName.toJSON(),
    notBefore,
    notAfter: wanted < root.notAfter ? wanted : root.notAfter,
    publicKey: bufferOf(intermediateKey.spki),
    extensions: [
      ...authorityExtensions(x509, 0),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.codeSigning]),
      await keyIdentifier(x509, intermediateKey),
      await x509.AuthorityKeyIdentifierExtension.create(publicKeyOf(x509, rootSigner.publicKey)),
    ],
  });
}

function nameOf(organization: string, role: string) {
  return [{ O: [organization] }, { CN: [`${organization} ${role}`] }];
}

function authorityExtensions(x509: X509, pathLength: number): Extension[] {
  return [
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    new x509.BasicConstraintsExtension(true, pathLength, true),
  ];
}

function keyIdentifier(x509: X509, key: PublicKeyInfo): Promise<Extension> {
  return x509.SubjectKeyIdentifierExtension.create(publicKeyOf(x509, key));
}

function publicKeyOf(x509: X509, key: PublicKeyInfo) {
  return new x509.PublicKey(bufferOf(key.spki));
}

/**
 * The library lays the certificate out and the signer signs it: a key in a file, a device or a service never becomes a
 * CryptoKey. The layout's own signature is empty and is thrown away.
 */
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
    publicKey: parameters.publicKey,
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

function bufferOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(bytes);
}
