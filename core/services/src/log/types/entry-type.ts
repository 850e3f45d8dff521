import { fromBase64, type JsonObject, SignetError } from '@signet/primitives/formats';
import type { PkiPublicKey } from '../pki/index.ts';
import type { SearchTerm } from '../search/search-keys.ts';

export type { SearchTerm };

/**
 * One kind and version of entries: all that a log has to know of it. A module that exports one of these as its default is a
 * plug-in (docs/operator/log-types.md); the log itself is not touched.
 *
 * An entry is only what `verify` returns. It must follow from the proposal alone, with every choice of form taken away, so
 * that two who propose the same thing get the same entry, and a client that proposes it again finds its leaf.
 */
export interface EntryType<Spec = JsonObject> {
  /** For example `hashedrekord`. */
  readonly kind: string;
  /** Semantic version, for example `0.0.1`. */
  readonly version: string;
  /** JSON schema (draft 7) of a proposed `spec`. `verify` only sees what matches it. */
  readonly schema: JsonObject;
  /**
   * Checks what is claimed, cryptographically, and returns the `spec` to log.
   *
   * @throws ERR_LOG_REQUEST when the proposal is malformed beyond what the schema says; ERR_LOG_SIGNATURE when a signature
   *   does not verify; ERR_LOG_PKI_UNAVAILABLE
   */
  verify(spec: Spec, context: EntryContext): JsonObject | Promise<JsonObject>;
  /** What an entry is found by, from its logged `spec` alone, so that the search index can be built again. */
  searchTerms(spec: JsonObject, context: EntryContext): readonly SearchTerm[];
  /**
   * What a proposal is about and its entry does not say: package URLs, and digests as `sha512:<hex>`. They are kept beside the
   * log, so that it is found by them all the same. Called after `verify`.
   */
  subjects?(spec: Spec): readonly string[];
  /**
   * What a proposal holds and its entry only has the hash of. A log that keeps attestations stores it beside the entry and gives it
   * out with it. Called after `verify`.
   */
  attestation?(spec: Spec): Uint8Array;
  /** SHA-256 of the attestation in hexadecimal, from the logged `spec`. */
  attestationHash?(spec: JsonObject): string | undefined;
}

/** What the log offers to entry types. */
export interface EntryContext {
  /**
   * Reads a public key.
   *
   * @param format `x509`, `pgp`, `minisign`, `ssh`, `tuf`, or what the log was given besides
   * @throws ERR_LOG_REQUEST for an unknown format; ERR_LOG_SIGNATURE when the bytes are no such key
   */
  publicKey(format: string, bytes: Uint8Array): PkiPublicKey;
}

/** A proposal that cannot be read. */
export function proposalError(reason: string, cause?: unknown): SignetError {
  return new SignetError('ERR_LOG_REQUEST', `error processing entry: ${reason}`, { cause });
}

/** Bytes of a base64 field of a proposal. Line breaks are taken, as Go takes them. */
export function bytesField(text: string, path: string): Uint8Array {
  const plain = text.includes('\n') ? text.replace(/[\r\n]/g, '') : text;
  try {
    return fromBase64(plain, path);
  } catch (cause) {
    if (cause instanceof SignetError) throw proposalError(`${cause.message}`, cause);
    throw cause;
  }
}

/** Schema of base64. */
export const byteSchema = { type: 'string', format: 'byte', minLength: 1 } as const;

/** Schema of an object with exactly these properties, all of which are required unless named. */
export function objectSchema(properties: JsonObject, optional: readonly string[] = []): JsonObject {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', properties, required, additionalProperties: false };
}

/** Schema of a digest. */
export function hashSchema(...algorithms: readonly string[]): JsonObject {
  return objectSchema({
    algorithm: { type: 'string', enum: algorithms },
    value: { type: 'string', pattern: '^[0-9a-fA-F]+$' },
  });
}
