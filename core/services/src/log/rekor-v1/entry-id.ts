import { fromHex, SignetError, toHex } from '@signet/primitives/formats';

/** How Rekor v1 names an entry: by its leaf hash, with the tree that it is in or without. */
export interface EntryId {
  readonly treeId: bigint | undefined;
  readonly leafHash: Uint8Array;
}

const uuidDigits = 64;
const entryIdDigits = 80;

/** 80 digits: the tree's id as 64 bits, then the leaf hash (sigstore/rekor, pkg/sharding). */
export function formatEntryId(treeId: bigint, leafHash: Uint8Array): string {
  return treeId.toString(16).padStart(16, '0') + toHex(leafHash);
}

/**
 * Reads 64 or 80 hexadecimal digits.
 *
 * @throws ERR_LOG_REQUEST
 */
export function parseEntryId(text: string): EntryId {
  if (!/^(?:[0-9a-fA-F]{64}|[0-9a-fA-F]{80})$/.test(text)) {
    throw new SignetError(
      'ERR_LOG_REQUEST',
      `an entry is named by ${uuidDigits} or ${entryIdDigits} hexadecimal digits`,
    );
  }
  const leafHash = fromHex(text.slice(-uuidDigits));
  if (text.length === uuidDigits) return { treeId: undefined, leafHash };
  const treeId = BigInt(`0x${text.slice(0, -uuidDigits)}`);
  // Trillian's tree ids are positive int64.
  if (treeId === 0n || treeId >= 2n ** 63n) throw new SignetError('ERR_LOG_REQUEST', 'no tree has such an id');
  return { treeId, leafHash };
}
