import { createHash } from 'node:crypto';
import { equalBytes, fromBase64, SignetError, toBase64 } from '@signet/primitives/basics';

const oneSha512 = /^sha512-[A-Za-z0-9+/]{86}==$/;
/** Sixty-four bytes leave the last digit before the padding four bits that belong to no byte, which must be zero (RFC 4648 §3.5). */
const canonical = /^sha512-[A-Za-z0-9+/]{85}[AQgw]==$/;

/**
 * The sha512 digest of an integrity value (Subresource Integrity) that consists of exactly one sha512 hash.
 *
 * npm accepts a tarball that has any one of the hashes listed, while attestations are compared with the first; two hashes would
 * let verified and installed bytes differ. So a list, another algorithm, options (`?…`) and surrounding space are refused.
 *
 * @returns 64 bytes
 * @throws ERR_INTEGRITY_FORMAT
 */
export function parseIntegrity(integrity: string): Uint8Array {
  if (!oneSha512.test(integrity)) throw integrityError(integrity);
  try {
    return fromBase64(integrity.slice('sha512-'.length), 'integrity');
  } catch (cause) {
    // The last digit before the padding may carry bits that belong to no byte.
    throw integrityError(integrity, cause);
  }
}

/** Whether {@link parseIntegrity} would take it. */
export function isIntegrity(integrity: string): boolean {
  return canonical.test(integrity);
}

/** The integrity value of bytes: `sha512-` and padded base64. */
export function sha512Integrity(bytes: Uint8Array): string {
  return `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
}

/** The integrity value of a sha512 digest of 64 bytes. */
export function integrityOfDigest(digest: Uint8Array): string {
  return `sha512-${toBase64(digest)}`;
}

/**
 * Checks that `bytes` have `integrity`.
 *
 * @param what names the bytes in the error
 * @throws ERR_INTEGRITY_FORMAT, ERR_INTEGRITY_MISMATCH
 */
export function assertIntegrity(bytes: Uint8Array, integrity: string, what: string): void {
  const expected = parseIntegrity(integrity);
  const found = createHash('sha512').update(bytes).digest();
  if (!equalBytes(expected, found)) {
    throw new SignetError('ERR_INTEGRITY_MISMATCH', `${what} has another sha512 than expected; do not use it`, {
      expected: integrity,
      found: integrityOfDigest(found),
    });
  }
}

function integrityError(found: string, cause?: unknown): SignetError {
  const hashes = found.trim().split(/\s+/).length;
  const reason =
    hashes > 1 ? `${hashes} hashes are given, and npm would accept bytes that have any one of them` : 'it is not one';
  return new SignetError('ERR_INTEGRITY_FORMAT', `integrity must be exactly one sha512 hash; ${reason}`, {
    expected: 'sha512- and 88 characters of base64',
    found: found.slice(0, 300),
    cause,
  });
}
