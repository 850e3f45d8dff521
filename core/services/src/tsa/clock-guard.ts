/** How far the wall clock may move against the monotonic one before it is no longer believed. */
const maxDriftMilliseconds = 1000;
/** After this the two are compared anew: slewing by a time daemon is legitimate and slow. */
const windowMilliseconds = 60_000;
/** How long a clock that jumped is not believed. */
const distrustMilliseconds = 10_000;

/**
 * Watches the wall clock with the monotonic one. A clock that was set while the server ran would make timestamps that
 * are simply false; until it has agreed with itself for a while there is no time to be had. (A machine that slept looks
 * the same: its monotonic clock stood still.)
 */
export class ClockGuard {
  readonly #clock: () => Date;
  readonly #monotonic: () => number;
  #wallStart: number;
  #monotonicStart: number;
  #distrustedUntil = Number.NEGATIVE_INFINITY;

  constructor(clock: () => Date, monotonic: () => number = () => performance.now()) {
    this.#clock = clock;
    this.#monotonic = monotonic;
    this.#wallStart = clock().getTime();
    this.#monotonicStart = monotonic();
  }

  /** The time; undefined while the clock is not to be relied on. */
  now(): Date | undefined {
    const wall = this.#clock();
    const monotonic = this.#monotonic();
    const elapsed = monotonic - this.#monotonicStart;
    const drift = Math.abs(wall.getTime() - this.#wallStart - elapsed);
    const jumped = drift > maxDriftMilliseconds;
    if (jumped) this.#distrustedUntil = monotonic + distrustMilliseconds;
    if (jumped || elapsed > windowMilliseconds) {
      this.#wallStart = wall.getTime();
      this.#monotonicStart = monotonic;
    }
    return monotonic < this.#distrustedUntil ? undefined : wall;
  }
}
