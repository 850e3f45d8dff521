import type { TrustedLog } from '@signet/client/trust';
import {
  equalBytes,
  fromBase64,
  hashLeaf,
  parseTlogEntry,
  SignetError,
  toHex,
  verifyInclusion,
} from '@signet/primitives/formats';
import { type LogConnection, membersOf, plainUrl } from './log-connection.ts';
import {
  checkConsistency,
  originPattern,
  type RemoteLog,
  readProof,
  type SearchResult,
  type ShardHead,
  type VerifiedCheckpoint,
  type VerifiedEntry,
  verifyCheckpoint,
} from './remote-log.ts';

/** A log with Rekor's v2 API and search, each of whose shards has a URL and indices of its own. */
export class RekorV2Log implements RemoteLog {
  readonly url: string;
  readonly #shards: readonly TrustedLog[];
  readonly #connection: LogConnection;

  /** @param shards of the trust root */
  constructor(url: string, shards: readonly TrustedLog[], connection: LogConnection) {
    this.url = url;
    const number = ({ baseUrl }: TrustedLog): number =>
      plainUrl(baseUrl) === url ? 1 : Number(baseUrl.split('/').at(-1));
    this.#shards = [...shards].sort((a, b) => number(a) - number(b));
    this.#connection = connection;
  }

  heads(): Promise<readonly ShardHead[]> {
    return Promise.all(this.#shards.map((shard) => this.#head(shard)));
  }

  async head(shard?: number): Promise<ShardHead> {
    return this.#head(this.#shard(shard));
  }

  async entry(index: bigint, number?: number): Promise<VerifiedEntry> {
    const shard = this.#shard(number);
    const answer = await this.#connection.json(`${plainUrl(shard.baseUrl)}/api/v2/log/entries/${index}`);
    const verified = this.#verify(answer);
    if (verified.log !== shard || verified.entry.logIndex !== index) {
      throw new SignetError('ERR_LOG_RESPONSE_MISMATCH', `the log answers with another entry than ${index}`);
    }
    return verified;
  }

  async readers(): Promise<'public' | 'token'> {
    const { readers } = membersOf(await this.#connection.json(`${this.url}/api/v2/log`));
    return readers === 'token' ? 'token' : 'public';
  }

  async search(query: Readonly<Record<string, unknown>>): Promise<SearchResult> {
    const { entries, next } = membersOf(await this.#connection.json(`${this.url}/api/v2/index/retrieve`, query));
    if (!Array.isArray(entries)) throw new SignetError('ERR_LOG_RESPONSE', 'the log answers a search with no entries');
    return {
      entries: entries.map((json: unknown) => this.#verify(json)),
      next: typeof next === 'string' ? next : undefined,
    };
  }

  verifyKept(note: string, { log }: ShardHead): VerifiedCheckpoint {
    return verify(note, log);
  }

  async consistencyProof(older: VerifiedCheckpoint, newer: VerifiedCheckpoint): Promise<readonly Uint8Array[]> {
    const path = `/api/v2/consistency/${older.treeSize}/${newer.treeSize}`;
    const { hashes } = membersOf(await this.#connection.json(`${plainUrl(newer.log.baseUrl)}${path}`));
    return readProof(hashes, (hash) => fromBase64(hash, 'consistency proof'));
  }

  async following(seen: ShardHead): Promise<ShardHead> {
    const newer = await this.#head(seen.log);
    await checkConsistency(this, seen, newer);
    return newer;
  }

  async #head(shard: TrustedLog): Promise<ShardHead> {
    const checkpoint = verify(await this.#connection.text(`${plainUrl(shard.baseUrl)}/checkpoint`), shard);
    return { ...checkpoint, nextIndex: checkpoint.treeSize };
  }

  #shard(number?: number): TrustedLog {
    const shard = number === undefined ? this.#shards.at(-1) : this.#shards[number - 1];
    if (shard !== undefined) return shard;
    throw new SignetError(
      'ERR_LOG_UNTRUSTED',
      `the trust root knows ${this.#shards.length} shards of ${this.url}, not ${number}`,
    );
  }

  #verify(json: unknown): VerifiedEntry {
    const entry = parseTlogEntry(json);
    const log = this.#shards.find(({ logId }) => equalBytes(logId, entry.logId));
    if (log === undefined) {
      throw new SignetError(
        'ERR_LOG_UNTRUSTED',
        `the log answers with an entry of ${toHex(entry.logId)}, which the trust root does not know`,
      );
    }
    const { inclusionProof, canonicalizedBody, logIndex } = entry;
    if (inclusionProof?.checkpoint === undefined) {
      throw new SignetError('ERR_LOG_MISSING', `the log answers with entry ${logIndex} and no proof of it`);
    }
    const checkpoint = verify(inclusionProof.checkpoint, log);
    const { treeSize, rootHash } = checkpoint;
    const { hashes } = inclusionProof;
    verifyInclusion({ index: logIndex, treeSize, rootHash, hashes, leafHash: hashLeaf(canonicalizedBody) });
    return { log, entry, checkpoint, json };
  }
}

function verify(note: string, log: TrustedLog): VerifiedCheckpoint {
  return verifyCheckpoint(note, log, log.name, originPattern(log.name));
}
