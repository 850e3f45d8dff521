import { importPublicKey, type SignedContent, verifySignature } from '../crypto/index.ts';
import { der, type KeyDetails, type PublicKeyInfo, SignetError } from '../formats/index.ts';

/** The error of a signer that is not in this process. */
export function signerFailure(name: string, problem: string, cause?: unknown): SignetError {
  return new SignetError('ERR_KEY_SIGNER', `the signer ${name} ${problem}`, { cause });
}

/**
 * Lets a signature from outside this process pass only if it verifies: a wrong one would be found by every client instead.
 *
 * @throws ERR_KEY_SIGNER
 */
export function checkedSignature(
  name: string,
  key: { readonly publicKey: PublicKeyInfo; readonly keyDetails: KeyDetails },
  content: SignedContent,
  signature: Uint8Array,
): Uint8Array {
  let verified = false;
  try {
    const check = { key: importPublicKey(key.publicKey), details: key.keyDetails, signature };
    verified = verifySignature({ ...check, ...content });
  } catch (cause) {
    throw signerFailure(name, 'gave something that is no signature', cause);
  }
  if (!verified) throw signerFailure(name, 'gave a signature that does not verify with its public key');
  return signature;
}

/** ECDSA as devices give it, r and s of equal length one after the other (IEEE P1363), in the DER of everybody else. */
export function ecdsaFromRaw(raw: Uint8Array): Uint8Array {
  const half = raw.length / 2;
  const integer = (bytes: Uint8Array) => der.integer(BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`));
  return der.sequence(integer(raw.subarray(0, Math.floor(half))), integer(raw.subarray(Math.floor(half))));
}
