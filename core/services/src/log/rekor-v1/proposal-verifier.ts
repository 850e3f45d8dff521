import type { EntrySigner } from '../http/rate-limits.ts';
import { type EntryTypes, readProposalJson } from '../types/index.ts';
import { type PoolLimits, VerificationPool } from '../verification/verification-pool.ts';
import type { ReadingTime } from '../verification/verified-request.ts';

/** A proposal that may be logged. */
export interface VerifiedBody {
  readonly body: Uint8Array;
  /** Package URLs and digests that it is to be found by, beside what it says. */
  readonly subjects: readonly string[];
  readonly signers: readonly EntrySigner[];
  /** What is to be kept beside the entry. */
  readonly attestation: Uint8Array | undefined;
}

export interface ProposalOptions {
  /** Whether it is to be found out who has signed. */
  readonly signers: boolean;
  /** Longest attestation that is kept, bytes; 0 keeps none. */
  readonly attestationBytes: number;
}

/** What a thread is told. */
export interface ThreadOptions extends ProposalOptions {
  /** Modules of entry types, which every thread loads for itself. */
  readonly modules: readonly string[];
}

/** Verifies proposals of the v1 API. */
export function proposalVerifier(
  types: EntryTypes,
  { modules, ...options }: ThreadOptions,
  limits: PoolLimits,
): VerificationPool<VerifiedBody> {
  // The sources run as they are, and as they are built.
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const threadData: ThreadOptions = { modules, ...options };
  return new VerificationPool({
    ...limits,
    verify: (proposal, time) => verifyProposal(types, proposal, options, time),
    thread: new URL(`./proposal-worker.${extension}`, import.meta.url),
    threadData,
  });
}

/** Verifies one proposal, and says by whom it is signed when that is asked for. */
export async function verifyProposal(
  types: EntryTypes,
  proposal: Uint8Array,
  { signers, attestationBytes }: ProposalOptions,
  time: ReadingTime,
): Promise<VerifiedBody> {
  const started = performance.now();
  const value = readProposalJson(proposal);
  time.parse += performance.now() - started;
  const { body, subjects, attestation } = await types.verify(value, { attestationBytes });
  return { body, subjects, attestation, signers: signers ? signersOf(types, body) : [] };
}

/** Who is to be counted for an entry: the names in its certificates, or its key. */
function signersOf(types: EntryTypes, body: Uint8Array): EntrySigner[] {
  const terms = types.searchTerms(body);
  const issuer = terms.find(({ kind }) => kind === 'issuer');
  const identity = terms.find(({ kind }) => kind === 'subject') ?? terms.find(({ kind }) => kind === 'publicKey');
  if (identity === undefined) return [];
  const name =
    'text' in identity
      ? identity.text
      : 'fingerprint' in identity
        ? Buffer.from(identity.fingerprint).toString('hex')
        : '';
  return [{ identity: name, ...(issuer !== undefined && 'text' in issuer ? { issuer: issuer.text } : {}) }];
}
