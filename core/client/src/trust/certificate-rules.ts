import { importPublicKey, verifySignatureByOid } from '@signet/primitives/crypto';
import { type Certificate, equalBytes, oids, SignetError } from '@signet/primitives/formats';

/** What a certificate chain is for: the extended key usage that its leaf must have. */
export type Purpose = typeof oids.codeSigning | typeof oids.timeStamping;

/** Extensions whose rules are kept here. Policies decide nothing without policy constraints (RFC 5280 §6.1.1). */
const understood: ReadonlySet<string> = new Set([
  oids.keyUsage,
  oids.extendedKeyUsage,
  oids.basicConstraints,
  oids.subjectAlternativeName,
  oids.certificatePolicies,
]);

/**
 * Refuses what cannot be judged: a critical extension that is not understood (RFC 5280 §4.2), and name constraints even
 * where they are not marked critical, because ignoring them would widen what an authority may vouch for.
 *
 * @throws ERR_CERT_USAGE
 */
export function checkExtensions(certificate: Certificate, what: string): void {
  for (const { oid, critical } of certificate.extensionList) {
    if ((critical && !understood.has(oid)) || oid === oids.nameConstraints) {
      throw usage(what, `extension ${oid} is not understood`, 'RFC 5280 §4.2');
    }
  }
}

/**
 * Checks a certificate that stands above a leaf: it may sign certificates, and its own purposes include the leaf's.
 *
 * @param depth certificates between this one and the leaf
 * @throws ERR_CERT_USAGE
 */
export function checkAuthorityCertificate(certificate: Certificate, purpose: Purpose, depth: number): void {
  const what = 'certificate of an authority';
  checkExtensions(certificate, what);
  const constraints = certificate.basicConstraints;
  if (constraints?.ca !== true) throw usage(what, 'it is not a certificate authority', 'RFC 5280 §4.2.1.9');
  // Self-issued certificates do not count towards the length (RFC 5280 §6.1.4 (l)); there are none in our chains.
  if (constraints.pathLength !== undefined && depth > constraints.pathLength) {
    throw usage(what, `${depth} certificates follow, at most ${constraints.pathLength} may`, 'RFC 5280 §4.2.1.9');
  }
  const keyUsage = certificate.keyUsage;
  if (keyUsage !== undefined && !keyUsage.keyCertSign) {
    throw usage(what, 'its key may not sign certificates', 'RFC 5280 §4.2.1.3');
  }
  const purposes = certificate.extendedKeyUsage;
  if (purposes !== undefined && !purposes.includes(purpose) && !purposes.includes(anyExtendedKeyUsage)) {
    throw usage(what, 'its purposes exclude this use', 'RFC 5280 §4.2.1.12');
  }
}

const anyExtendedKeyUsage = '2.5.29.37.0';

/**
 * Checks the certificate of a signer: it signs data, for this purpose, and is no authority.
 *
 * @throws ERR_CERT_USAGE
 */
export function checkLeafCertificate(certificate: Certificate, purpose: Purpose, what: string): void {
  checkExtensions(certificate, what);
  if (certificate.basicConstraints?.ca === true) {
    throw usage(what, 'it is one of a certificate authority', 'RFC 5280 §4.2.1.9');
  }
  const keyUsage = certificate.keyUsage;
  if (keyUsage !== undefined && !keyUsage.digitalSignature) {
    throw usage(what, 'its key may not sign data', 'RFC 5280 §4.2.1.3');
  }
  if (certificate.extendedKeyUsage?.includes(purpose) !== true) {
    const name = purpose === oids.codeSigning ? 'code signing' : 'time stamping';
    throw usage(what, `its purposes do not include ${name}`, 'RFC 5280 §4.2.1.12');
  }
}

/** Whether `issuer` can have issued `certificate` by name and key identifier (RFC 5280 §6.1.3 (a)(4), §4.2.1.1). */
export function namesIssuer(certificate: Certificate, issuer: Certificate): boolean {
  if (!equalBytes(certificate.issuer, issuer.subject)) return false;
  const wanted = certificate.authorityKeyId;
  const offered = issuer.subjectKeyId;
  return wanted === undefined || offered === undefined || equalBytes(wanted, offered);
}

/** The certificate that an issuer was last found to have signed, in bytes of our own that nobody can change. */
const lastSigned = new WeakMap<Certificate, Uint8Array>();

/** What of trust material {@link rememberLastSigned} is about. */
interface Authorities {
  readonly certificateAuthorities: readonly { readonly certificates: readonly Certificate[] }[];
  readonly timestampAuthorities: readonly { readonly certificates: readonly Certificate[] }[];
}

/**
 * From now on {@link isSignedBy} keeps the last certificate that each authority is found to have signed. For who signs: the packages
 * of a release have one certificate. Who verifies what others signed computes every signature of every bundle.
 */
export function rememberLastSigned({ certificateAuthorities, timestampAuthorities }: Authorities): void {
  for (const { certificates } of [...certificateAuthorities, ...timestampAuthorities]) {
    for (const issuer of certificates) if (!lastSigned.has(issuer)) lastSigned.set(issuer, new Uint8Array());
  }
}

/** Whether the issuer's key signed the certificate. */
export function isSignedBy(certificate: Certificate, issuer: Certificate): boolean {
  const last = lastSigned.get(issuer);
  if (last !== undefined && equalBytes(last, certificate.bytes)) return true;
  const isSigned = verifySignatureByOid({
    key: importPublicKey(issuer.publicKey),
    algorithm: certificate.signatureAlgorithm,
    message: certificate.tbs,
    signature: certificate.signature,
  });
  if (isSigned && last !== undefined) lastSigned.set(issuer, Uint8Array.from(certificate.bytes));
  return isSigned;
}

function usage(what: string, problem: string, clause: string): SignetError {
  return new SignetError('ERR_CERT_USAGE', `${what}: ${problem} (${clause})`);
}
