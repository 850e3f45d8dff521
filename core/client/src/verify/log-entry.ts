import {
  type Checkpoint,
  entryBodyBase64,
  equalBytes,
  hashLeaf,
  inert,
  isWithin,
  parseCheckpoint,
  parseSignedNote,
  type SignedNote,
  SignetError,
  type TlogInclusionProof,
  type TransparencyLogEntry,
  toHex,
  utf8,
  verifyInclusion,
} from '@signet/primitives/formats';
import type { TrustedLog, TrustMaterial } from '../trust/index.ts';

/** A log entry whose promise or proof verified. Its content has still to be compared with the bundle. */
export interface ProvenLogEntry {
  readonly entry: TransparencyLogEntry;
  readonly log: TrustedLog;
  readonly index: bigint;
  /** What proves it, with the log's signature; absent where a promise alone does. */
  readonly proof?: { readonly note: SignedNote; readonly checkpoint: Checkpoint };
  /** Only where the log signed it. */
  readonly integratedTime?: Date;
}

/**
 * Verifies that a log holds an entry: the signed entry timestamp and the inclusion proof with its checkpoint, each where
 * it is there, and at least one of them (rekor-spec, rekor-v2-spec §7.2). What is there must verify.
 *
 * @throws ERR_LOG_UNTRUSTED, ERR_LOG_PROMISE, ERR_LOG_MISSING, ERR_INCLUSION_PROOF, ERR_CHECKPOINT_SIGNATURE,
 *   ERR_CHECKPOINT_MISMATCH, ERR_CHECKPOINT_FORMAT, ERR_NOTE_FORMAT
 */
export function verifyLogEntry(entry: TransparencyLogEntry, trust: TrustMaterial): ProvenLogEntry {
  const logs = trust.logsById(entry.logId);
  if (logs.length === 0) {
    const leftOut = trust.leftOut.length === 0 ? '' : `, of which this is left out: ${trust.leftOut.join('; ')}`;
    throw new SignetError(
      'ERR_LOG_UNTRUSTED',
      `the log ${toHex(entry.logId)} is not one of the trusted root${leftOut}`,
      {
        found: toHex(entry.logId),
      },
    );
  }
  const { inclusionProof } = entry;
  let log = logs[0] as TrustedLog;
  let integratedTime: Date | undefined;
  if (entry.signedEntryTimestamp !== undefined) {
    integratedTime = new Date(Number(entry.integratedTime) * 1000);
    log = logValidAt(logs, integratedTime);
    verifyPromise(entry, entry.signedEntryTimestamp, log);
  }

  let proof: ProvenLogEntry['proof'];
  if (inclusionProof !== undefined) {
    const proven = verifyProof(entry, inclusionProof, integratedTime === undefined ? logs : [log]);
    if (proven !== undefined) ({ log, proof } = proven);
  }
  if (integratedTime === undefined && proof === undefined) {
    throw new SignetError('ERR_LOG_MISSING', 'a log entry has neither a promise nor a proof with a checkpoint');
  }
  // The promise signs the log's own number; without it only the place in the tree is proved.
  const index = integratedTime === undefined && inclusionProof !== undefined ? inclusionProof.logIndex : entry.logIndex;
  if (proof === undefined)
    return integratedTime === undefined ? { entry, log, index } : { entry, log, index, integratedTime };
  return integratedTime === undefined ? { entry, log, index, proof } : { entry, log, index, proof, integratedTime };
}

function logValidAt(logs: readonly TrustedLog[], time: Date): TrustedLog {
  const log = Number.isNaN(time.getTime()) ? undefined : logs.find((candidate) => isWithin(candidate.validFor, time));
  if (log !== undefined) return log;
  const shown = Number.isNaN(time.getTime()) ? 'an impossible time' : time.toISOString();
  throw new SignetError('ERR_LOG_UNTRUSTED', `the trusted root does not trust ${logs[0]?.baseUrl} at ${shown}`, {
    found: shown,
  });
}

/**
 * The signed entry timestamp is a signature over the canonical JSON (RFC 8785) of body, time, log id and index
 * (rekor openapi.yaml, SignedEntryTimestamp). All members are plain, so the text can be written down.
 */
