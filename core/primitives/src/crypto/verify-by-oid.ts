import { type DigestAlgorithm, nodeCrypto, oids, SignetError } from '../formats/index.ts';
import { digestLengths } from './digest.ts';
import { verifyEcdsaDigest } from './ecdsa-digest.ts';
import type { VerificationKey } from './public-key.ts';

interface Algorithm {
  readonly kind: 'ecdsa' | 'rsa' | 'raw';
  readonly hash?: DigestAlgorithm;
}

const algorithms: Readonly<Record<string, Algorithm>> = {
  [oids.ecdsaWithSha256]: { kind: 'ecdsa', hash: 'sha256' },
  [oids.ecdsaWithSha384]: { kind: 'ecdsa', hash: 'sha384' },
  [oids.ecdsaWithSha512]: { kind: 'ecdsa', hash: 'sha512' },
  [oids.sha256WithRsa]: { kind: 'rsa', hash: 'sha256' },
  [oids.sha384WithRsa]: { kind: 'rsa', hash: 'sha384' },
  [oids.sha512WithRsa]: { kind: 'rsa', hash: 'sha512' },
  // CMS may name the key's algorithm alone; the hash is then that of the digest algorithm (RFC 5754 §3).
  [oids.rsaEncryption]: { kind: 'rsa' },
  [oids.ecPublicKey]: { kind: 'ecdsa' },
  [oids.ed25519]: { kind: 'raw' },
  [oids.mlDsa44]: { kind: 'raw' },
  [oids.mlDsa65]: { kind: 'raw' },
  [oids.mlDsa87]: { kind: 'raw' },
};

export interface SignatureByOid {
  readonly key: VerificationKey;
  /** Dotted OID of the signature algorithm. */
  readonly algorithm: string;
  /** The digest algorithm named beside it, in CMS. */
  readonly digestAlgorithm?: DigestAlgorithm;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * Checks a signature whose algorithm is named by an OID, as in certificates and CMS. There a P-384 key may sign
 * SHA-256, which the algorithm registry does not list. SHA-1 is never accepted.
 *
 * @throws ERR_KEY_UNSUPPORTED when the algorithm is unknown or not for this key
 */
export function verifySignatureByOid(check: SignatureByOid): boolean {
  const { key, message, signature } = check;
  const algorithm = algorithms[check.algorithm];
  const keyKind = key.info.algorithm === 'ecdsa' || key.info.algorithm === 'rsa' ? key.info.algorithm : 'raw';
  if (algorithm === undefined || algorithm.kind !== keyKind) {
    throw new SignetError(
      'ERR_KEY_UNSUPPORTED',
      `signature algorithm ${check.algorithm} is unknown or not for a key of ${key.info.algorithm}`,
      { found: check.algorithm },
    );
  }
  if (algorithm.kind === 'raw') return nodeCrypto().verify(null, message, key.keyObject, signature);
  const hash = algorithm.hash ?? check.digestAlgorithm;
  if (hash === undefined || hash === 'sha1') {
    throw new SignetError('ERR_KEY_UNSUPPORTED', `signature algorithm ${check.algorithm} names no accepted hash`);
  }
  if (algorithm.kind === 'rsa' && (key.info.modulusBits ?? 0) < 2048) {
    throw new SignetError('ERR_KEY_UNSUPPORTED', `an RSA key of ${key.info.modulusBits} bits is too short`, {
      expected: '2048 bits or more',
    });
  }
  return nodeCrypto().verify(hash, message, key.keyObject, signature);
}

/**
 * Checks an ECDSA signature over a digest of any accepted hash, where the message is not at hand: older signers used SHA-256
 * with every curve. A digest longer than the curve's order is cut, a shorter one taken as it is (FIPS 186-5 §6.4.2).
 *
 * @throws ERR_ARTIFACT_DIGEST for SHA-1, a digest of another length, or a key that is not of ECDSA
 */
export function verifyEcdsaDigestOf(
  key: VerificationKey,
  digest: { readonly algorithm: DigestAlgorithm; readonly value: Uint8Array },
  signature: Uint8Array,
): boolean {
  const { curve, keyBytes, algorithm } = key.info;
  if (curve === undefined || digest.algorithm === 'sha1' || digest.value.length !== digestLengths[digest.algorithm]) {
    throw new SignetError(
      'ERR_ARTIFACT_DIGEST',
      `a ${digest.algorithm} digest of ${digest.value.length} bytes is not signed by ${algorithm}`,
    );
  }
  return verifyEcdsaDigest(curve, keyBytes, digest.value, signature);
}
