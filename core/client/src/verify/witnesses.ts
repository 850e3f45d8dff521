import { digest, importPublicKey, type VerificationKey, verifySignature } from '@signet/primitives/crypto';
import {
  type Checkpoint,
  cosignedMessage,
  der,
  equalBytes,
  inert,
  noteSignatureType,
  oids,
  type PolicyKey,
  parseCosignature,
  type Quorum,
  type SignedNote,
  SignetError,
  type TlogPolicy,
  type VerifierKey,
} from '@signet/primitives/formats';
import type { TrustedLog } from '../trust/index.ts';

/** A witness that cosigned a checkpoint. */
export interface VerifiedCosignature {
  /** The name of the witness's key. */
  readonly witness: string;
  /** When it saw no larger tree; absent where it says nothing of that. */
  readonly time?: Date;
}

/** What the policy has to say of one checkpoint. */
export interface WitnessedCheckpoint {
  readonly cosignatures: readonly VerifiedCosignature[];
  /** Why the checkpoint is not valid by the policy; undefined where it is. */
  readonly problem: string | undefined;
}

/** A witness's clock may be ahead of ours by this much. */
const clockSkew = 5 * 60 * 1000;

/**
 * Judges a checkpoint, of which the log's own signature is verified already, by a policy: the log is one of the policy's, and
 * enough witnesses have cosigned (c2sp.org/tlog-policy, c2sp.org/tlog-cosignature). Lines of unknown keys are ignored; a line of
 * a known key must verify (c2sp.org/signed-note).
 *
 * @throws ERR_COSIGNATURE
 */
export function checkWitnesses(
  { note, checkpoint }: { readonly note: SignedNote; readonly checkpoint: Checkpoint },
  log: TrustedLog,
  policy: TlogPolicy,
): WitnessedCheckpoint {
  const cosigned = new Map<PolicyKey, VerifiedCosignature>();
  for (const { name, keyHint, signature } of note.signatures) {
    const witness = policy.witnesses.find(({ key }) => key.name === name && equalBytes(key.keyHint, keyHint));
    const verificationKey = witness === undefined ? undefined : usableKey(witness.key);
    if (witness === undefined || verificationKey === undefined) continue;
    const time = verifyCosignature(witness.key, verificationKey, signature, note.text, checkpoint);
    cosigned.set(witness, { witness: name, ...(time === undefined ? {} : { time }) });
  }
  const cosignatures = [...cosigned.values()];
  if (policy.logs.length > 0 && !policy.logs.some(({ key }) => isKeyOf(key, log, checkpoint.origin))) {
    return { cosignatures, problem: `the log ${inert(checkpoint.origin)} is not one of the policy` };
  }
  const { quorum } = policy;
  if (quorum === undefined || isReached(quorum, cosigned)) return { cosignatures, problem: undefined };
  const names = cosignatures.map(({ witness }) => inert(witness)).join(', ');
  return { cosignatures, problem: `it is cosigned by ${names === '' ? 'no expected witness' : `${names} alone`}` };
}

function verifyCosignature(
  witness: VerifierKey,
  key: VerificationKey,
  signature: Uint8Array,
  noteText: string,
  checkpoint: Checkpoint,
): Date | undefined {
  const { type, name } = witness;
  const cosignature = parseCosignature(type, signature);
  const { timestamp } = cosignature;
  const message = cosignedMessage({ type, witness: name, timestamp, noteText, checkpoint });
  if (!verifySignature({ key, message, signature: cosignature.signature })) {
    throw new SignetError('ERR_COSIGNATURE', `the cosignature of ${inert(name)} does not verify`);
  }
  if (timestamp > BigInt(Date.now() + clockSkew) / 1000n) {
    throw new SignetError('ERR_COSIGNATURE', `the cosignature of ${inert(name)} is from the future`, {
      found: `${timestamp} seconds since 1970`,
    });
  }
  return timestamp === 0n && type === noteSignatureType.mlDsa44 ? undefined : new Date(Number(timestamp) * 1000);
}

/** Depth and number of members are bounded by the number of lines of a policy, each of which was read. */
function isReached(quorum: Quorum, cosigned: ReadonlyMap<PolicyKey, unknown>): boolean {
  if (quorum.kind === 'witness') return cosigned.has(quorum.witness);
  return quorum.members.filter((member) => isReached(member, cosigned)).length >= quorum.threshold;
}

const imported = new WeakMap<VerifierKey, VerificationKey>();

/** Nothing where this Node lacks ML-DSA: then that witness cannot be counted, and the quorum needs others. */
function usableKey(verifierKey: VerifierKey): VerificationKey | undefined {
  const known = imported.get(verifierKey);
  if (known !== undefined) return known;
  const oid = verifierKey.type === noteSignatureType.mlDsa44 ? oids.mlDsa44 : oids.ed25519;
  try {
    const key = importPublicKey(der.sequence(der.sequence(der.oid(oid)), der.bitString(verifierKey.key)));
    imported.set(verifierKey, key);
    return key;
  } catch (error) {
    if (error instanceof SignetError && error.code === 'ERR_KEY_UNSUPPORTED') return undefined;
    throw error;
  }
}

/** Whether a policy's log is the one that signed: by its key, and by its name, which is its origin. */
function isKeyOf({ name, type, key }: VerifierKey, log: TrustedLog, origin: string): boolean {
  if (name !== origin) return false;
  const { info } = log.key;
  if (type === 0x02) return equalBytes(key, info.spki);
  if (type === noteSignatureType.rfc6962) return equalBytes(key, digest('sha256', info.spki));
  return equalBytes(key, info.keyBytes);
}
