import { parseDer, tags } from './der.ts';
import { SignetError } from './errors.ts';
import { oids } from './oids.ts';

export type EcCurve = 'P-256' | 'P-384' | 'P-521';
export type DigestAlgorithm = 'sha1' | 'sha256' | 'sha384' | 'sha512';

/** A public key as SubjectPublicKeyInfo (RFC 5280 §4.1.2.7), read once. */
export interface PublicKeyInfo {
  /** The DER of the whole structure, as it was given. */
  readonly spki: Uint8Array;
  readonly algorithm: 'ecdsa' | 'rsa' | 'ed25519' | 'ml-dsa-44' | 'ml-dsa-65' | 'ml-dsa-87';
  /** Only with `ecdsa`. */
  readonly curve?: EcCurve;
  /** Only with `rsa`. */
  readonly modulusBits?: number;
  /** Only with `rsa`. */
  readonly publicExponent?: bigint;
  /** Contents of the BIT STRING: the point, the RSAPublicKey or the raw key. */
  readonly keyBytes: Uint8Array;
}

/** Names of the enum PublicKeyDetails in Sigstore's protobuf-specs with the hash that each one signs over. */
export const keyDetailsHashes = {
  PKIX_ECDSA_P256_SHA_256: 'sha256',
  PKIX_ECDSA_P384_SHA_384: 'sha384',
  PKIX_ECDSA_P521_SHA_512: 'sha512',
  PKIX_RSA_PKCS1V15_2048_SHA256: 'sha256',
  PKIX_RSA_PKCS1V15_3072_SHA256: 'sha256',
  PKIX_RSA_PKCS1V15_4096_SHA256: 'sha256',
  PKIX_RSA_PSS_2048_SHA256: 'sha256',
  PKIX_RSA_PSS_3072_SHA256: 'sha256',
  PKIX_RSA_PSS_4096_SHA256: 'sha256',
  PKIX_ED25519: undefined,
  PKIX_ED25519_PH: 'sha512',
  ML_DSA_44: undefined,
  ML_DSA_65: undefined,
  ML_DSA_87: undefined,
} as const;

/** A signature algorithm of Sigstore's algorithm registry. */
export type KeyDetails = keyof typeof keyDetailsHashes;

/** The hash that signatures of `details` are made over; undefined where the whole message is signed. */
export function keyDetailsHash(details: KeyDetails): DigestAlgorithm | undefined {
  return keyDetailsHashes[details];
}

export function isKeyDetails(name: string): name is KeyDetails {
  return Object.hasOwn(keyDetailsHashes, name);
}

function unsupported(problem: string, expected: string): SignetError {
  return new SignetError('ERR_KEY_UNSUPPORTED', `public key: ${problem}; expected ${expected}`, { expected });
}

const curves: Readonly<Record<string, { curve: EcCurve; pointLength: number }>> = {
  [oids.p256]: { curve: 'P-256', pointLength: 65 },
  [oids.p384]: { curve: 'P-384', pointLength: 97 },
  [oids.p521]: { curve: 'P-521', pointLength: 133 },
};

const rawKeys: Readonly<Record<string, { algorithm: PublicKeyInfo['algorithm']; length: number }>> = {
  [oids.ed25519]: { algorithm: 'ed25519', length: 32 },
  [oids.mlDsa44]: { algorithm: 'ml-dsa-44', length: 1312 },
  [oids.mlDsa65]: { algorithm: 'ml-dsa-65', length: 1952 },
  [oids.mlDsa87]: { algorithm: 'ml-dsa-87', length: 2592 },
};

/** What the key of nearly every signer begins with, up to the 04 of its point; DER has no other way to write it (RFC 5480 §2). */
const p256Start = Uint8Array.of(
  ...[0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01],
  ...[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04],
);

function isP256(spki: Uint8Array): boolean {
  if (spki.length !== p256Start.length + 64) return false;
  for (let at = 0; at < p256Start.length; at++) if (spki[at] !== p256Start[at]) return false;
  return true;
}

/**
 * Reads a SubjectPublicKeyInfo. Elliptic curve keys must be on a named curve and uncompressed (RFC 5480 §2).
 *
 * @param spki DER
 * @throws ERR_DER, ERR_KEY_UNSUPPORTED
 */
