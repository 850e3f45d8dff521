import { importPublicKey, verifySignatureByOid } from '@signet/primitives/crypto';
import { Certificate, equalBytes, oids, SignetError } from '@signet/primitives/formats';
import type { Signer } from '@signet/primitives/keys';

/**
 * Checks, before a server starts, what every client will check later: that the chain verifies up to a self-signed root,
 * that its certificates may issue code signing certificates now, and that the signer's key is the one certified.
 *
 * @param chain DER, issuing certificate first, root last
 * @throws ERR_AUTHORITY_CHAIN, ERR_CERT_FORMAT
 */
export function readAuthorityChain(
  chain: readonly Uint8Array[],
  signer: Signer,
  now: Date,
): readonly [Certificate, ...Certificate[]] {
  const [issuing, ...above] = chain.map((bytes) => Certificate.parse(bytes));
  if (issuing === undefined) throw refuse('it is empty');
  if (!equalBytes(issuing.publicKey.spki, signer.publicKey.spki)) {
    throw refuse('its first certificate is for another key than the signer has');
  }
  const certificates: [Certificate, ...Certificate[]] = [issuing, ...above];
  certificates.forEach((certificate, depth) => {
    const where =
      depth === certificates.length - 1 ? 'the root' : depth === 0 ? 'the issuing certificate' : `certificate ${depth}`;
    checkCertificate(certificate, where, depth, now);
    checkSignature(certificate, certificates[depth + 1] ?? certificate, where);
  });
  // A root may leave its purposes open; what stands below it must not be usable for anything else.
  if (above.length > 0 && !issuing.extendedKeyUsage?.includes(oids.codeSigning)) {
    throw refuse('the issuing certificate lacks the extended key usage codeSigning');
  }
  return certificates;
}

function checkCertificate(certificate: Certificate, where: string, depth: number, now: Date): void {
  const { basicConstraints, keyUsage, extendedKeyUsage } = certificate;
  if (basicConstraints?.ca !== true || keyUsage?.keyCertSign !== true)
    throw refuse(`${where} is not one of an authority`);
  if (basicConstraints.pathLength !== undefined && basicConstraints.pathLength < depth) {
    throw refuse(
      `${where} allows ${basicConstraints.pathLength} certificates of authorities below it, there are ${depth}`,
    );
  }
  if (extendedKeyUsage !== undefined && !extendedKeyUsage.includes(oids.codeSigning)) {
    throw refuse(`${where} is not for code signing`);
  }
  if (!certificate.isValidAt(now)) {
    const period = `${certificate.notBefore.toISOString()} to ${certificate.notAfter.toISOString()}`;
    throw refuse(`${where} is valid from ${period}, now is ${now.toISOString()}`);
  }
}

function checkSignature(certificate: Certificate, issuer: Certificate, where: string): void {
  const verified =
    equalBytes(certificate.issuer, issuer.subject) &&
    verifySignatureByOid({
      key: importPublicKey(issuer.publicKey),
      algorithm: certificate.signatureAlgorithm,
      message: certificate.tbs,
      signature: certificate.signature,
    });
  if (!verified) throw refuse(`${where} is not signed by the certificate after it (the root: by itself)`);
}

function refuse(problem: string): SignetError {
  return new SignetError('ERR_AUTHORITY_CHAIN', `The certificate authority cannot start with this chain: ${problem}.`);
}
