import { canonicalize, hashLeaf, SignetError, toBase64, toHex, toPem, utf8 } from '@signet/primitives/formats';
import type { LogShard } from '../log-shards.ts';
import type { LogMetrics } from '../rekor/log-metrics.ts';
import type { SearchQuery } from '../search/entry-index.ts';
import type { EntryTypes } from '../types/index.ts';
import { type EntryId, formatEntryId } from './entry-id.ts';
import type { RekorV1Entry, RekorV1Tree } from './rekor-v1-tree.ts';

/** The trees of a v1 log, the first one first; the last takes new entries. `LogShards` is one. */
export interface RekorV1Trees {
  readonly all: readonly LogShard<RekorV1Tree>[];
  /** Resolves when no rotation is under way. */
  settled?(): Promise<void>;
}

/** Entries by their ids, as answers have them. */
export type RekorV1Entries = Readonly<Record<string, RekorV1Entry>>;

/** A proposal that has been verified. */
export interface ProposedBody {
  readonly body: Uint8Array;
  /** Package URLs and digests that it is to be found by besides. */
  readonly packages?: readonly string[];
  /** What is given out with the entry, and is not part of it. */
  readonly attestation?: Uint8Array | undefined;
}

const hashSize = 32;

/**
 * What Rekor's v1 API is about: entries that are named by leaf hash or by an index that runs through all trees. Indices are
 * settled as soon as they are given, since only the last tree grows.
 */
export class RekorV1Log {
  readonly #trees: RekorV1Trees;
  readonly #types: EntryTypes;

  constructor(trees: RekorV1Trees, types: EntryTypes) {
    this.#trees = trees;
    this.#types = types;
  }

  /** The tree that takes new entries. */
  get active(): RekorV1Tree {
    const last = this.#trees.all.at(-1);
    if (last === undefined) throw new SignetError('ERR_LOG_CLOSED', 'the log is closed');
    return last.log;
  }

  get trees(): readonly RekorV1Tree[] {
    return this.#trees.all.map(({ log }) => log);
  }

  get types(): EntryTypes {
    return this.#types;
  }

