import type { KeyObject } from 'node:crypto';
import { nodeCrypto, type PublicKeyInfo, parsePublicKeyInfo, SignetError, toPem } from '../formats/index.ts';
import { isOnCurve } from './ecdsa-digest.ts';

/** A public key ready for checking signatures. */
export interface VerificationKey {
  readonly info: PublicKeyInfo;
  readonly keyObject: KeyObject;
}

/**
 * Where a key is kept that was imported before. Not a WeakMap: with one entry for every certificate that comes by, the
 * garbage collector spends more on the table than OpenSSL on importing the keys.
 */
const imported = Symbol('imported key');

/**
 * Imports a public key. The same {@link PublicKeyInfo} value is imported once.
 *
 * @param key DER of SubjectPublicKeyInfo, or what was read from it
 * @param use `messages` where it is known that whole messages will be checked: then OpenSSL's object is made at once
 * @throws ERR_DER, ERR_KEY_UNSUPPORTED: also for a point that is not on its curve
 */
export function importPublicKey(key: Uint8Array | PublicKeyInfo, use?: 'messages'): VerificationKey {
  const info = key instanceof Uint8Array ? parsePublicKeyInfo(key) : key;
  const known = (info as { [imported]?: VerificationKey })[imported];
  if (known !== undefined) return known;
  const verificationKey = new ImportedKey(info, use === 'messages');
  if (Object.isExtensible(info)) Object.defineProperty(info, imported, { value: verificationKey });
  return verificationKey;
}

/**
 * OpenSSL's object costs more than all else about a key and a check over a digest needs none: an elliptic curve's point is
 * checked at once, and the object is made when somebody asks. Other kinds have nothing that can be checked otherwise.
 */
class ImportedKey implements VerificationKey {
  readonly info: PublicKeyInfo;
  #keyObject: KeyObject | undefined;

  constructor(info: PublicKeyInfo, isForMessages: boolean) {
    this.info = info;
    // OpenSSL checks the point as well, when it reads the key.
    if (info.curve === undefined || isForMessages) this.#keyObject = openSslKey(info);
    else if (!isOnCurve(info.curve, info.keyBytes)) throw unusable(info, 'its point is not on the curve');
  }

  get keyObject(): KeyObject {
    this.#keyObject ??= openSslKey(this.info);
    return this.#keyObject;
  }
}

function openSslKey(info: PublicKeyInfo): KeyObject {
  try {
    // As PEM text: for an object Node first throws and catches an error for each of its own kinds of key.
    return nodeCrypto().createPublicKey(toPem('PUBLIC KEY', info.spki));
  } catch (cause) {
    throw unusable(info, `this Node cannot import it (${info.algorithm})`, cause);
  }
}

function unusable(info: PublicKeyInfo, reason: string, cause?: unknown): SignetError {
  return new SignetError('ERR_KEY_UNSUPPORTED', `public key: ${reason}`, {
    found: info.algorithm,
    ...(cause === undefined ? {} : { cause }),
  });
}
