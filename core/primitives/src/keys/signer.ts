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
  /**
   * Signs what is too large to be held whole, in constant memory. Absent where the algorithm, or who holds the key, needs the
   * whole message.
   *
   * @returns the signature, and the message's digest by the hash of {@link Signer.keyDetails}
   */
  signStream?(
    message: AsyncIterable<Uint8Array>,
  ): Promise<{ readonly signature: Uint8Array; readonly digest: Uint8Array }>;
}
