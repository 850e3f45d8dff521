import { toBase64 } from './bytes.ts';
import { type JsonObject, JsonReader } from './json.ts';
import { merkleHashSize } from './merkle.ts';

/** A Merkle inclusion proof with the checkpoint that it leads to. */
export interface TlogInclusionProof {
  /** The leaf's index in its own tree; with Rekor v1 not the entry's global index. */
  readonly logIndex: bigint;
  readonly rootHash: Uint8Array;
  readonly treeSize: bigint;
  /** From leaf to root. */
  readonly hashes: readonly Uint8Array[];
  /** Text of the signed note. Absent in some v0.1 bundles only. */
  readonly checkpoint?: string;
}

/** Sigstore's TransparencyLogEntry: what Rekor answers and bundles carry (sigstore_rekor.proto). */
export interface TransparencyLogEntry {
  readonly logIndex: bigint;
  /** SHA-256 of the log's key (Rekor v1) or the C2SP key id (v2). */
  readonly logId: Uint8Array;
  readonly kind: string;
  readonly version: string;
  /** Seconds since 1970; 0 where the log vouches for no time (Rekor v2). */
  readonly integratedTime: bigint;
  readonly signedEntryTimestamp?: Uint8Array;
  readonly inclusionProof?: TlogInclusionProof;
  /** The leaf's bytes. */
  readonly canonicalizedBody: Uint8Array;
}

const reader = new JsonReader('ERR_LOG_ENTRY_FORMAT');
const entryFields = new Set([
  'logIndex',
  'logId',
  'kindVersion',
  'integratedTime',
  'inclusionPromise',
  'inclusionProof',
  'canonicalizedBody',
]);
const logIdFields = new Set(['keyId']);
const kindFields = new Set(['kind', 'version']);
const promiseFields = new Set(['signedEntryTimestamp']);
const proofFields = new Set(['logIndex', 'rootHash', 'treeSize', 'hashes', 'checkpoint']);
const checkpointFields = new Set(['envelope']);

/**
 * Reads an entry from its JSON value (protobuf's JSON mapping).
 *
 * @param path names the value in errors
 * @throws ERR_LOG_ENTRY_FORMAT
 */
export function parseTlogEntry(value: unknown, path = 'tlogEntry'): TransparencyLogEntry {
  const object = reader.object(value, path, entryFields);
  const kindVersion = reader.field(object, 'kindVersion', path, kindFields);
  const promise = reader.optionalField(object, 'inclusionPromise', path, promiseFields);
  const proof = reader.optionalField(object, 'inclusionProof', path, proofFields);
  const body = reader.string(object, 'canonicalizedBody', path);
  const logId = reader.field(object, 'logId', path, logIdFields);
  return new ParsedEntry(
    reader.int64(object, 'logIndex', path),
    reader.bytes(logId, 'keyId', `${path}.logId`),
    reader.string(kindVersion, 'kind', `${path}.kindVersion`),
    reader.string(kindVersion, 'version', `${path}.kindVersion`),
    reader.int64(object, 'integratedTime', path),
    promise === undefined ? undefined : reader.bytes(promise, 'signedEntryTimestamp', `${path}.inclusionPromise`),
    proof === undefined ? undefined : parseProof(proof, path),
    reader.bytes(object, 'canonicalizedBody', path),
    body,
  );
}

/** Keeps the base64 that the body was read from, because promises are over that. */
class ParsedEntry implements TransparencyLogEntry {
  readonly #body: string;
  readonly logIndex: bigint;
  readonly logId: Uint8Array;
  readonly kind: string;
  readonly version: string;
  readonly integratedTime: bigint;
  declare readonly signedEntryTimestamp?: Uint8Array;
  declare readonly inclusionProof?: TlogInclusionProof;
  readonly canonicalizedBody: Uint8Array;

  constructor(
    logIndex: bigint,
    logId: Uint8Array,
    kind: string,
    version: string,
    integratedTime: bigint,
    signedEntryTimestamp: Uint8Array | undefined,
    inclusionProof: TlogInclusionProof | undefined,
    canonicalizedBody: Uint8Array,
    body: string,
  ) {
    this.#body = body;
    this.logIndex = logIndex;
    this.logId = logId;
    this.kind = kind;
    this.version = version;
    this.integratedTime = integratedTime;
    if (signedEntryTimestamp !== undefined) this.signedEntryTimestamp = signedEntryTimestamp;
    if (inclusionProof !== undefined) this.inclusionProof = inclusionProof;
    this.canonicalizedBody = canonicalizedBody;
  }

  static bodyOf(entry: object): string | undefined {
    return #body in entry ? entry.#body : undefined;
  }
}

/** The body of an entry in base64, as the promise signs it. */
export function entryBodyBase64(entry: TransparencyLogEntry): string {
  return ParsedEntry.bodyOf(entry) ?? toBase64(entry.canonicalizedBody);
}

function parseProof(object: JsonObject, entryPath: string): TlogInclusionProof {
  const path = `${entryPath}.inclusionProof`;
  const checkpoint = reader.optionalField(object, 'checkpoint', path, checkpointFields);
  const logIndex = reader.int64(object, 'logIndex', path);
  const rootHash = reader.bytes(object, 'rootHash', path);
  if (rootHash.length !== merkleHashSize)
    throw reader.error(`${path}.rootHash`, '32 bytes', reader.optional(object, 'rootHash'));
  const treeSize = reader.int64(object, 'treeSize', path);
  // A tree of 2^63 leaves has 63 levels.
  const hashes = reader.hashes(object, 'hashes', path, { bytes: merkleHashSize, count: 64 });
  if (checkpoint === undefined) return { logIndex, rootHash, treeSize, hashes };
  return {
    logIndex,
    rootHash,
    treeSize,
    hashes,
    checkpoint: reader.string(checkpoint, 'envelope', `${path}.checkpoint`),
  };
}

/** The entry's JSON value, as Rekor and bundles have it. */
export function tlogEntryToJson(entry: TransparencyLogEntry): Record<string, unknown> {
  const { inclusionProof, signedEntryTimestamp } = entry;
  return {
    logIndex: String(entry.logIndex),
    logId: { keyId: toBase64(entry.logId) },
    kindVersion: { kind: entry.kind, version: entry.version },
    integratedTime: String(entry.integratedTime),
    ...(signedEntryTimestamp === undefined
      ? {}
      : { inclusionPromise: { signedEntryTimestamp: toBase64(signedEntryTimestamp) } }),
    ...(inclusionProof === undefined ? {} : { inclusionProof: proofToJson(inclusionProof) }),
    canonicalizedBody: toBase64(entry.canonicalizedBody),
  };
}

function proofToJson(proof: TlogInclusionProof): Record<string, unknown> {
  return {
    logIndex: String(proof.logIndex),
    rootHash: toBase64(proof.rootHash),
    treeSize: String(proof.treeSize),
    hashes: proof.hashes.map(toBase64),
    ...(proof.checkpoint === undefined ? {} : { checkpoint: { envelope: proof.checkpoint } }),
  };
}
