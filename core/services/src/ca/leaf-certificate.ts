import { randomBytes } from 'node:crypto';
import { digest } from '@signet/primitives/crypto';
import {
  type Certificate,
  concat,
  der,
  fulcioExtensions,
  oids,
  type PublicKeyInfo,
  type SignedCertificateTimestamp,
  sctListExtension,
  signatureAlgorithmName,
  utf8,
} from '@signet/primitives/formats';
import type { Signer } from '@signet/primitives/keys';
import type { Principal, SubjectName } from './principal.ts';

/** What all certificates of one issuing certificate have in common, encoded once. */
export interface LeafIssuer {
  readonly signer: Signer;
  /** DER of AlgorithmIdentifier. */
  readonly algorithm: Uint8Array;
  /** DER of Name. */
  readonly name: Uint8Array;
  /** DER of Extension. */
  readonly authorityKeyIdentifier: Uint8Array;
}

/** @throws ERR_KEY_UNSUPPORTED when certificates cannot be signed with the signer's algorithm */
export function leafIssuer(certificate: Certificate, signer: Signer): LeafIssuer {
  const keyId = certificate.subjectKeyId ?? keyIdentifier(certificate.publicKey);
  return {
    signer,
    algorithm: signatureAlgorithmName(signer.keyDetails).identifier,
    name: certificate.subject,
    authorityKeyIdentifier: extension(oids.authorityKeyIdentifier, der.sequence(der.contextPrimitive(0, keyId))),
  };
}

/** What one certificate is about. */
export interface LeafContents {
  readonly principal: Principal;
  readonly publicKey: PublicKeyInfo;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** A certificate in the making; every step encodes the same contents, so that precertificate and certificate agree. */
export interface Leaf {
  /** TBSCertificate without poison and without SCTs: what a certificate log signs (RFC 6962 §3.2). */
  readonly bareTbs: Uint8Array;
  /** The precertificate: with the critical poison extension, which no verifier accepts. */
  precertificate(): Promise<Uint8Array>;
  /** The certificate with its SCTs embedded. */
  certificate(scts: readonly SignedCertificateTimestamp[]): Promise<Uint8Array>;
}

const version3 = der.context(0, der.integer(2));
const emptyName = der.sequence();
const poison = extension(oids.precertificatePoison, der.null(), true);
const keyUsage = extension(oids.keyUsage, der.namedBits(0), true);
const extendedKeyUsage = extension(oids.extendedKeyUsage, der.sequence(der.oid(oids.codeSigning)));

/** Lays out a code signing certificate by the profile of Fulcio (sigstore/architecture-docs, fulcio-spec.md §7). */
export function layOutLeaf(issuer: LeafIssuer, contents: LeafContents): Leaf {
  const head = concat(
    version3,
    der.integer(serialNumber()),
    issuer.algorithm,
    issuer.name,
    der.sequence(der.time(contents.notBefore), der.time(contents.notAfter)),
    emptyName,
    contents.publicKey.spki,
  );
  const extensions = concat(
    keyUsage,
    extendedKeyUsage,
    extension(oids.subjectKeyIdentifier, der.octetString(keyIdentifier(contents.publicKey))),
    issuer.authorityKeyIdentifier,
    // The subject is empty, so the only name is critical (RFC 5280 §4.2.1.6).
    extension(oids.subjectAlternativeName, der.sequence(generalName(contents.principal.subject)), true),
    ...fulcioExtensions(contents.principal.claims),
  );
  const tbs = (...last: Uint8Array[]) => der.sequence(head, der.context(3, der.sequence(extensions, ...last)));
  const sign = async (toBeSigned: Uint8Array) =>
    der.sequence(toBeSigned, issuer.algorithm, der.bitString(await issuer.signer.sign(toBeSigned)));
  return {
    bareTbs: tbs(),
    precertificate: () => sign(tbs(poison)),
    certificate: (scts) => sign(tbs(sctListExtension(scts))),
  };
}

function extension(oid: string, value: Uint8Array, critical = false): Uint8Array {
  return der.sequence(der.oid(oid), ...(critical ? [der.boolean(true)] : []), der.octetString(value));
}

/** 160 random bits, positive and of full length (RFC 5280 §4.1.2.2: at most 20 octets). */
function serialNumber(): Uint8Array {
  const bytes = new Uint8Array(randomBytes(20));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes;
}

/** SHA-1 of the key's BIT STRING (RFC 5280 §4.2.1.2, method 1); a name, not a security measure. */
function keyIdentifier(key: PublicKeyInfo): Uint8Array {
  return digest('sha1', key.keyBytes);
}

function generalName({ type, value }: SubjectName): Uint8Array {
  switch (type) {
    case 'email':
      return der.contextPrimitive(1, utf8(value));
    case 'uri':
      return der.contextPrimitive(6, utf8(value));
    case 'otherName':
      return der.context(0, der.oid(oids.fulcioOtherName), der.context(0, der.utf8String(value)));
  }
}
