import {
  concat,
  type DigestAlgorithm,
  defaultKeyDetails,
  der,
  equalBytes,
  type KeyDetails,
  keyDetailsHash,
  keyMatchesDetails,
  nodeCrypto,
  oids,
  SignetError,
} from '../formats/index.ts';
import { digest, digestLengths } from './digest.ts';
import { verifyEcdsaDigest } from './ecdsa-digest.ts';
import { verifyEd25519phDigest } from './ed25519ph.ts';
import type { VerificationKey } from './public-key.ts';

/** What was signed: the message, or its digest where the message is not at hand. */
export type SignedContent =
  | { readonly message: Uint8Array }
  | { readonly digest: { readonly algorithm: DigestAlgorithm; readonly value: Uint8Array } };

export type SignatureCheck = SignedContent & {
  readonly key: VerificationKey;
  /** The registry's algorithm; by default the one that the key's kind and size name. */
  readonly details?: KeyDetails;
  /** DER for ECDSA, raw for the others. */
  readonly signature: Uint8Array;
};

/**
 * Checks a signature by one algorithm of Sigstore's algorithm registry.
 *
 * @returns whether it verifies; a malformed signature does not
 * @throws ERR_KEY_UNSUPPORTED when `details` is not for this key, or this Node lacks the algorithm;
 *   ERR_DIGEST_UNSUPPORTED when only a digest is given to an algorithm that signs whole messages; ERR_ARTIFACT_DIGEST for one
 *   of another hash than the algorithm's
 */
export function verifySignature(check: SignatureCheck): boolean {
  const { key, signature } = check;
  const details = check.details ?? defaultKeyDetails(key.info);
  if (!keyMatchesDetails(key.info, details)) {
    throw new SignetError('ERR_KEY_UNSUPPORTED', `the algorithm ${details} is not for a key of ${describe(key)}`, {
      expected: details,
      found: describe(key),
    });
  }
  if (signature.length > 8192) return false;
  return 'message' in check
    ? verifyMessage(key, details, check.message, signature)
    : verifyDigest(key, details, check.digest, signature);
}

/**
 * {@link verifySignature} over a whole message on another thread: for a server whose one thread has other requests to answer. A
 * check of P-256 takes a tenth of that thread's time this way.
 *
 * @throws ERR_KEY_UNSUPPORTED as {@link verifySignature}
 */
export async function verifySignatureAside(check: SignatureCheck & { readonly message: Uint8Array }): Promise<boolean> {
  const { key, message, signature } = check;
  const details = check.details ?? defaultKeyDetails(key.info);
  if (signature.length > 8192 || details === 'PKIX_ED25519_PH' || !keyMatchesDetails(key.info, details)) {
    return verifySignature(check);
  }
  return new Promise((resolve, reject) => {
    nodeCrypto().verify(
      keyDetailsHash(details) ?? null,
      message,
      opensslKey(key, details),
      signature,
      (error, holds) => {
        if (error === null) resolve(holds);
        else reject(error);
      },
    );
  });
}

function describe({ info }: VerificationKey): string {
  return info.curve ?? (info.modulusBits === undefined ? info.algorithm : `${info.algorithm}-${info.modulusBits}`);
}

function verifyMessage(key: VerificationKey, details: KeyDetails, message: Uint8Array, signature: Uint8Array): boolean {
  if (details === 'PKIX_ED25519_PH') {
    return verifyEd25519phDigest(key.info.keyBytes, digest('sha512', message), signature);
  }
  return nodeCrypto().verify(keyDetailsHash(details) ?? null, message, opensslKey(key, details), signature);
}

function opensslKey({ keyObject }: VerificationKey, details: KeyDetails) {
  // The bare key: the longer form with dsaEncoding (DER is the default) costs Node a fifth of a P-256 check.
  if (!details.startsWith('PKIX_RSA_PSS')) return keyObject;
  return {
    key: keyObject,
    padding: nodeCrypto().constants.RSA_PKCS1_PSS_PADDING,
    saltLength: nodeCrypto().constants.RSA_PSS_SALTLEN_DIGEST,
  };
}

