import { digest, type VerificationKey, verifySignatureAside } from '@signet/primitives/crypto';
import { equalBytes, type SignedCertificateTimestamp, SignetError, sctSignedData } from '@signet/primitives/formats';

/** A certificate transparency log, as far as an authority needs one (RFC 6962 §4.2). */
export interface PrecertificateLog {
  /**
   * @param chain DER: precertificate, issuing certificate, … root
   * @returns the log's promise for the certificate to come
   */
  addPreChain(chain: readonly Uint8Array[]): Promise<SignedCertificateTimestamp>;
}

const sha256 = 4;
const ecdsa = 3;
const rsa = 1;
const maxClockDifferenceMilliseconds = 5 * 60_000;

/**
 * Checks an SCT before it is embedded: a certificate with a bad one is refused by every client as a whole
 * (notes/ca.md P2).
 *
 * @param sct what the log answered
 * @param expected what it was asked for, and the log's key
 * @throws ERR_CT_LOG
 */
export async function checkSct(
  sct: SignedCertificateTimestamp,
  expected: {
    readonly logKey: VerificationKey;
    readonly issuerKeyHash: Uint8Array;
    readonly tbs: Uint8Array;
    readonly now: Date;
  },
): Promise<void> {
  const { logKey } = expected;
  if (!equalBytes(sct.logId, digest('sha256', logKey.info.spki))) throw refuse('the SCT is of another log');
  const algorithm = logKey.info.algorithm === 'rsa' ? rsa : ecdsa;
  if (sct.hashAlgorithm !== sha256 || sct.signatureAlgorithm !== algorithm) {
    throw refuse("the SCT's algorithm is not the one of the log's key with SHA-256 (RFC 6962 §2.1.4)");
  }
  const difference = Math.abs(sct.timestamp.getTime() - expected.now.getTime());
  if (difference > maxClockDifferenceMilliseconds) {
    throw refuse(`the SCT's time ${sct.timestamp.toISOString()} is more than five minutes away from this clock`);
  }
  const message = sctSignedData(sct, {
    type: 'precertificate',
    issuerKeyHash: expected.issuerKeyHash,
    tbs: expected.tbs,
  });
  if (!(await verifySignatureAside({ key: logKey, message, signature: sct.signature }))) {
    throw refuse("the SCT's signature is not one of the log over this certificate");
  }
}

function refuse(problem: string): SignetError {
  return new SignetError('ERR_CT_LOG', `The certificate log's answer cannot be used: ${problem}.`);
}
