import { hashLeaf, SignetError } from '@signet/primitives/formats';
import type { EntryFormat } from './engine/entry-format.ts';

/** Bytes of the largest entry: bundles have 16-bit lengths (c2sp.org/tlog-tiles). */
export const maximumEntrySize = 65_535;

/** Entries as c2sp.org/tlog-tiles serves them: each behind its length in two bytes, big-endian. */
export const tiledFormat: EntryFormat = {
  kind: 'tlog-tiles',
  recordLength(bytes, offset) {
    const length = 2 + (bytes[offset] ?? 0) * 256 + (bytes[offset + 1] ?? 0);
    if (offset + length > bytes.length) {
      throw new SignetError('ERR_LOG_CORRUPT', 'entries.dat is damaged: a length leads beyond its batch');
    }
    return length;
  },
  leafHash: (record) => hashLeaf(record.subarray(2)),
};

/** @throws ERR_LOG_ENTRY_SIZE */
export function encodeTiledEntry(entry: Uint8Array): Uint8Array {
  if (entry.length > maximumEntrySize) {
    throw new SignetError(
      'ERR_LOG_ENTRY_SIZE',
      `the entry has ${entry.length} bytes; this log takes at most ${maximumEntrySize} (c2sp.org/tlog-tiles)`,
      { expected: `at most ${maximumEntrySize} bytes`, found: `${entry.length} bytes` },
    );
  }
  const record = new Uint8Array(2 + entry.length);
  record[0] = entry.length >> 8;
  record[1] = entry.length & 0xff;
  record.set(entry, 2);
  return record;
}
