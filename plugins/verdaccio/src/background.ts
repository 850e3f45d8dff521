import type { Logger } from './verdaccio-host.ts';

let enabled = true;

/**
 * Says whether plugins that are set up from now on do anything unasked. A command that only looks at a storage switches it
 * off.
 */
export function setBackgroundWork(on: boolean): void {
  enabled = on;
}

/** Work that nobody waits for, one piece after the other. What fails is logged; it is of a kind that can be done again later. */
export class Background {
  readonly #logger: Logger;
  readonly #enabled = enabled;
  readonly #end = new AbortController();
  #tail: Promise<void> = Promise.resolve();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Does the work when everything before it is done. */
  run(work: (signal: AbortSignal) => Promise<unknown>): void {
    if (!this.#enabled) return;
    const { signal } = this.#end;
    this.#tail = this.#tail.then(async () => {
      if (signal.aborted) return;
      try {
        await work(signal);
      } catch (error) {
        if (signal.aborted) return;
        const reason = error instanceof Error ? error.message : String(error);
        this.#logger.error({ reason }, 'in the background: @{reason}');
      }
    });
  }

  /** Resolves when everything that was asked for so far is done. */
  idle(): Promise<void> {
    return this.#tail;
  }

  /** Ends what runs, drops what waits. */
  async close(): Promise<void> {
    this.#end.abort();
    await this.#tail;
  }
}
