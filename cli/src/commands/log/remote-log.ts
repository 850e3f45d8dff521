import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { TrustedLog, TrustMaterial } from '@signet/client/trust';
import { verifySignature } from '@signet/primitives/crypto';
import {
  equalBytes,
  fromBase64,
  hashLeaf,
  inert,
  parseCheckpoint,
  parseJson,
  parseSignedNote,
  parseTlogEntry,
  SignetError,
  type TransparencyLogEntry,
  toHex,
  utf8,
  verifyConsistency,
  verifyInclusion,
} from '@signet/primitives/formats';
import { type CommandContext, type OptionValues, textOption } from '../../command.ts';
import { trustFor } from '../../trust-options.ts';

const timeoutMilliseconds = 30_000;
const maximumAnswer = 32 << 20;

/** A checkpoint whose signature is the log's. */
export interface VerifiedCheckpoint {
  readonly log: TrustedLog;
  readonly treeSize: bigint;
  readonly rootHash: Uint8Array;
  /** The signed note. */
  readonly note: string;
}

/** An entry that has been proven to be in the log. */
export interface VerifiedEntry {
  readonly log: TrustedLog;
  readonly entry: TransparencyLogEntry;
  readonly checkpoint: VerifiedCheckpoint;
  /** As it was answered. */
  readonly json: unknown;
}

/** What a search is answered with. */
export interface SearchResult {
  readonly entries: readonly VerifiedEntry[];
  readonly next: string | undefined;
}

/**
 * A log that is read over HTTP. What it says of itself counts for nothing: an entry, a checkpoint or a proof comes out of here
 * only when it verifies with a key of the trust root.
 */
export class RemoteLog {
  readonly url: string;
  /** The trust root's keys of its shards, the first one first. */
  readonly shards: readonly TrustedLog[];
  readonly #token: string | undefined;
  readonly #signal: AbortSignal | undefined;

  private constructor(url: string, trust: TrustMaterial, token: string | undefined, signal?: AbortSignal) {
    this.url = url;
    this.#token = token;
    this.#signal = signal;
    const number = ({ baseUrl }: TrustedLog): number =>
      plain(baseUrl) === url ? 1 : Number(baseUrl.split('/').at(-1));
    this.shards = shardsBelow(url, trust).sort((a, b) => number(a) - number(b));
  }

  /**
   * The log of the command line, or the only one of the trust root.
   *
   * @throws ERR_OFFLINE, ERR_USAGE, ERR_TRUST_MATERIAL when the trust root has no key for it
   */
  static async open(context: CommandContext, values: OptionValues): Promise<RemoteLog> {
    if (context.offline) throw new SignetError('ERR_OFFLINE', 'a log is read over the network; leave --offline out');
    const trust = await trustFor(context, values);
    const given = textOption(values, 'log');
    const url = given === undefined ? onlyLog(trust) : plain(given);
    if (shardsBelow(url, trust).length === 0) {
      throw new SignetError('ERR_TRUST_MATERIAL', `the trust root has no key of the log at ${url}`, {
        found: trust.transparencyLogs.map(({ baseUrl }) => baseUrl).join(', ') || 'no logs',
      });
    }
    const file = textOption(values, 'token-file');
    const token = file === undefined ? undefined : await readToken(resolve(context.cwd, file));
    return new RemoteLog(url, trust, token, context.signal);
  }

  /** The shard with a number, from 1; the last one without. @throws ERR_LOG_UNTRUSTED */
  shard(number?: number): TrustedLog {
    const shard = number === undefined ? this.shards.at(-1) : this.shards[number - 1];
    if (shard === undefined) {
      throw new SignetError(
        'ERR_LOG_UNTRUSTED',
        `the trust root knows ${this.shards.length} shards of ${this.url}, not ${number}`,
      );
    }
    return shard;
  }

