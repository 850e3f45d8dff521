import { type Certificate, equalBytes, isWithin, oids, SignetError } from '@signet/primitives/formats';
import { checkLeafCertificate, type Issuer, isSignedBy, type TrustMaterial } from '../trust/index.ts';
import type { VerifiedTimestamp } from './verified-bundle.ts';

/**
 * Validates the path from the signing certificate to a trust anchor, at every time that a trusted clock gives for the
 * signature (client-spec §4.3, RFC 5280 §6). Intermediates come from the trusted root alone (client-spec §4.6).
 *
 * @returns the issuer
 * @throws ERR_CERT_UNTRUSTED, ERR_CERT_EXPIRED, ERR_CERT_USAGE
 */
export function verifyCertificatePath(
  certificate: Certificate,
  times: readonly VerifiedTimestamp[],
  trust: TrustMaterial,
): Issuer {
  checkLeafCertificate(certificate, oids.codeSigning, 'signing certificate');
  for (const { time, authority } of times) {
    if (!certificate.isValidAt(time)) {
      const window = `${certificate.notBefore.toISOString()} to ${certificate.notAfter.toISOString()}`;
      throw new SignetError(
        'ERR_CERT_EXPIRED',
        `the signature was made at ${time.toISOString()} (${authority}), the certificate is valid ${window}`,
        { expected: window, found: time.toISOString() },
      );
    }
  }
  const named = trust.issuersOf(certificate);
  const valid = named.filter(({ validFor }) => times.every(({ time }) => isWithin(validFor, time)));
  for (const issuer of valid) {
    if (isSignedBy(certificate, issuer.certificate)) return issuer;
  }
  if (named.length > 0 && valid.length === 0) {
    throw new SignetError('ERR_CERT_EXPIRED', 'no authority that could have issued the certificate was valid then', {
      found: times.map(({ time }) => time.toISOString()).join(', '),
    });
  }
  throw new SignetError(
    'ERR_CERT_UNTRUSTED',
    `the signing certificate was not issued by a certificate authority of the trusted root "${trust.name}"`,
    { found: describeIssuers(named) },
  );
}

function describeIssuers(named: readonly Issuer[]): string {
  return named.length === 0 ? 'an unknown issuer' : named.map(({ authority }) => authority.uri).join(', ');
}

/**
 * Checks what older bundles put after the signing certificate: it must be in issuing order (sigstore_bundle.proto).
 * Nothing of it is used or trusted.
 *
 * @throws ERR_BUNDLE_FORMAT
 */
export function checkChainOrder(certificate: Certificate, chain: readonly Certificate[]): void {
  let child = certificate;
  for (const parent of chain) {
    if (!equalBytes(child.issuer, parent.subject)) {
      throw new SignetError(
        'ERR_BUNDLE_FORMAT',
        'bundle.verificationMaterial.x509CertificateChain: the certificates are not in issuing order, leaf first',
      );
    }
    child = parent;
  }
}
