import { type PoolLimits, VerificationPool } from '../verification/verification-pool.ts';
import { type CreateEntryOptions, type VerifiedEntry, verifyCreateEntryRequest } from './create-entry.ts';

/** Verifies requests of the v2 API. */
export function entryVerifier(
  { dsse, signers = false }: CreateEntryOptions,
  limits: PoolLimits,
): VerificationPool<VerifiedEntry> {
  const options: CreateEntryOptions = { dsse, signers };
  // The sources run as they are, and as they are built.
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return new VerificationPool({
    ...limits,
    verify: (request, time) => verifyCreateEntryRequest(request, options, time),
    thread: new URL(`./entry-verifier-worker.${extension}`, import.meta.url),
    threadData: options,
  });
}