  /** The present checkpoint of a shard. @throws ERR_CHECKPOINT_SIGNATURE, ERR_NETWORK, … */
  async checkpoint(shard: TrustedLog): Promise<VerifiedCheckpoint> {
    return verifyCheckpoint(Buffer.from(await this.#get(`${plain(shard.baseUrl)}/checkpoint`)).toString(), shard);
  }

  /** The entry with an index. @throws ERR_LOG_RESPONSE, ERR_INCLUSION_PROOF, ERR_CHECKPOINT_SIGNATURE, ERR_LOG_UNTRUSTED */
  async entry(shard: TrustedLog, index: bigint): Promise<VerifiedEntry> {
    const answer = await this.#json(`${plain(shard.baseUrl)}/api/v2/log/entries/${index}`);
    const verified = this.#verify(answer);
    if (verified.log !== shard || verified.entry.logIndex !== index) {
      throw new SignetError('ERR_LOG_RESPONSE_MISMATCH', `the log answers with another entry than ${index}`);
    }
    return verified;
  }

  /** What the log says of itself, unverified. */
  describe(): Promise<unknown> {
    return this.#json(`${this.url}/api/v2/log`);
  }

  /** A part of the entries that match; that there are no others is the log's word alone. */
  async search(query: object): Promise<SearchResult> {
    const answer = await this.#json(`${this.url}/api/v2/index/retrieve`, query);
    const { entries, next } = (typeof answer === 'object' && answer !== null ? answer : {}) as Record<string, unknown>;
    if (!Array.isArray(entries)) throw new SignetError('ERR_LOG_RESPONSE', 'the log answers a search with no entries');
    return {
      entries: entries.map((json: unknown) => this.#verify(json)),
      next: typeof next === 'string' ? next : undefined,
    };
  }

  /**
   * Checks that the tree of one checkpoint goes on where another's ends.
   *
   * @throws ERR_CONSISTENCY_PROOF: the log has shown two histories, or forgotten one
   */
  async checkConsistency(older: VerifiedCheckpoint, newer: VerifiedCheckpoint): Promise<void> {
    if (newer.treeSize < older.treeSize) {
      throw new SignetError(
        'ERR_CONSISTENCY_PROOF',
        'the log has become shorter: it was rolled back, or shows two histories',
        {
          expected: `at least ${older.treeSize} entries`,
          found: `${newer.treeSize} entries`,
        },
      );
    }
    if (newer.treeSize === older.treeSize) {
      if (equalBytes(newer.rootHash, older.rootHash)) return;
      throw new SignetError('ERR_CONSISTENCY_PROOF', `the log has signed two trees of ${newer.treeSize} entries`, {
        expected: toHex(older.rootHash),
        found: toHex(newer.rootHash),
      });
    }
    if (older.treeSize === 0n) return;
    const path = `/api/v2/consistency/${older.treeSize}/${newer.treeSize}`;
    const answer = await this.#json(`${plain(newer.log.baseUrl)}${path}`);
    const { hashes } = (typeof answer === 'object' && answer !== null ? answer : {}) as Record<string, unknown>;
    if (!Array.isArray(hashes) || hashes.length > 128) {
      throw new SignetError('ERR_LOG_RESPONSE', 'the log answers with no consistency proof');
    }
    verifyConsistency({
      oldSize: older.treeSize,
      oldRoot: older.rootHash,
      newSize: newer.treeSize,
      newRoot: newer.rootHash,
      hashes: hashes.map((hash: unknown) => fromBase64(typeof hash === 'string' ? hash : '', 'consistency proof')),
    });
  }

  #verify(json: unknown): VerifiedEntry {
    const entry = parseTlogEntry(json);
    const log = this.shards.find(({ logId }) => equalBytes(logId, entry.logId));
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
    const checkpoint = verifyCheckpoint(inclusionProof.checkpoint, log);
    const { treeSize, rootHash } = checkpoint;
    const { hashes } = inclusionProof;
    verifyInclusion({ index: logIndex, treeSize, rootHash, hashes, leafHash: hashLeaf(canonicalizedBody) });
    return { log, entry, checkpoint, json };
  }

  async #json(url: string, body?: object): Promise<unknown> {
    return parseJson(await this.#get(url, body), url, { maxLength: maximumAnswer });
  }

  async #get(url: string, body?: object): Promise<Uint8Array> {
    const token: Record<string, string> = this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` };
    const request = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    const signals = [AbortSignal.timeout(timeoutMilliseconds), ...(this.#signal === undefined ? [] : [this.#signal])];
    try {
      const headers = { ...token, ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
      const answer = await fetch(url, { headers, redirect: 'error', signal: AbortSignal.any(signals), ...request });
      const bytes = await readBounded(answer, url);
      if (answer.status === 200) return bytes;
      throw refusal(answer.status, url, bytes);
    } catch (cause) {
      if (cause instanceof SignetError) throw cause;
      if (this.#signal?.aborted === true) throw cause;
      throw new SignetError('ERR_NETWORK', `${url} cannot be read: ${reasonOf(cause)}`, { cause });
    }
  }
}

/** @throws ERR_NOTE_FORMAT, ERR_CHECKPOINT_FORMAT, ERR_CHECKPOINT_MISMATCH, ERR_CHECKPOINT_SIGNATURE */
export function verifyCheckpoint(note: string, log: TrustedLog): VerifiedCheckpoint {
  const { text, signatures } = parseSignedNote(note);
  const { origin, treeSize, rootHash } = parseCheckpoint(text);
  if (origin !== log.name) {
    throw new SignetError('ERR_CHECKPOINT_MISMATCH', 'the checkpoint is of another log', {
      expected: log.name,
      found: origin,
    });
  }
  const own = signatures.filter(({ name, keyHint }) => name === log.name && log.hasKeyHint(keyHint));
  const verifies = own.some(({ signature }) =>
    verifySignature({ key: log.key, details: log.keyDetails, message: utf8(text), signature }),
  );
  if (!verifies)
    throw new SignetError('ERR_CHECKPOINT_SIGNATURE', `no signature of the checkpoint is of the key of ${log.name}`);
  return { log, treeSize, rootHash, note };
}

function refusal(status: number, url: string, bytes: Uint8Array): SignetError {
  let told: unknown;
  try {
    told = (JSON.parse(Buffer.from(bytes).toString()) as { message?: unknown }).message;
  } catch {
    // Whatever stands between answers in its own words.
  }
  const said = typeof told === 'string' ? `: ${told}` : '';
  if (status === 401)
    return new SignetError('ERR_LOG_READER', `${url} is not to be read by everybody${said}; give --token-file FILE`);
  if (status === 404) return new SignetError('ERR_LOG_RANGE', `the log has nothing at ${url}${said}`);
  return new SignetError('ERR_HTTP_STATUS', `${url} answers with HTTP ${status}${said}`, { found: `HTTP ${status}` });
}

async function readBounded(answer: Response, url: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of answer.body ?? []) {
    length += part.length;
    if (length > maximumAnswer)
      throw new SignetError('ERR_RESPONSE_TOO_LARGE', `${url} answers with more than ${maximumAnswer} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function reasonOf(error: unknown): string {
  const { cause, message } = error as { cause?: { message?: string }; message?: string };
  return cause?.message ?? message ?? String(error);
}

/** Logs of the trust root at a URL, or below it at a number: its shards. */
function shardsBelow(url: string, { transparencyLogs }: TrustMaterial): TrustedLog[] {
  return transparencyLogs.filter(({ baseUrl }) => {
    const base = plain(baseUrl);
    return base === url || (base.startsWith(`${url}/`) && /^[1-9]\d{0,3}$/.test(base.slice(url.length + 1)));
  });
}

function onlyLog(trust: TrustMaterial): string {
  // Logs of Rekor v1 sign with P-256 and have no tiles.
  const tiled = trust.transparencyLogs.filter(({ key }) => key.info.algorithm === 'ed25519');
  const urls = tiled.map(({ baseUrl }) => plain(baseUrl));
  const first = urls.filter((url) => shardsBelow(url, trust).length === urls.length);
  const [url] = first;
  if (url !== undefined) return url;
  throw new SignetError('ERR_USAGE', 'the trust root names several logs; say which one with --log URL', {
    expected: 'one log',
    found: urls.join(', ') || 'none',
  });
}

async function readToken(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new SignetError('ERR_USAGE', `--token-file ${inert(path)} cannot be read`, { cause });
  });
  return text.trim();
}

function plain(url: string): string {
  return url.replace(/\/+$/, '');
}
