import { verifySignatureByOid } from '@signet/primitives/crypto';
import {
  type Certificate,
  embeddedScts,
  isWithin,
  oids,
  SignetError,
  sctSignedData,
  toHex,
} from '@signet/primitives/formats';
import type { Issuer, TrustMaterial } from '../trust/index.ts';

/** RFC 6962 §5.2: a promise from the future is refused; this much is left to clocks. */
const clockSkew = 5 * 60 * 1000;

/**
 * Verifies the signed certificate timestamps that are embedded in a certificate (client-spec §4.3, RFC 6962 §3.2).
 * Those of unknown logs count for nothing; those of known logs must all verify.
 *
 * @param issuer its key is part of what is signed
 * @param threshold how many operators of logs must have promised
 * @returns base URLs of the logs
 * @throws ERR_SCT_FORMAT, ERR_SCT_INVALID, ERR_SCT_MISSING
 */
export function verifyScts(
  certificate: Certificate,
  issuer: Issuer,
  trust: TrustMaterial,
  threshold: number,
): readonly string[] {
  const scts = embeddedScts(certificate);
  const found = new Map<string, string>();
  if (scts.length > 0) {
    const issuerKeyHash = issuer.keyHash;
    const tbs = certificate.tbsWithoutExtension(oids.sctList);
    for (const sct of scts) {
      const logs = trust.certificateLogsById(sct.logId);
      if (logs.length === 0) continue;
      const log = logs.find((candidate) => isWithin(candidate.validFor, sct.timestamp));
      if (log === undefined || sct.timestamp.getTime() > Date.now() + clockSkew) {
        const shown = sct.timestamp.toISOString();
        throw new SignetError('ERR_SCT_INVALID', `certificate log ${toHex(sct.logId)} is not trusted at ${shown}`, {
          found: shown,
        });
      }
      const isEcdsa = log.key.info.algorithm === 'ecdsa';
      // TLS numbers: SHA-256 is 4, ECDSA 3, RSA 1 (RFC 5246 §7.4.1.4.1).
      const expected = sct.hashAlgorithm === 4 && sct.signatureAlgorithm === (isEcdsa ? 3 : 1);
      const verified =
        expected &&
        verifySignatureByOid({
          key: log.key,
          algorithm: isEcdsa ? oids.ecdsaWithSha256 : oids.sha256WithRsa,
          message: sctSignedData(sct, { type: 'precertificate', issuerKeyHash, tbs }),
          signature: sct.signature,
        });
      if (!verified) {
        throw new SignetError('ERR_SCT_INVALID', `the certificate timestamp of ${log.baseUrl} does not verify`);
      }
      found.set(log.operator, log.baseUrl);
    }
  }
  if (found.size < threshold) {
    throw new SignetError(
      'ERR_SCT_MISSING',
      `the certificate carries timestamps of ${found.size} trusted certificate logs, ${threshold} needed`,
      { expected: String(threshold), found: String(found.size) },
    );
  }
  return [...found.values()];
}
