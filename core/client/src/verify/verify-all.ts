import type { SignetError } from '@signet/primitives/formats';
import { BoundedQueue } from './bounded-queue.ts';
import type { VerifyOptions } from './options.ts';
import type { VerifiedBundle } from './verified-bundle.ts';

/** One of many bundles. What it says of artifact, identities, key, thresholds or witnesses comes before the common options. */
export interface VerificationRequest extends Partial<Omit<VerifyOptions, 'trust'>> {
  /** JSON text, its UTF-8 bytes, the parsed value, or the result of `parseBundle`. */
  readonly bundle: unknown;
}

/** What became of one bundle. A refusal is a result like any other. */
export type VerificationResult =
  | { readonly ok: true; readonly verified: VerifiedBundle }
  | { readonly ok: false; readonly error: SignetError };

export interface VerifyAllOptions extends VerifyOptions {
  /** As many as the machine has cores, when absent. */
  readonly threads?: number;
}

/**
 * Verifies many bundles in worker threads. Results come in the order of the requests. Requests are taken as results are: no
 * more than a few for each thread are ever under way, however long the list. Where the caller stops early, the threads stop.
 *
 * @example
 * const requests = files.map((file) => ({ bundle: readFileSync(file) }));
 * for await (const result of verifyAll(requests, { trust, identities })) {
 *   if (!result.ok) console.error(result.error.code, result.error.message);
 * }
 *
 * @param requests may be endless, and may throw: after the results that came before
 * @throws only what `requests` throws, and faults of Signet itself
 */
export async function* verifyAll(
  requests: Iterable<VerificationRequest> | AsyncIterable<VerificationRequest>,
  options: VerifyAllOptions,
): AsyncGenerator<VerificationResult, void, undefined> {
  // Loaded here: who verifies one bundle needs no threads.
  const { VerifierPool } = await import('./verifier-pool.ts');
  const pool = new VerifierPool(options);
  // What is done and not yet taken counts as well: a caller that stops taking stops the work.
  const underWay = new BoundedQueue<{ readonly result: Promise<VerificationResult> }>(pool.capacity);
  const feed = async (): Promise<void> => {
    for await (const request of requests) {
      if (!(await underWay.room())) return;
      const result = pool.verify(request);
      // It is heard when its turn comes.
      result.catch(() => undefined);
      underWay.give({ result });
    }
  };
  feed().then(
    () => underWay.end(),
    (error: unknown) => underWay.end({ error }),
  );
  try {
    for (let next = await underWay.oldest(); next !== undefined; next = await underWay.oldest()) {
      yield await next.result;
      underWay.drop();
    }
  } finally {
    underWay.close();
    await pool.close();
  }
}