function verifyDigest(
  key: VerificationKey,
  details: KeyDetails,
  given: { readonly algorithm: DigestAlgorithm; readonly value: Uint8Array },
  signature: Uint8Array,
): boolean {
  const hash = keyDetailsHash(details);
  if (hash === undefined) {
    throw new SignetError(
      'ERR_DIGEST_UNSUPPORTED',
      `${details} signs whole messages, so a digest alone cannot be checked; give the artifact itself`,
    );
  }
  if (given.algorithm !== hash || given.value.length !== digestLengths[hash]) {
    throw new SignetError('ERR_ARTIFACT_DIGEST', `${details} signs a ${hash} digest, found ${given.algorithm}`, {
      expected: hash,
      found: given.algorithm,
    });
  }
  const { info } = key;
  if (details === 'PKIX_ED25519_PH') return verifyEd25519phDigest(info.keyBytes, given.value, signature);
  if (details.startsWith('PKIX_RSA_PSS')) return verifyPssDigest(key, hash, given.value, signature);
  if (info.algorithm === 'rsa') return verifyPkcs1Digest(key, hash, given.value, signature);
  if (info.curve === undefined) throw new SignetError('ERR_KEY_UNSUPPORTED', `no digest check for ${details}`);
  return verifyEcdsaDigest(info.curve, info.keyBytes, given.value, signature);
}

const digestOids: Readonly<Record<DigestAlgorithm, string>> = {
  sha1: oids.sha1,
  sha256: oids.sha256,
  sha384: oids.sha384,
  sha512: oids.sha512,
};

/** RSASSA-PKCS1-v1_5 (RFC 8017 §8.2.2): the padding block must be exactly the one that EMSA-PKCS1-v1_5 builds. */
function verifyPkcs1Digest(
  key: VerificationKey,
  hash: DigestAlgorithm,
  value: Uint8Array,
  signature: Uint8Array,
): boolean {
  const block = rawRsa(key, signature);
  if (block === undefined) return false;
  const info = der.sequence(der.sequence(der.oid(digestOids[hash]), der.null()), der.octetString(value));
  const padding = new Uint8Array(block.length - info.length - 3).fill(0xff);
  return equalBytes(block, concat(new Uint8Array([0, 1]), padding, new Uint8Array([0]), info));
}

/** RSASSA-PSS with MGF1 of the same hash and a salt of the hash's length (RFC 8017 §9.1.2). */
function verifyPssDigest(
  key: VerificationKey,
  hash: DigestAlgorithm,
  value: Uint8Array,
  signature: Uint8Array,
): boolean {
  const block = rawRsa(key, signature);
  const hashLength = digestLengths[hash];
  if (block === undefined || block.at(-1) !== 0xbc) return false;
  const maskedLength = block.length - hashLength - 1;
  const masked = block.subarray(0, maskedLength);
  const expected = block.subarray(maskedLength, maskedLength + hashLength);
  // The modulus has a whole number of bytes here, so emBits is 8·length − 1 and one leading bit must be clear.
  if ((masked[0] ?? 0x80) >= 0x80) return false;
  const mask = maskGeneration(hash, expected, maskedLength);
  const data = masked.map((byte, index) => byte ^ (mask[index] ?? 0));
  data[0] = (data[0] ?? 0) & 0x7f;
  const saltStart = maskedLength - hashLength;
  if (data[saltStart - 1] !== 1 || data.subarray(0, saltStart - 1).some((byte) => byte !== 0)) return false;
  return equalBytes(digest(hash, new Uint8Array(8), value, data.subarray(saltStart)), expected);
}

function maskGeneration(hash: DigestAlgorithm, seed: Uint8Array, length: number): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (let counter = 0; counter * digestLengths[hash] < length; counter++) {
    blocks.push(digest(hash, seed, new Uint8Array([0, 0, counter >> 8, counter & 0xff])));
  }
  return concat(...blocks).subarray(0, length);
}

function rawRsa(key: VerificationKey, signature: Uint8Array): Uint8Array | undefined {
  if (signature.length * 8 !== key.info.modulusBits) return undefined;
  try {
    return nodeCrypto().publicDecrypt(
      { key: key.keyObject, padding: nodeCrypto().constants.RSA_NO_PADDING },
      signature,
    );
  } catch {
    // A number not below the modulus is no signature.
    return undefined;
  }
}
