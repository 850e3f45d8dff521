import { SignetError } from '@signet/primitives/formats';
import { type RateLimit, TokenBuckets } from './token-buckets.ts';

/** How fast a log may be used, by whom. What is absent is not limited. */
export interface RateLimits {
  /** Requests to log an entry, of one address. */
  readonly address?: RateLimit;
  /** Entries signed by identities of one issuer. */
  readonly issuer?: RateLimit;
  /** Entries signed by one identity, or by one key without a certificate. */
  readonly identity?: RateLimit;
  /** Searches, of one address. */
  readonly search?: RateLimit;
}

/** Who has signed an entry. */
export interface EntrySigner {
  readonly issuer?: string;
  readonly identity: string;
}

/** A request that comes too early; `retryAfter` are whole seconds. */
export class RateLimitError extends SignetError {
  readonly retryAfter: number;

  constructor(message: string, retryAfter: number) {
    super('ERR_LOG_RATE', message);
    this.retryAfter = retryAfter;
  }
}

/** Applies {@link RateLimits}. */
export class RateLimiter {
  readonly #limits: RateLimits;
  readonly #buckets: ReadonlyMap<keyof RateLimits, TokenBuckets>;

  constructor(limits: RateLimits, now?: () => number) {
    this.#limits = limits;
    this.#buckets = new Map(
      (['address', 'issuer', 'identity', 'search'] as const).flatMap((what) => {
        const limit = limits[what];
        return limit === undefined ? [] : [[what, new TokenBuckets(limit, now)]];
      }),
    );
  }

  /** Whether {@link takeEntry} needs to know who has signed. */
  get asksForSigners(): boolean {
    return this.#buckets.has('issuer') || this.#buckets.has('identity');
  }

  /** @throws ERR_LOG_RATE */
  takeRequest(what: 'address' | 'search', address: string): void {
    this.#take(what, address, what === 'search' ? 'searches from this address' : 'requests from this address');
  }

  /** @throws ERR_LOG_RATE */
  takeEntry(signers: readonly EntrySigner[]): void {
    for (const { issuer, identity } of signers) {
      if (issuer !== undefined) this.#take('issuer', issuer, 'entries of this issuer');
      this.#take('identity', `${issuer ?? ''} ${identity}`, 'entries of this identity');
    }
  }

  #take(what: keyof RateLimits, key: string, name: string): void {
    const wait = this.#buckets.get(what)?.take(key) ?? 0;
    if (wait === 0) return;
    const limit = this.#limits[what];
    const seconds = Math.max(1, Math.ceil(wait));
    const allowed = `${limit?.perSecond} a second and ${limit?.burst} at once`;
    throw new RateLimitError(`too many ${name}: allowed are ${allowed}; try again in ${seconds} s`, seconds);
  }
}
