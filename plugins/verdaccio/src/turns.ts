/** Ends a turn, once; calling it again does nothing. */
export type EndTurn = () => void;

interface Waiting {
  readonly isGone: () => boolean;
  readonly start: (end: EndTurn | undefined) => void;
}

/** Lets so much of some work run at the same time, and so much wait for it. */
export class Turns {
  readonly #atOnce: number;
  readonly #atMost: number;
  readonly #waiting: Waiting[] = [];
  #running = 0;

  /**
   * @param atOnce how many run at the same time
   * @param atMost how many may wait beside them
   */
  constructor(atOnce: number, atMost: number = Number.POSITIVE_INFINITY) {
    this.#atOnce = atOnce;
    this.#atMost = atMost;
  }

  /** Whether nobody can be let wait any more. */
  get isFull(): boolean {
    return this.#running >= this.#atOnce && this.#waiting.length >= this.#atMost;
  }

  /**
   * Waits for a turn.
   *
   * @param options.isGone asked when the turn comes: whether nobody wants the work any more
   * @param options.first comes before all that wait
   * @returns what ends the turn; undefined when nobody wanted it any more
   */
  take(
    options: { readonly isGone?: () => boolean; readonly first?: boolean | undefined } = {},
  ): Promise<EndTurn | undefined> {
    return new Promise((start) => {
      const waiting = { isGone: options.isGone ?? (() => false), start };
      if (options.first) this.#waiting.unshift(waiting);
      else this.#waiting.push(waiting);
      this.#next();
    });
  }

  /** Takes those out of the queue whose work nobody wants any more. */
  sweep(): void {
    for (const waiting of this.#waiting.filter(({ isGone }) => isGone())) {
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
      waiting.start(undefined);
    }
  }

  #next(): void {
    while (this.#running < this.#atOnce) {
      const waiting = this.#waiting.shift();
      if (waiting === undefined) return;
      if (waiting.isGone()) {
        waiting.start(undefined);
        continue;
      }
      this.#running += 1;
      let ended = false;
      waiting.start(() => {
        if (ended) return;
        ended = true;
        this.#running -= 1;
        this.#next();
      });
    }
  }
}
