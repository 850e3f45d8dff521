import { createPublicKey, type KeyObject } from 'node:crypto';
import { type PublicKeyInfo, parsePublicKeyInfo, SignetError, toPem } from '../formats/index.ts';

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
 * @throws ERR_DER, ERR_KEY_UNSUPPORTED: also for a point that is not on its curve
 */
export function importPublicKey(key: Uint8Array | PublicKeyInfo): VerificationKey {
  const info = key instanceof Uint8Array ? parsePublicKeyInfo(key) : key;
  const known = (info as { [imported]?: VerificationKey })[imported];
  if (known !== undefined) return known;
  try {
    // As PEM text: for an object Node first throws and catches an error for each of its own kinds of key.
    const keyObject = createPublicKey(toPem('PUBLIC KEY', info.spki));
    const verificationKey = { info, keyObject };
    if (Object.isExtensible(info)) Object.defineProperty(info, imported, { value: verificationKey });
    return verificationKey;
  } catch (cause) {
    throw new SignetError('ERR_KEY_UNSUPPORTED', `public key: this Node cannot import it (${info.algorithm})`, {
      cause,
    });
  }
}
