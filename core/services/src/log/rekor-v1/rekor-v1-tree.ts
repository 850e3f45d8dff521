import { digest } from '@signet/primitives/crypto';
import { type PublicKeyInfo, SignetError, toBase64, toHex } from '@signet/primitives/formats';
import type { Signer } from '@signet/primitives/keys';
import type { ShardLog } from '../log-shards.ts';
import {
  type LoggedEntry,
  openTransparencyLog,
  type TransparencyLog,
  type TransparencyLogOptions,
} from '../transparency-log.ts';
import { AttestationStore } from './attestation-store.ts';
import { formatEntryId } from './entry-id.ts';

export interface RekorV1TreeOptions extends Omit<TransparencyLogOptions, 'origin' | 'treeId'> {
  /** Host (and port) that the log is served at: the name under which checkpoints are signed. */
  readonly host: string;
  /** P-256, because older clients take no other key for a v1 log. */
  readonly signer: Signer;
}

/** An entry as Rekor's v1 API answers it. */
export interface RekorV1Entry {
  /** Base64, as all bytes here that are no hashes. */
  readonly body: string;
  /** Seconds since 1970. */
  readonly integratedTime: number;
  readonly logID: string;
  /** Through all trees. */
  readonly logIndex: number;
  readonly attestation?: { readonly data: string };
  readonly verification: {
    readonly inclusionProof: {
      readonly checkpoint: string;
      readonly hashes: readonly string[];
      /** In its own tree. */
      readonly logIndex: number;
      readonly rootHash: string;
      readonly treeSize: number;
    };
    readonly signedEntryTimestamp: string;
  };
}

/**
 * One tree of a v1 log with its key. It promises entries (by a signed entry timestamp) and proves them; its checkpoints have
 * one signature, since older clients refuse any that they don't know.
 */
export class RekorV1Tree implements ShardLog {
  readonly log: TransparencyLog;
  readonly treeId: bigint;
  /** SHA-256 of the key in hexadecimal, by which entries name it. */
  readonly logId: string;
  /** Modules of entry types that it takes beyond Rekor's. */
  readonly entryTypes: readonly string[];
  /** What was kept beside its entries. */
  readonly attestations: AttestationStore;
  readonly #signer: Signer;

  private constructor(
    log: TransparencyLog,
    treeId: bigint,
    { signer, directory, entryTypes = [] }: RekorV1TreeOptions,
  ) {
    this.log = log;
    this.attestations = new AttestationStore(directory);
    this.entryTypes = entryTypes;
    this.treeId = treeId;
    this.logId = toHex(digest('sha256', signer.publicKey.spki));
    this.#signer = signer;
  }

  /**
   * Opens a tree, or creates it. Its id follows from its key, so that no two have the same.
   *
   * @throws ERR_KEY_UNSUPPORTED, and what opening a transparency log throws
   */
  static async open(options: RekorV1TreeOptions): Promise<RekorV1Tree> {
    const { publicKey } = options.signer;
    if (publicKey.curve !== 'P-256') {
      const found = publicKey.curve ?? publicKey.algorithm;
      throw new SignetError('ERR_KEY_UNSUPPORTED', `a Rekor v1 log needs a key of P-256, found ${found}`, {
        expected: 'P-256',
        found,
      });
    }
    const treeId = treeIdOf(publicKey);
    return new RekorV1Tree(await openTransparencyLog({ ...options, origin: options.host, treeId }), treeId, options);
  }

  get size(): bigint {
    return this.log.size;
  }

  get publicKey(): PublicKeyInfo {
    return this.log.publicKey;
  }

  freeze(): Promise<void> {
    return this.log.freeze();
  }

  close(): Promise<void> {
    return this.log.close();
  }

  /**
   * An entry with promise and proof.
   *
   * @param offset entries in the trees before this one: what is promised is the index in the whole log
   */
  async entryToJson(
    entry: LoggedEntry,
    body: Uint8Array,
    leafHash: Uint8Array,
    offset: bigint,
  ): Promise<[string, RekorV1Entry]> {
    const promised = {
      body: toBase64(body),
      integratedTime: Math.floor((entry.time ?? this.log.integratedTime(entry.index).getTime()) / 1000),
      logID: this.logId,
      logIndex: Number(offset + entry.index),
    };
    const signature = this.#signer.sign(promisePayload(promised));
    const inclusionProof = {
      checkpoint: entry.checkpoint,
      hashes: entry.hashes.map(toHex),
      // Of this tree alone, other than the one above.
      logIndex: Number(entry.index),
      rootHash: toHex(entry.rootHash),
      treeSize: Number(entry.treeSize),
    };
    const signedEntryTimestamp = toBase64(await signature);
    return [
      formatEntryId(this.treeId, leafHash),
      { ...promised, verification: { inclusionProof, signedEntryTimestamp } },
    ];
  }
}

/** What a promise signs: JSON in canonical form (RFC 8785) of what has no character that it would escape. */
export function promisePayload({
  body,
  integratedTime,
  logID,
  logIndex,
}: Pick<RekorV1Entry, 'body' | 'integratedTime' | 'logID' | 'logIndex'>): Uint8Array {
  const text = `{"body":"${body}","integratedTime":${integratedTime},"logID":"${logID}","logIndex":${logIndex}}`;
  return Buffer.from(text, 'latin1');
}

/** A positive int64 out of the key's hash, as Trillian's are. */
function treeIdOf({ spki }: PublicKeyInfo): bigint {
  const id = BigInt(`0x${toHex(digest('sha256', spki).subarray(0, 8))}`) & (2n ** 63n - 1n);
  return id === 0n ? 1n : id;
}
