import {
  importPublicKey,
  type VerificationKey,
  verifySignature,
  verifySignatureByOid,
} from '@signet/primitives/crypto';
import {
  concat,
  der,
  equalBytes,
  isKeyDetails,
  type KeyDetails,
  keyMatchesDetails,
  type LogInstance,
  logKeyId,
  noteKeyId,
  oids,
  type PublicKeyInfo,
  parsePublicKeyInfo,
  SignetError,
  type TimeRange,
  toHex,
  utf8,
} from '@signet/primitives/formats';

/** A transparency log or certificate log whose key is ready for use. */
export class TrustedLog {
  readonly baseUrl: string;
  /** The base URL without its scheme: the name in checkpoints (sigstore_trustroot.proto). */
  readonly name: string;
  readonly logId: Uint8Array;
  readonly key: VerificationKey;
  readonly validFor: TimeRange;
  /** Logs of one operator count once towards a threshold; without a name every log is its own operator. */
  readonly operator: string;
  readonly #algorithm: LogAlgorithm;
  readonly #keyHints: readonly Uint8Array[];

  /** @throws ERR_KEY_UNSUPPORTED for a key of a kind that is not known here, ERR_TRUST_MATERIAL, ERR_DER */
  constructor(instance: LogInstance) {
    const { spki, algorithm } = readLogKey(instance);
    this.baseUrl = instance.baseUrl;
    this.name = instance.baseUrl.replace(/^[a-z][a-z0-9+.-]*:\/\//i, '').replace(/\/+$/, '');
    this.key = importPublicKey(spki);
    const keyId = checkpointKeyId(this.name, this.key.info);
    // Where the trusted root has the first four bytes alone, as checkpoints do, the rest follows from the key.
    const isStart = instance.logId.length === 4 && equalBytes(instance.logId, keyId.subarray(0, 4));
    this.logId = isStart ? keyId : instance.logId;
    this.#algorithm = algorithm;
    this.validFor = instance.validFor;
    this.operator = instance.operator ?? (this.name === '' ? toHex(instance.logId) : this.name);
    const hints = [instance.logId.subarray(0, 4), keyId.subarray(0, 4)];
    if (instance.checkpointKeyId !== undefined) hints.push(instance.checkpointKeyId.subarray(0, 4));
    this.#keyHints = hints;
  }

  /** Whether a signature line with this hint can be of this log. */
  hasKeyHint(hint: Uint8Array): boolean {
    return this.#keyHints.some((known) => equalBytes(known, hint));
  }

  /** Whether the log signed the message: a checkpoint or a promise. */
  hasSigned(message: Uint8Array, signature: Uint8Array): boolean {
    const { key } = this;
    return 'oid' in this.#algorithm
      ? verifySignatureByOid({ key, algorithm: this.#algorithm.oid, message, signature })
      : verifySignature({ key, details: this.#algorithm.details, message, signature });
  }
}

/** The key id of checkpoints that follows from the key (c2sp.org/signed-note; for RSA TransparencyLogInstance in protobuf-specs). */
function checkpointKeyId(name: string, info: PublicKeyInfo): Uint8Array {
  if (info.algorithm === 'ed25519' || info.algorithm === 'ecdsa') return logKeyId(name, info);
  const kind = info.algorithm === 'rsa' ? 'PKIX-RSA-PKCS#1v1.5' : '';
  return noteKeyId(name, 0xff, concat(utf8(kind), info.spki));
}

/** An algorithm of the registry, or one that only X.509 names. */
type LogAlgorithm = { readonly details: KeyDetails } | { readonly oid: string };

/** Kinds of the enum PublicKeyDetails that are deprecated and still stand in trusted roots. */
function deprecatedAlgorithm(keyDetails: string, info: PublicKeyInfo): LogAlgorithm | undefined {
  switch (keyDetails) {
    case 'PKCS1_RSA_PKCS1V5':
    case 'PKIX_RSA_PKCS1V5':
      return info.algorithm === 'rsa' ? { oid: oids.sha256WithRsa } : undefined;
    case 'PKCS1_RSA_PSS':
    case 'PKIX_RSA_PSS': {
      const details = `PKIX_RSA_PSS_${info.modulusBits}_SHA256`;
      return isKeyDetails(details) ? { details } : undefined;
    }
    case 'PKIX_ECDSA_P256_HMAC_SHA_256':
      return info.curve === 'P-256' ? { oid: oids.ecdsaWithSha256 } : undefined;
    case 'PKIX_ECDSA_P384_SHA_256':
      return info.curve === 'P-384' ? { oid: oids.ecdsaWithSha256 } : undefined;
    case 'PKIX_ECDSA_P521_SHA_256':
      return info.curve === 'P-521' ? { oid: oids.ecdsaWithSha256 } : undefined;
    default:
      return undefined;
  }
}

const unknownKinds: ReadonlySet<string> = new Set(['LMS_SHA256', 'LMOTS_SHA256']);

function readLogKey(instance: LogInstance): { spki: Uint8Array; algorithm: LogAlgorithm } {
  const { keyDetails, publicKey, baseUrl } = instance;
  if (unknownKinds.has(keyDetails)) {
    throw new SignetError(
      'ERR_KEY_UNSUPPORTED',
      `the log ${baseUrl} signs with ${keyDetails}, which is not known here`,
      {
        found: keyDetails,
      },
    );
  }
  // PKCS#1 encodes the RSA key alone (RFC 8017 §A.1.1).
  const spki = keyDetails.startsWith('PKCS1_')
    ? der.sequence(der.sequence(der.oid(oids.rsaEncryption), der.null()), der.bitString(publicKey))
    : publicKey;
  const info = parsePublicKeyInfo(spki);
  const deprecated = deprecatedAlgorithm(keyDetails, info);
  if (deprecated !== undefined) return { spki, algorithm: deprecated };
  if (!isKeyDetails(keyDetails) || !keyMatchesDetails(info, keyDetails)) {
    throw new SignetError('ERR_TRUST_MATERIAL', `the key of the log ${baseUrl} is not of the kind ${keyDetails}`, {
      found: keyDetails,
    });
  }
  return { spki, algorithm: { details: keyDetails } };
}
