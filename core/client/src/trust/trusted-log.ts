import { importPublicKey, type VerificationKey } from '@signet/primitives/crypto';
import {
  defaultKeyDetails,
  der,
  equalBytes,
  isKeyDetails,
  type KeyDetails,
  keyMatchesDetails,
  type LogInstance,
  logKeyId,
  oids,
  parsePublicKeyInfo,
  SignetError,
  type TimeRange,
} from '@signet/primitives/formats';

/** A transparency log or certificate log whose key is ready for use. */
export class TrustedLog {
  readonly baseUrl: string;
  /** The base URL without its scheme: the name in checkpoints (sigstore_trustroot.proto). */
  readonly name: string;
  readonly logId: Uint8Array;
  readonly key: VerificationKey;
  readonly keyDetails: KeyDetails;
  readonly validFor: TimeRange;
  /** Logs of one operator count once towards a threshold; without a name every log is its own operator. */
  readonly operator: string;
  readonly #keyHints: readonly Uint8Array[];

  constructor(instance: LogInstance) {
    const { spki, details } = readLogKey(instance);
    this.baseUrl = instance.baseUrl;
    this.name = instance.baseUrl.replace(/^[a-z][a-z0-9+.-]*:\/\//i, '').replace(/\/+$/, '');
    this.logId = instance.logId;
    this.key = importPublicKey(spki);
    this.keyDetails = details ?? defaultKeyDetails(this.key.info);
    this.validFor = instance.validFor;
    this.operator = instance.operator ?? this.name;
    const hints = [instance.logId.subarray(0, 4)];
    if (instance.checkpointKeyId !== undefined) hints.push(instance.checkpointKeyId.subarray(0, 4));
    if (this.key.info.algorithm === 'ed25519') hints.push(logKeyId(this.name, this.key.info).subarray(0, 4));
    this.#keyHints = hints;
  }

  /** Whether a signature line with this hint can be of this log. */
  hasKeyHint(hint: Uint8Array): boolean {
    return this.#keyHints.some((known) => equalBytes(known, hint));
  }
}

/** Names of the enum PublicKeyDetails that are deprecated and still stand in trusted roots. */
const deprecatedDetails = new Set(['PKIX_RSA_PKCS1V5', 'PKCS1_RSA_PKCS1V5']);

function readLogKey(instance: LogInstance): { spki: Uint8Array; details: KeyDetails | undefined } {
  const { keyDetails, publicKey, baseUrl } = instance;
  if (deprecatedDetails.has(keyDetails)) {
    // PKCS#1 encodes the RSA key alone (RFC 8017 §A.1.1).
    const algorithm = der.sequence(der.oid(oids.rsaEncryption), der.null());
    const spki = keyDetails.startsWith('PKIX') ? publicKey : der.sequence(algorithm, der.bitString(publicKey));
    return { spki, details: undefined };
  }
  const info = parsePublicKeyInfo(publicKey);
  if (!isKeyDetails(keyDetails) || !keyMatchesDetails(info, keyDetails)) {
    throw new SignetError('ERR_TRUST_MATERIAL', `the key of the log ${baseUrl} is not of the kind ${keyDetails}`, {
      found: keyDetails,
    });
  }
  return { spki: publicKey, details: keyDetails };
}
