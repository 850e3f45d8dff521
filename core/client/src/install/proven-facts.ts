import type { AttestationFacts, BundleFacts, SignerFacts } from '../policy/index.ts';
import type { VerifiedBundle } from '../verify/index.ts';

/** What a report tells about a bundle that verified, now or in an earlier run. */
export interface ProvenBundle extends BundleFacts {
  readonly timestamps: readonly { readonly source: 'tsa' | 'log'; readonly time: Date; readonly authority: string }[];
  readonly logEntries: readonly { readonly origin?: string; readonly baseUrl: string; readonly index: bigint }[];
  /** What was checked, one short sentence each. */
  readonly checks: readonly string[];
}

/** An attestation that verified, now or in an earlier run. */
export interface ProvenAttestation extends AttestationFacts {
  readonly verified: ProvenBundle;
  /** The bundle as it was given; absent when an earlier run verified it. */
  readonly bundle?: unknown;
}

/** The part of a verified bundle that is worth keeping: everything a policy or a report asks, and no bytes. */
export function provenBundle(
  { signer, timestamps, logEntries, trustRoot, checks }: VerifiedBundle,
  publisher?: string,
): ProvenBundle {
  return {
    signer: signerFacts(signer, publisher),
    timestamps: timestamps.map(({ source, time, authority }) => ({ source, time, authority })),
    logEntries: logEntries.map(({ origin, baseUrl, index }) => ({
      ...(origin === undefined ? {} : { origin }),
      baseUrl,
      index,
    })),
    trustRoot,
    checks,
  };
}

function signerFacts(signer: VerifiedBundle['signer'], publisher: string | undefined): SignerFacts {
  if (signer.kind === 'key') {
    return { kind: 'key', hint: signer.hint, ...(publisher === undefined ? {} : { publisher }) };
  }
  const { issuer, subject, claims } = signer;
  return { kind: 'certificate', issuer, subject, claims };
}
