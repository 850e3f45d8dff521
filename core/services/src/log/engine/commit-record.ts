import { crc32 } from 'node:zlib';
import { merkleHashSize } from '@signet/primitives/formats';

/** Bytes of a record in `commit.log`. */
export const commitRecordSize = 68;

const magic = 0x53_47_4c_43;

/** What one batch did: the log's state after it, and a checksum of the bytes that it added to `entries.dat`. */
export interface CommitRecord {
  readonly treeSize: number;
  /** Length of `entries.dat`. */
  readonly endOffset: number;
  readonly rangeChecksum: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly rootHash: Uint8Array;
}

/** All numbers are big-endian; the last four bytes are the CRC-32 of what stands before them. */
export function encodeCommitRecord(record: CommitRecord): Uint8Array {
  const bytes = Buffer.alloc(commitRecordSize);
  bytes.writeUInt32BE(magic, 0);
  bytes.writeBigUInt64BE(BigInt(record.treeSize), 4);
  bytes.writeBigUInt64BE(BigInt(record.endOffset), 12);
  bytes.writeUInt32BE(record.rangeChecksum, 20);
  bytes.writeBigUInt64BE(BigInt(record.time), 24);
  bytes.set(record.rootHash, 32);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, commitRecordSize - 4)), commitRecordSize - 4);
  return bytes;
}

/** The record, or undefined when these bytes are not a whole one. */
export function decodeCommitRecord(encoded: Uint8Array): CommitRecord | undefined {
  if (encoded.length !== commitRecordSize) return undefined;
  const bytes = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.length);
  if (bytes.readUInt32BE(0) !== magic) return undefined;
  if (bytes.readUInt32BE(commitRecordSize - 4) !== crc32(bytes.subarray(0, commitRecordSize - 4))) return undefined;
  return {
    treeSize: Number(bytes.readBigUInt64BE(4)),
    endOffset: Number(bytes.readBigUInt64BE(12)),
    rangeChecksum: bytes.readUInt32BE(20),
    time: Number(bytes.readBigUInt64BE(24)),
    rootHash: new Uint8Array(bytes.subarray(32, 32 + merkleHashSize)),
  };
}
