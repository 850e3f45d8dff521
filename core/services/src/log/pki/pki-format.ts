import { SignetError } from '@signet/primitives/formats';
import type { SearchTerm } from '../search/search-keys.ts';

/**
 * A way in which people publish keys and make detached signatures. One of these is all that a log needs to know of it; a
 * third party writes another without touching the log.
 */
export interface PkiFormat {
  /** As entries name it, for example `pgp`. */
  readonly name: string;
  /**
   * Reads a public key in any form that its own tools write.
   *
   * @throws ERR_LOG_SIGNATURE when these bytes are none
   */
  readPublicKey(bytes: Uint8Array): PkiPublicKey;
}

/** A public key whose form has been checked. Whether it can be trusted is no question for a log. */
export interface PkiPublicKey {
  /** The one form of this key that goes into the log, byte for byte as Rekor writes it. */
  readonly canonical: Uint8Array;
  /** What entries with this key are found by. They follow from the canonical form alone. */
  readonly searchTerms: readonly SearchTerm[];
  /**
   * Checks a detached signature over a whole message.
   *
   * @param signature as the submitter sent it
   * @returns the signature's canonical form
   * @throws ERR_LOG_SIGNATURE when it does not verify
   */
  verify(signature: Uint8Array, message: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/** An entry that cannot be logged because of its key or signature. */
export function signatureError(reason: string, cause?: unknown): SignetError {
  return new SignetError('ERR_LOG_SIGNATURE', `invalid entry: ${reason}`, { cause });
}

/** What is wrong with a key or a signature is the submitter's to know, under one code. */
export function checked<Value>(what: string, read: () => Value): Value {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof SignetError) || cause.code === 'ERR_LOG_SIGNATURE') throw cause;
    throw signatureError(`${what}: ${cause.message}`, cause);
  }
}
