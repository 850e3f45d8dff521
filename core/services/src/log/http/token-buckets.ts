/** How much is allowed of something. */
export interface RateLimit {
  /** In the long run. */
  readonly perSecond: number;
  /** At once, after a pause. */
  readonly burst: number;
}

interface Bucket {
  tokens: number;
  /** Milliseconds on the monotonic clock at which `tokens` was right. */
  time: number;
}

// Whoever has many addresses must not fill the memory with them.
const maximumBuckets = 100_000;

/** A token bucket for each key. What is forgotten first, when there are too many, is what was asked for longest ago. */
export class TokenBuckets {
  readonly #limit: RateLimit;
  readonly #now: () => number;
  readonly #buckets = new Map<string, Bucket>();

  /** @param now a monotonic clock in milliseconds */
  constructor(limit: RateLimit, now: () => number = () => performance.now()) {
    this.#limit = limit;
    this.#now = now;
  }

  /** Takes a token. @returns 0, or the seconds after which there is one */
  take(key: string): number {
    const { perSecond, burst } = this.#limit;
    const time = this.#now();
    const bucket = this.#buckets.get(key) ?? { tokens: burst, time };
    bucket.tokens = Math.min(burst, bucket.tokens + ((time - bucket.time) / 1000) * perSecond);
    bucket.time = time;
    // Map iterates in order of insertion, so the first key is the one asked for longest ago.
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > maximumBuckets) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    if (bucket.tokens < 1) return (1 - bucket.tokens) / perSecond;
    bucket.tokens -= 1;
    return 0;
  }
}
