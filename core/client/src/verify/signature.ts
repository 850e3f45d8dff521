import {
  importPublicKey,
  type VerificationKey,
  verifyEcdsaDigestOf,
  verifySignature,
  verifySignatureByOid,
} from '@signet/primitives/crypto';
import { defaultKeyDetails, type KeyDetails, keyDetailsHash, oids, SignetError } from '@signet/primitives/formats';
import type { Artifact } from './artifact.ts';
import type { EntryAlgorithm } from './entry-content.ts';

/**
 * Verifies the signature over an envelope's pre-authentication encoding (client-spec §4.5).
 *
 * @throws ERR_SIGNATURE, ERR_KEY_UNSUPPORTED
 */
export function verifyEnvelopeSignature(
  encoding: Uint8Array,
  signature: Uint8Array,
  key: VerificationKey,
  algorithm: EntryAlgorithm & { readonly expected?: KeyDetails | undefined },
): void {
  const details = detailsFor(key, algorithm);
  if (isShortenedHash(key, details, algorithm)) {
    if (verifySha256(key, encoding, signature)) return;
  } else if (verifySignature({ key, details, message: encoding, signature })) {
    return;
  }
  throw new SignetError('ERR_SIGNATURE', 'the signature of the envelope does not verify with the key of its signer');
}

/**
 * Verifies the signature over a message, from its bytes where they are there and else from its digest.
 *
 * @throws ERR_SIGNATURE, ERR_KEY_UNSUPPORTED, ERR_DIGEST_UNSUPPORTED, ERR_ARTIFACT_DIGEST
 */
export function verifyMessageSignature(
  artifact: Artifact,
  signature: Uint8Array,
  key: VerificationKey,
  algorithm: EntryAlgorithm & { readonly expected?: KeyDetails | undefined },
): void {
  const details = detailsFor(key, algorithm);
  const { bytes } = artifact;
  const isShortened = isShortenedHash(key, details, algorithm);
  let verified: boolean;
  if (bytes !== undefined) {
    verified = isShortened
      ? verifySha256(key, bytes, signature)
      : verifySignature({ key, details, message: bytes, signature });
  } else {
    const hash = isShortened ? 'sha256' : keyDetailsHash(details);
    if (hash === undefined) {
      throw new SignetError(
        'ERR_DIGEST_UNSUPPORTED',
        `${details} signs whole messages, so a digest alone cannot be checked; give the artifact itself`,
      );
    }
    const digest = { algorithm: hash, value: artifact.requireDigest(hash, 'checking the signature') };
    verified = isShortened
      ? verifyEcdsaDigestOf(key, digest, signature)
      : verifySignature({ key, details, digest, signature });
  }
  if (!verified) {
    throw new SignetError('ERR_SIGNATURE', 'the signature of the artifact does not verify with the key of its signer');
  }
}

/**
 * The signature algorithm: the caller's where a key is expected, else the log's (Rekor v2 names it), else the key's own.
 * A hashedrekord entry of v1 over SHA-512 with an Ed25519 key is Ed25519ph: Rekor itself only saw the digest.
 */
function detailsFor(
  key: VerificationKey,
  algorithm: EntryAlgorithm & { readonly expected?: KeyDetails | undefined },
): KeyDetails {
  const { expected, keyDetails } = algorithm;
  if (expected !== undefined && keyDetails !== undefined && expected !== keyDetails) {
    throw new SignetError('ERR_KEY_MISMATCH', 'the log entry names another signature algorithm than the expected key', {
      expected,
      found: keyDetails,
    });
  }
  const given = expected ?? keyDetails;
  if (given !== undefined) return given;
  if (key.info.algorithm === 'ed25519' && algorithm.hash === 'sha512') return 'PKIX_ED25519_PH';
  return defaultKeyDetails(key.info);
}

/**
 * Older clients signed SHA-256 digests with P-384 and P-521 keys (PKIX_ECDSA_P384_SHA_256, deprecated); only Rekor v1
 * entries tell.
 */
function isShortenedHash(key: VerificationKey, details: KeyDetails, algorithm: EntryAlgorithm): boolean {
  return key.info.algorithm === 'ecdsa' && algorithm.hash === 'sha256' && keyDetailsHash(details) !== 'sha256';
}

function verifySha256(key: VerificationKey, message: Uint8Array, signature: Uint8Array): boolean {
  return verifySignatureByOid({ key, algorithm: oids.ecdsaWithSha256, message, signature });
}

/** Imports whatever form of a key the caller gave. */
export function importExpectedKey(publicKey: Parameters<typeof importPublicKey>[0] | VerificationKey): VerificationKey {
  return 'keyObject' in publicKey ? publicKey : importPublicKey(publicKey);
}