  /**
   * Logs what was verified. What is there already, in whichever tree, is answered as it is, with a fresh proof.
   *
   * @param metrics told where the time goes
   * @throws what appending to a log throws
   */
  async append(
    { body, packages, attestation }: ProposedBody,
    metrics?: Pick<LogMetrics, 'watch' | 'countStage'>,
  ): Promise<{ id: string; entry: RekorV1Entry; duplicate: boolean }> {
    const leafHash = hashLeaf(body);
    const frozen = this.trees.slice(0, -1);
    const known = frozen.length === 0 ? undefined : await this.#findByHash(leafHash, frozen);
    if (known !== undefined) return { ...known, duplicate: true };
    for (;;) {
      const tree = this.active;
      try {
        // Before its entry, so that an entry that is answered has it. What came again is not kept again: it may have been deleted.
        if (attestation !== undefined && tree.log.indexOf(leafHash) === undefined)
          await tree.attestations.keep(attestation);
        metrics?.watch(tree.log);
        const logged = await tree.log.append(body, packages, leafHash);
        const started = performance.now();
        // Its beginning alone is counted: a signer of this process has signed by then, and what comes after is others' time.
        const answer = tree.entryToJson(logged, body, leafHash, this.#offsetOf(tree));
        metrics?.countStage('answer', 1, performance.now() - started);
        const [id, entry] = await answer;
        return { id, entry, duplicate: logged.duplicate };
      } catch (error) {
        // Between choosing a tree and writing to it, another one may have taken its place.
        if (!(error instanceof SignetError) || error.code !== 'ERR_LOG_FROZEN') throw error;
        await this.#trees.settled?.();
        if (tree === this.active) throw error;
      }
    }
  }

  /** @throws ERR_LOG_RANGE */
  async entryByIndex(virtualIndex: bigint): Promise<RekorV1Entries> {
    let index = virtualIndex;
    for (const tree of this.trees) {
      if (index < tree.size) return this.#entryAt(tree, index);
      index -= tree.size;
    }
    throw new SignetError('ERR_LOG_RANGE', `the log has no entry ${virtualIndex}`);
  }

  /** By leaf hash in the tree that is named, or in all of them, the newest first. @throws ERR_LOG_RANGE */
  async entryById({ treeId, leafHash }: EntryId): Promise<RekorV1Entries> {
    const trees = this.trees.filter((tree) => treeId === undefined || tree.treeId === treeId);
    const found = await this.#findByHash(leafHash, [...trees].reverse());
    if (found === undefined) throw new SignetError('ERR_LOG_RANGE', 'the log has no entry with this id');
    return { [found.id]: found.entry };
  }

  /**
   * The entry that a proposal would become. It is verified for that, unless it is an entry's own body.
   *
   * @throws ERR_LOG_RANGE, and what verifying throws
   */
  async entryByProposal(proposal: unknown): Promise<RekorV1Entries> {
    const own = hashLeaf(utf8(canonicalize(proposal)));
    if (this.trees.some(({ log }) => log.indexOf(own) !== undefined))
      return this.entryById({ treeId: undefined, leafHash: own });
    const { body } = await this.#types.verify(proposal);
    return this.entryById({ treeId: undefined, leafHash: hashLeaf(body) });
  }

  /** State of all trees, as getLogInfo answers it. */
  info(): Record<string, unknown> {
    const [active, ...inactive] = [...this.trees].reverse().map(treeInfo);
    return { inactiveShards: inactive.reverse(), ...active };
  }

  /**
   * Proof that a tree of one size is the beginning of that of a later size. The root is that of the present tree, as upstream
   * answers it.
   *
   * @throws ERR_LOG_REQUEST, ERR_LOG_RANGE
   */
  proof(firstSize: bigint, lastSize: bigint, treeId: bigint | undefined): Record<string, unknown> {
    const tree = this.tree(treeId);
    if (firstSize > lastSize) throw request(`firstSize(${firstSize}) must be less than lastSize(${lastSize})`);
    if (lastSize > tree.size) throw request(`the tree has ${tree.size} entries, not ${lastSize}`);
    return {
      hashes: tree.log.consistencyProof(firstSize, lastSize).map(toHex),
      rootHash: toHex(tree.log.rootAt(tree.size)),
    };
  }

  /** PEM of a tree's key. @throws ERR_LOG_REQUEST */
  publicKey(treeId: bigint | undefined): string {
    return toPem('PUBLIC KEY', this.tree(treeId).publicKey.spki);
  }

  /** The tree with this id, by default the active one. @throws ERR_LOG_REQUEST */
  tree(treeId: bigint | undefined): RekorV1Tree {
    const found = treeId === undefined ? this.active : this.trees.find((tree) => tree.treeId === treeId);
    if (found === undefined) throw request(`the log has no tree ${treeId}`);
    return found;
  }

  /**
   * Ids of entries that match, in the order of the log.
   *
   * @param query `from` and `next` are indices in the whole log
   * @throws ERR_LOG_INDEX
   */
  async search({ from, limit, ...query }: SearchQuery): Promise<{ ids: string[]; next: number | undefined }> {
    const ids: string[] = [];
    let offset = 0;
    for (const tree of this.trees) {
      const size = Number(tree.size);
      let at: number | undefined = Math.max(0, from - offset);
      while (at !== undefined && at < size) {
        const { entries, next } = await tree.log.search({ ...query, from: at, limit: Math.max(1, limit - ids.length) });
        for (const index of entries) {
          if (ids.length === limit) return { ids, next: offset + index };
          ids.push(formatEntryId(tree.treeId, leafHashAt(tree, index)));
        }
        at = next;
      }
      offset += size;
    }
    return { ids, next: undefined };
  }

  async #findByHash(
    leafHash: Uint8Array,
    trees: readonly RekorV1Tree[],
  ): Promise<{ id: string; entry: RekorV1Entry } | undefined> {
    for (const tree of trees) {
      const index = tree.log.indexOf(leafHash);
      if (index === undefined) continue;
      const [[id, entry] = []] = Object.entries(await this.#entryAt(tree, index));
      if (id !== undefined && entry !== undefined) return { id, entry };
    }
    return undefined;
  }

  async #entryAt(tree: RekorV1Tree, index: bigint): Promise<RekorV1Entries> {
    const found = await tree.log.find(index);
    if (found === undefined) throw new SignetError('ERR_LOG_RANGE', `the tree has no entry ${index}`);
    const leafHash = hashLeaf(found.body);
    const [id, entry] = await tree.entryToJson(found, found.body, leafHash, this.#offsetOf(tree));
    const attestationHash = this.#types.attestationHash(found.body);
    const attestation = attestationHash === undefined ? undefined : await tree.attestations.find(attestationHash);
    return { [id]: attestation === undefined ? entry : { ...entry, attestation: { data: toBase64(attestation) } } };
  }

  #offsetOf(tree: RekorV1Tree): bigint {
    let offset = 0n;
    for (const one of this.trees) {
      if (one === tree) return offset;
      offset += one.size;
    }
    return offset;
  }
}

function treeInfo({ log, treeId }: RekorV1Tree): Record<string, unknown> {
  return {
    rootHash: toHex(log.rootAt(log.size)),
    signedTreeHead: log.checkpoint(),
    // Too long for a number of JSON.
    treeID: String(treeId),
    treeSize: Number(log.size),
  };
}

function leafHashAt({ log }: RekorV1Tree, index: number): Uint8Array {
  const tile = Math.floor(index / 256);
  const hashes = log.readTile(0, tile, (index % 256) + 1);
  if (hashes === undefined) throw new SignetError('ERR_LOG_RANGE', `the tree has no entry ${index}`);
  return hashes.subarray(-hashSize);
}

function request(reason: string): SignetError {
  return new SignetError('ERR_LOG_REQUEST', reason);
}