function verifyPromise(entry: TransparencyLogEntry, signature: Uint8Array, log: TrustedLog): void {
  const body = entryBodyBase64(entry);
  const rest = `","integratedTime":${entry.integratedTime},"logID":"${toHex(entry.logId)}","logIndex":${entry.logIndex}}`;
  const length = promiseStart.length + body.length + rest.length;
  const message = length <= promised.length ? promised.subarray(0, length) : Buffer.allocUnsafe(length);
  // All of it is ASCII, for which this is the cheaper encoder.
  message.write(promiseStart, 'latin1');
  message.write(body, promiseStart.length, 'latin1');
  message.write(rest, promiseStart.length + body.length, 'latin1');
  if (!log.hasSigned(message, signature)) {
    throw new SignetError('ERR_LOG_PROMISE', `the signed entry timestamp of ${log.baseUrl} does not verify`);
  }
}

const promiseStart = '{"body":"';
/** Promises of the usual size are written here, one at a time; nothing keeps it. */
const promised = Buffer.alloc(16 * 1024);

/** @returns nothing where a v0.1 bundle has no checkpoint: such a proof leads to an unsigned root and proves nothing */
function verifyProof(
  entry: TransparencyLogEntry,
  proof: TlogInclusionProof,
  logs: readonly TrustedLog[],
): { log: TrustedLog; proof: NonNullable<ProvenLogEntry['proof']> } | undefined {
  const { logIndex, treeSize, rootHash, hashes } = proof;
  verifyInclusion({ index: logIndex, treeSize, leafHash: hashLeaf(entry.canonicalizedBody), hashes, rootHash });
  if (proof.checkpoint === undefined) return undefined;

  const note = parseSignedNote(proof.checkpoint);
  const log = verifyNote(note, logs);
  const checkpoint = parseCheckpoint(note.text);
  checkOrigin(checkpoint.origin, log);
  if (checkpoint.treeSize !== treeSize || !equalBytes(checkpoint.rootHash, rootHash)) {
    throw new SignetError('ERR_CHECKPOINT_MISMATCH', 'the inclusion proof is for another tree than the checkpoint', {
      expected: `size ${checkpoint.treeSize}, root ${toHex(checkpoint.rootHash)}`,
      found: `size ${treeSize}, root ${toHex(rootHash)}`,
    });
  }
  return { log, proof: { note, checkpoint } };
}

/**
 * Finds the log's own signature on a checkpoint by name and key hint, wherever it stands among cosignatures (C2SP
 * signed-note). Lines of unknown keys are ignored; a line that claims to be of the log's key must verify.
 */
function verifyNote(note: SignedNote, logs: readonly TrustedLog[]): TrustedLog {
  const message = utf8(note.text);
  let signer: TrustedLog | undefined;
  for (const line of note.signatures) {
    const log = logs.find((candidate) => isNameOf(line.name, candidate) && candidate.hasKeyHint(line.keyHint));
    if (log === undefined) continue;
    if (!log.hasSigned(message, line.signature)) {
      throw new SignetError('ERR_CHECKPOINT_SIGNATURE', `the checkpoint signature of ${log.name} does not verify`);
    }
    signer ??= log;
  }
  if (signer !== undefined) return signer;
  const found = inert(note.signatures.map(({ name, keyHint }) => `${name} ${toHex(keyHint)}`).join(', '));
  const expected = logs.map((log) => `${log.name} ${toHex(log.logId.subarray(0, 4))}`).join(' or ');
  throw new SignetError('ERR_CHECKPOINT_SIGNATURE', 'the checkpoint is not signed by the log that the entry names', {
    expected,
    found,
  });
}

/** Rekor v1 signs with its host name alone, even where its base URL has a path. */
function isNameOf(name: string, log: TrustedLog): boolean {
  return name === log.name || name === log.name.split('/', 1)[0];
}

/** Rekor v1 appends its tree to the origin: `<host> - <tree id>` (rekor pkg/util/checkpoint.go). */
function checkOrigin(origin: string, log: TrustedLog): void {
  const [name = '', ...tree] = origin.split(' - ');
  if (isNameOf(name, log) && (tree.length === 0 || (tree.length === 1 && /^\d+$/.test(tree[0] ?? '')))) return;
  throw new SignetError('ERR_CHECKPOINT_MISMATCH', 'the checkpoint is of another log than the one that signed it', {
    expected: log.name,
    found: inert(origin),
  });
}
