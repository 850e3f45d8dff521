/** Remembers tokens of issuers with `single-use-tokens` until they expire. */
export interface UsedTokens {
  /**
   * Takes a token for one certificate.
   *
   * @param id names the token and reveals nothing of it
   * @param until when the token expires and may be forgotten
   * @returns false when it is taken already
   */
  take(id: string, until: Date): boolean;
  /** Gives a token back for which no certificate was issued in the end. */
  giveBack(id: string): void;
}

const defaultCapacity = 500_000;

/** Keeps used tokens in memory. A restart forgets them, so a token may be used once more within its lifetime then. */
export class MemoryUsedTokens implements UsedTokens {
  readonly #expiry = new Map<string, number>();
  readonly #clock: () => Date;
  readonly #capacity: number;

  constructor(clock: () => Date = () => new Date(), capacity = defaultCapacity) {
    this.#clock = clock;
    this.#capacity = capacity;
  }

  take(id: string, until: Date): boolean {
    const now = this.#clock().getTime();
    const known = this.#expiry.get(id);
    if (known !== undefined && known > now) return false;
    if (this.#expiry.size >= this.#capacity) this.#forgetExpired(now);
    // Full of tokens that are still valid: to forget one would let it be used again, so nothing is taken.
    if (this.#expiry.size >= this.#capacity) return false;
    this.#expiry.set(id, until.getTime());
    return true;
  }

  giveBack(id: string): void {
    this.#expiry.delete(id);
  }

  #forgetExpired(now: number): void {
    for (const [id, until] of this.#expiry) if (until <= now) this.#expiry.delete(id);
  }
}