export function parsePublicKeyInfo(spki: Uint8Array): PublicKeyInfo {
  if (spki.length > 16 * 1024) throw new SignetError('ERR_INPUT_TOO_LARGE', 'public key is longer than 16 KiB');
  if (isP256(spki)) return { spki, algorithm: 'ecdsa', curve: 'P-256', keyBytes: spki.subarray(p256Start.length - 1) };
  const [algorithmNode, keyNode, ...rest] = parseDer(spki, 'public key').sequence();
  if (algorithmNode === undefined || keyNode === undefined || rest.length > 0) {
    throw new SignetError('ERR_DER', 'public key: expected an algorithm and a BIT STRING');
  }
  const [oidNode, parameters, ...more] = algorithmNode.sequence();
  if (oidNode === undefined || more.length > 0) throw new SignetError('ERR_DER', 'public key: algorithm is malformed');
  const oid = oidNode.oid();
  const keyBytes = keyNode.bitString();

  if (oid === oids.ecPublicKey) {
    const known = parameters?.tag === tags.oid ? curves[parameters.oid()] : undefined;
    if (known === undefined) throw unsupported('its curve is not accepted', 'the named curve P-256, P-384 or P-521');
    if (keyBytes.length !== known.pointLength || keyBytes[0] !== 0x04) {
      throw unsupported('its point is not uncompressed', `${known.pointLength} bytes that begin with 04`);
    }
    return { spki, algorithm: 'ecdsa', curve: known.curve, keyBytes };
  }
  if (oid === oids.rsaEncryption) {
    if (parameters !== undefined && parameters.tag !== tags.null) throw unsupported('RSA parameters', 'NULL');
    const [modulus, exponent, ...extra] = parseDer(keyBytes, 'RSA public key').sequence();
    if (modulus === undefined || exponent === undefined || extra.length > 0) {
      throw new SignetError('ERR_DER', 'RSA public key: expected modulus and exponent');
    }
    const [modulusValue, publicExponent] = [modulus.integer(), exponent.integer()];
    if (modulusValue <= 0n || publicExponent <= 0n) throw unsupported('RSA numbers are negative', 'positive numbers');
    return { spki, algorithm: 'rsa', modulusBits: modulusValue.toString(2).length, publicExponent, keyBytes };
  }
  const raw = rawKeys[oid];
  if (raw === undefined) throw unsupported(`its algorithm ${oid} is not known`, 'ECDSA, RSA, Ed25519 or ML-DSA');
  if (parameters !== undefined) throw unsupported('it has algorithm parameters', 'none');
  if (keyBytes.length !== raw.length) throw unsupported(`it has ${keyBytes.length} bytes`, `${raw.length} bytes`);
  return { spki, algorithm: raw.algorithm, keyBytes };
}

/**
 * The registry's algorithm for a key when nothing else names one: the curve's own hash, PKCS#1 v1.5 with SHA-256 for
 * RSA, pure Ed25519, ML-DSA.
 *
 * @throws ERR_KEY_UNSUPPORTED for an RSA key that is not of 2048, 3072 or 4096 bits
 */
export function defaultKeyDetails(key: PublicKeyInfo): KeyDetails {
  switch (key.algorithm) {
    case 'ecdsa':
      if (key.curve === 'P-256') return 'PKIX_ECDSA_P256_SHA_256';
      return key.curve === 'P-384' ? 'PKIX_ECDSA_P384_SHA_384' : 'PKIX_ECDSA_P521_SHA_512';
    case 'rsa':
      if (key.modulusBits === 2048) return 'PKIX_RSA_PKCS1V15_2048_SHA256';
      if (key.modulusBits === 3072) return 'PKIX_RSA_PKCS1V15_3072_SHA256';
      if (key.modulusBits === 4096) return 'PKIX_RSA_PKCS1V15_4096_SHA256';
      throw unsupported(`it is an RSA key of ${key.modulusBits} bits`, '2048, 3072 or 4096 bits');
    case 'ed25519':
      return 'PKIX_ED25519';
    case 'ml-dsa-44':
      return 'ML_DSA_44';
    case 'ml-dsa-65':
      return 'ML_DSA_65';
    case 'ml-dsa-87':
      return 'ML_DSA_87';
  }
}

/** Whether signatures of the algorithm `details` can be made by keys of this kind and size. */
export function keyMatchesDetails(key: PublicKeyInfo, details: KeyDetails): boolean {
  if (key.algorithm === 'rsa') {
    const match = /^PKIX_RSA_(?:PKCS1V15|PSS)_(\d+)_SHA256$/.exec(details);
    return match !== null && Number(match[1]) === key.modulusBits;
  }
  if (key.algorithm === 'ed25519') return details === 'PKIX_ED25519' || details === 'PKIX_ED25519_PH';
  return defaultKeyDetails(key) === details;
}
