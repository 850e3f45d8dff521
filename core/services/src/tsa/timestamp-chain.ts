import { importPublicKey, verifySignatureByOid } from '@signet/primitives/crypto';
import { Certificate, equalBytes, oids, SignetError } from '@signet/primitives/formats';
import type { Signer } from '@signet/primitives/keys';

/**
 * Checks, before a server starts, what every verifier of its timestamps will check: the leaf's key is the signer's, its
 * only purpose is timeStamping and critical (RFC 3161 §2.3), and the chain verifies up to a self-signed root.
 *
 * @param chain DER, leaf first, root last, at least two
 * @throws ERR_AUTHORITY_CHAIN, ERR_CERT_FORMAT
 */
export function readTimestampChain(
  chain: readonly Uint8Array[],
  signer: Signer,
  now: Date,
): readonly [Certificate, ...Certificate[]] {
  const [leaf, ...authorities] = chain.map((bytes) => Certificate.parse(bytes));
  if (leaf === undefined || authorities.length === 0)
    throw refuse('it needs a leaf and at least one authority above it');
  if (!equalBytes(leaf.publicKey.spki, signer.publicKey.spki)) {
    throw refuse('its first certificate is for another key than the signer has');
  }
  const purposes = leaf.extendedKeyUsage ?? [];
  const critical = leaf.extensions.get(oids.extendedKeyUsage)?.critical === true;
  if (purposes.length !== 1 || purposes[0] !== oids.timeStamping || !critical) {
    throw refuse('the extended key usage of its leaf is not timeStamping alone and critical');
  }
  if (leaf.basicConstraints?.ca === true) throw refuse('its leaf is one of an authority');
  const certificates: [Certificate, ...Certificate[]] = [leaf, ...authorities];
  certificates.forEach((certificate, depth) => {
    const where = depth === 0 ? 'the leaf' : `certificate ${depth}`;
    if (depth > 0) checkAuthority(certificate, where, depth - 1, certificate === certificates.at(-1));
    if (!certificate.isValidAt(now)) {
      const period = `${certificate.notBefore.toISOString()} to ${certificate.notAfter.toISOString()}`;
      throw refuse(`${where} is valid from ${period}, now is ${now.toISOString()}`);
    }
    const issuer = certificates[depth + 1] ?? certificate;
    const verified =
      equalBytes(certificate.issuer, issuer.subject) &&
      verifySignatureByOid({
        key: importPublicKey(issuer.publicKey),
        algorithm: certificate.signatureAlgorithm,
        message: certificate.tbs,
        signature: certificate.signature,
      });
    if (!verified) throw refuse(`${where} is not signed by the certificate after it (the root: by itself)`);
  });
  return certificates;
}

function checkAuthority(certificate: Certificate, where: string, below: number, isRoot: boolean): void {
  const { basicConstraints, keyUsage, extendedKeyUsage } = certificate;
  if (basicConstraints?.ca !== true || keyUsage?.keyCertSign !== true)
    throw refuse(`${where} is not one of an authority`);
  if (basicConstraints.pathLength !== undefined && basicConstraints.pathLength < below) {
    throw refuse(`${where} does not allow ${below} authorities below it`);
  }
  // Purposes narrow downwards: what stands between root and leaf must name timeStamping, a root may leave it open.
  const names = extendedKeyUsage?.includes(oids.timeStamping);
  if (names === false || (names === undefined && !isRoot)) throw refuse(`${where} is not for time-stamping`);
}

function refuse(problem: string): SignetError {
  return new SignetError('ERR_AUTHORITY_CHAIN', `The timestamp authority cannot start with this chain: ${problem}.`);
}
