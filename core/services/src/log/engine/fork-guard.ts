import { crc32 } from 'node:zlib';
import { fromUtf8, merkleHashSize, utf8 } from '@signet/primitives/formats';
import { AppendFile } from './append-file.ts';

/** The last checkpoint that left the process. */
export interface ReleasedCheckpoint {
  readonly treeSize: number;
  readonly rootHash: Uint8Array;
  readonly checkpoint: string;
}

const magic = 0x53_47_46_47;
const slotSize = 16_384;
const headerSize = 4 + 8 + merkleHashSize + 4;

/**
 * Remembers the last released checkpoint in one of two slots in turn, so that a torn write leaves the other. Whoever holds
 * that checkpoint could prove a fork if the log ever started again behind it. On the log's own disk it is as durable as
 * the page cache makes it: it guards against truncated, exchanged and restored files. In a file on other storage it is
 * synced before every release and guards against a restored disk too.
 */
export class ForkGuard {
  readonly #file: AppendFile;
  readonly #synced: boolean;
  #slot = 0;

  constructor(path: string, synced: boolean) {
    this.#file = AppendFile.open(path);
    this.#synced = synced;
  }

  /** The checkpoint with the largest tree, if any slot holds one. */
  read(): ReleasedCheckpoint | undefined {
    let last: ReleasedCheckpoint | undefined;
    for (const slot of [0, 1]) {
      const released = this.#readSlot(slot);
      if (released === undefined || (last !== undefined && released.treeSize <= last.treeSize)) continue;
      last = released;
      this.#slot = 1 - slot;
    }
    return last;
  }

  /** Writes before the checkpoint is released. */
  async write(released: ReleasedCheckpoint): Promise<void> {
    const text = utf8(released.checkpoint);
    const end = headerSize + text.length;
    if (end + 4 > slotSize)
      throw new RangeError(`a checkpoint of ${text.length} bytes does not fit into the fork guard`);
    const slot = Buffer.alloc(end + 4);
    slot.writeUInt32BE(magic, 0);
    slot.writeBigUInt64BE(BigInt(released.treeSize), 4);
    slot.set(released.rootHash, 12);
    slot.writeUInt32BE(text.length, 12 + merkleHashSize);
    slot.set(text, headerSize);
    slot.writeUInt32BE(crc32(slot.subarray(0, end)), end);
    this.#file.write(slot, this.#slot * slotSize);
    this.#slot = 1 - this.#slot;
    if (this.#synced) await this.#file.sync();
  }

  close(): void {
    this.#file.close();
  }

  #readSlot(number: number): ReleasedCheckpoint | undefined {
    const start = number * slotSize;
    const length = Math.min(slotSize, this.#file.size - start);
    if (length < headerSize + 4) return undefined;
    const bytes = Buffer.from(this.#file.read(start, length));
    const end = headerSize + bytes.readUInt32BE(12 + merkleHashSize);
    if (bytes.readUInt32BE(0) !== magic || end + 4 > length) return undefined;
    if (bytes.readUInt32BE(end) !== crc32(bytes.subarray(0, end))) return undefined;
    return {
      treeSize: Number(bytes.readBigUInt64BE(4)),
      rootHash: new Uint8Array(bytes.subarray(12, 12 + merkleHashSize)),
      checkpoint: fromUtf8(bytes.subarray(headerSize, end), 'released checkpoint'),
    };
  }
}
