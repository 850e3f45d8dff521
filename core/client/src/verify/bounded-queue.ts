/** Hands items from one async task to another, in order. The giver waits while too many lie there, the taker while none does. */
export class BoundedQueue<T> {
  readonly #capacity: number;
  readonly #items: T[] = [];
  #state: 'open' | 'ended' | 'closed' = 'open';
  #failure: { readonly error: unknown } | undefined;
  #wakeGiver: (() => void) | undefined;
  #wakeTaker: (() => void) | undefined;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Waits for room. @returns false when nobody takes any more */
  async room(): Promise<boolean> {
    while (this.#state === 'open' && this.#items.length >= this.#capacity) {
      await new Promise<void>((resolve) => {
        this.#wakeGiver = resolve;
      });
    }
    return this.#state === 'open';
  }

  give(item: T): void {
    this.#items.push(item);
    this.#wakeTaker?.();
  }

  /** Nothing more comes. The taker gets what lies there, and then the failure. */
  end(failure?: { readonly error: unknown }): void {
    if (this.#state === 'open') this.#state = 'ended';
    this.#failure = failure;
    this.#wakeTaker?.();
  }

  /** Nobody takes any more. */
  close(): void {
    this.#state = 'closed';
    this.#wakeGiver?.();
  }

  /** The oldest item, which stays until {@link drop}; undefined after the last. */
  async oldest(): Promise<T | undefined> {
    while (this.#items.length === 0) {
      if (this.#state !== 'open') {
        if (this.#failure !== undefined) throw this.#failure.error;
        return undefined;
      }
      await new Promise<void>((resolve) => {
        this.#wakeTaker = resolve;
      });
    }
    return this.#items[0];
  }

  /** Makes room for another. */
  drop(): void {
    this.#items.shift();
    this.#wakeGiver?.();
  }
}
