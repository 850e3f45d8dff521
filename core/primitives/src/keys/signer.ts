import type { KeyDetails, PublicKeyInfo } from '../formats/index.ts';

/**
 * Something that signs with one private key, wherever that key is: in memory, in a file, in a device. The private key
 * itself cannot be reached through it.
 */
export interface Signer {
  readonly publicKey: PublicKeyInfo;
  /** The registry's algorithm that `sign` uses. */
  readonly keyDetails: KeyDetails;
  /**
   * @param message the whole message; hashing is the signer's
   * @returns DER for ECDSA, raw bytes for the others
   */
  sign(message: Uint8Array): Promise<Uint8Array>;
}
