/**
 * How entries lie in `entries.dat`. Records follow each other as the log's readers fetch them, so that every entry
 * bundle, full or partial, is a range of that file.
 */
export interface EntryFormat {
  /** Stands in `log.json`; a directory never changes its kind. */
  readonly kind: 'tlog-tiles' | 'static-ct';

  /**
   * Bytes of the record that begins at `offset`.
   *
   * @throws ERR_LOG_CORRUPT when there is no whole record
   */
  recordLength(bytes: Uint8Array, offset: number): number;

  /** The record's hash in the Merkle tree. */
  leafHash(record: Uint8Array): Uint8Array;

  /** 32 bytes that are equal for entries which are the same; absent when that is the leaf hash. */
  duplicateKey?(record: Uint8Array): Uint8Array;
}

/** A record about to be appended. */
export interface NewRecord {
  readonly record: Uint8Array;
  readonly leafHash: Uint8Array;
  /** As {@link EntryFormat.duplicateKey} says. */
  readonly key: Uint8Array;
}
