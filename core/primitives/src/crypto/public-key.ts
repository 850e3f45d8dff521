import { createPublicKey, type KeyObject } from 'node:crypto';
import { type PublicKeyInfo, parsePublicKeyInfo, SignetError } from '../formats/index.ts';

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
    const keyObject = createPublicKey({ key: Buffer.from(info.spki), format: 'der', type: 'spki' });
    const verificationKey = { info, keyObject };
    if (Object.isExtensible(info)) Object.defineProperty(info, imported, { value: verificationKey });
    return verificationKey;
  } catch (cause) {
    throw new SignetError('ERR_KEY_UNSUPPORTED', `public key: this Node cannot import it (${info.algorithm})`, {
      cause,
    });
  }
}
