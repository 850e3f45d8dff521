import { askTime, splitServer, type TimeAnswer } from './network-time.ts';

/** How a clock is compared with those of time servers. */
export interface TimeWatchOptions {
  /** Host, or `host:port`. The majority of those that answer decides. */
  readonly servers: readonly string[];
  /** How far the clock may be off, milliseconds. */
  readonly maxDriftMilliseconds: number;
  /** Default one minute. */
  readonly everyMilliseconds?: number;
  /** Default: {@link askTime}. */
  readonly ask?: (server: string) => Promise<TimeAnswer>;
}

/**
 * Compares this machine's clock with time servers. It stops being believed when the majority of those that answer says that it is
 * off, and is believed again when they agree. Silence changes nothing: who could cut the servers off could otherwise stop the
 * authority, and a clock does not become wrong by it.
 */
export class TimeWatch {
  readonly #options: TimeWatchOptions;
  #believed = true;
  #drift: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @throws ERR_CLOCK for a server that cannot be one */
  constructor(options: TimeWatchOptions) {
    for (const server of options.servers) splitServer(server);
    this.#options = options;
  }

  /** Whether the clock agrees with the time servers, as far as is known. */
  get isBelieved(): boolean {
    return this.#believed;
  }

  /** How far the clock was off at the last look, milliseconds; undefined while nobody has answered. */
  get driftMilliseconds(): number | undefined {
    return this.#drift;
  }

  /** Looks now, and then again and again until {@link TimeWatch.stop}. Resolves after the first look. */
  async start(): Promise<void> {
    await this.look();
    this.#timer = setInterval(() => {
      void this.look();
    }, this.#options.everyMilliseconds ?? 60_000);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Asks all servers once. */
  async look(): Promise<void> {
    const { servers, maxDriftMilliseconds, ask = askTime } = this.#options;
    const results = await Promise.allSettled(servers.map((server) => ask(server)));
    // A long way makes an answer inexact; it is taken to mean what suits the clock best.
    const drifts = results
      .flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
      .map(({ offset, delay }) => Math.max(0, Math.abs(offset) - delay / 2))
      .sort((a, b) => a - b);
    // Of an even number the smaller one of the middle: a tie does not stop the authority.
    const median = drifts[Math.floor((drifts.length - 1) / 2)];
    if (median === undefined) return;
    this.#drift = median;
    this.#believed = median <= maxDriftMilliseconds;
  }
}
