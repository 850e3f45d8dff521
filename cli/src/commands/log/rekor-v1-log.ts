import type { TrustedLog, TrustMaterial } from '@signet/client/trust';
import { verifyLogEntry } from '@signet/client/verify';
import {
  fromBase64,
  fromHex,
  hashLeaf,
  inert,
  parseJson,
  parseTlogEntry,
  SignetError,
  toBase64,
  toHex,
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

// Upstream's limit for one request (pkg/api).
const entriesAtOnce = 10;

/** A log with Rekor's v1 API (openapi.yaml). All its trees have one URL, and indices run through them. */
export class RekorV1Log implements RemoteLog {
  readonly url: string;
  readonly #trust: TrustMaterial;
  /** The trust root's keys of its trees. */
  readonly #keys: readonly TrustedLog[];
  readonly #connection: LogConnection;

  constructor(url: string, trust: TrustMaterial, connection: LogConnection) {
    this.url = url;
    this.#trust = trust;
    this.#keys = trust.transparencyLogs.filter(({ baseUrl }) => plainUrl(baseUrl) === url);
    this.#connection = connection;
  }

  async heads(): Promise<readonly ShardHead[]> {
    const { inactiveShards = [], ...active } = membersOf(await this.#connection.json(`${this.url}/api/v1/log`));
    if (!Array.isArray(inactiveShards)) throw malformed('its state');
    let nextIndex = 0n;
    return [...inactiveShards, active].map((tree: unknown) => {
      const { signedTreeHead } = membersOf(tree);
      if (typeof signedTreeHead !== 'string') throw malformed('its state');
      const checkpoint = this.#verifyCheckpoint(signedTreeHead);
      nextIndex += checkpoint.treeSize;
      return { ...checkpoint, nextIndex };
    });
  }

  async head(shard?: number): Promise<ShardHead> {
    refuseShard(shard);
    return lastOf(await this.heads());
  }

  async entry(index: bigint, shard?: number): Promise<VerifiedEntry> {
    refuseShard(shard);
    const { verified } = this.#verify(await this.#connection.json(`${this.url}/api/v1/log/entries?logIndex=${index}`));
    if (verified.entry.logIndex !== index) {
      throw new SignetError('ERR_LOG_RESPONSE_MISMATCH', `the log answers with another entry than ${index}`);
    }
    return verified;
  }

  async readers(): Promise<'public' | 'token'> {
    // Rekor's own says nothing of it.
    const said = await this.#connection.json(`${this.url}/`).catch((error: unknown) => {
      if (error instanceof SignetError) return undefined;
      throw error;
    });
    return membersOf(said).readers === 'token' ? 'token' : 'public';
  }

  async search({ from, ...query }: Readonly<Record<string, unknown>>): Promise<SearchResult> {
    const start = typeof from === 'string' ? { from: Number(from) } : {};
    const { value, headers } = await this.#connection.jsonWithHeaders(`${this.url}/api/v1/index/retrieve`, {
      ...query,
      ...start,
    });
    const limit = typeof query.limit === 'number' ? query.limit : 100;
    // Rekor's own knows no limit and answers all of them.
    const ids = (Array.isArray(value) ? value : []).slice(0, limit).map((id: unknown) => {
      if (typeof id !== 'string' || !/^([0-9a-f]{16})?[0-9a-f]{64}$/.test(id)) throw malformed('a search');
      return id;
    });
    const entries: VerifiedEntry[] = [];
    for (let i = 0; i < ids.length; i += entriesAtOnce)
      entries.push(...(await this.#retrieve(ids.slice(i, i + entriesAtOnce))));
    const next = headers.get('signet-next');
    return { entries, next: next !== null && /^\d{1,15}$/.test(next) ? next : undefined };
  }

  verifyKept(note: string): VerifiedCheckpoint {
    return this.#verifyCheckpoint(note);
  }

  async consistencyProof(older: VerifiedCheckpoint, newer: VerifiedCheckpoint): Promise<readonly Uint8Array[]> {
    const tree = newer.origin.split(' - ').at(-1);
    const query = `firstSize=${older.treeSize}&lastSize=${newer.treeSize}&treeID=${tree}`;
    const { hashes } = membersOf(await this.#connection.json(`${this.url}/api/v1/log/proof?${query}`));
    return readProof(hashes, fromHex);
  }

  async following(seen: ShardHead): Promise<ShardHead> {
    const heads = await this.heads();
    const same = heads.find(({ origin }) => origin === seen.origin);
    if (same === undefined) {
      throw new SignetError('ERR_CONSISTENCY_PROOF', `the log does not show its tree ${inert(seen.origin)} any more`);
    }
    await checkConsistency(this, seen, same);
    return lastOf(heads);
  }

  async #retrieve(ids: readonly string[]): Promise<VerifiedEntry[]> {
    const answer = await this.#connection.json(`${this.url}/api/v1/log/entries/retrieve`, { entryUUIDs: ids });
    const found = new Map<string, VerifiedEntry>();
    for (const one of Array.isArray(answer) ? answer : []) {
      const { leafHash, verified } = this.#verify(one);
      found.set(leafHash, verified);
    }
    return ids.map((id) => {
      const verified = found.get(id.slice(-64));
      if (verified !== undefined) return verified;
      throw new SignetError('ERR_LOG_RESPONSE', `the log finds the entry ${id} and does not give it`);
    });
  }

  /** Upstream's form of an entry, as the one that bundles have; promise, proof and checkpoint are verified. */
  #verify(answer: unknown): { readonly leafHash: string; readonly verified: VerifiedEntry } {
    const [[, value] = [], ...others] = Object.entries(membersOf(answer));
    if (others.length > 0) throw malformed('several entries for one');
    const { body, integratedTime, logID, logIndex, verification } = membersOf(value);
    const { inclusionProof, signedEntryTimestamp } = membersOf(verification);
    const proof = membersOf(inclusionProof);
    const bytes = fromBase64(textOf(body), 'body');
    const { kind, apiVersion } = membersOf(parseJson(bytes, 'the entry'));
    const json = {
      logIndex: String(logIndex),
      logId: { keyId: hexToBase64(logID) },
      kindVersion: { kind, version: apiVersion },
      integratedTime: String(integratedTime),
      inclusionPromise: { signedEntryTimestamp },
      inclusionProof: {
        logIndex: String(proof.logIndex),
        rootHash: hexToBase64(proof.rootHash),
        treeSize: String(proof.treeSize),
        hashes: (Array.isArray(proof.hashes) ? proof.hashes : []).map(hexToBase64),
        checkpoint: { envelope: proof.checkpoint },
      },
      canonicalizedBody: body,
    };
    const entry = parseTlogEntry(json);
    const proven = verifyLogEntry(entry, this.#trust);
    if (plainUrl(proven.log.baseUrl) !== this.url || proven.proof === undefined) {
      throw new SignetError('ERR_LOG_UNTRUSTED', `the log answers with an entry of ${inert(proven.log.baseUrl)}`);
    }
    const { origin, treeSize, rootHash } = proven.proof.checkpoint;
    const checkpoint = { log: proven.log, origin, treeSize, rootHash, note: textOf(proof.checkpoint) };
    return { leafHash: toHex(hashLeaf(bytes)), verified: { log: proven.log, entry, checkpoint, json } };
  }

  #verifyCheckpoint(note: string): VerifiedCheckpoint {
    const { host } = new URL(this.url);
    const isOrigin = originPattern(host, ' - [1-9][0-9]{0,18}');
    let problem: unknown = new SignetError('ERR_TRUST_MATERIAL', `the trust root has no key of the log at ${this.url}`);
    for (const key of this.#keys) {
      try {
        return verifyCheckpoint(note, key, host, isOrigin);
      } catch (error) {
        problem = error;
      }
    }
    throw problem;
  }
}

function refuseShard(shard: number | undefined): void {
  if (shard !== undefined)
    throw new SignetError('ERR_USAGE', 'the indices of a v1 log run through all its shards; leave --shard out');
}

function lastOf(heads: readonly ShardHead[]): ShardHead {
  const last = heads.at(-1);
  if (last === undefined) throw malformed('its state');
  return last;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function hexToBase64(value: unknown): string {
  return toBase64(fromHex(textOf(value)));
}

function malformed(what: string): SignetError {
  return new SignetError('ERR_LOG_RESPONSE', `the log does not answer ${what} as Rekor's v1 API has it`);
}
