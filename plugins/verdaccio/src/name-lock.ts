/** Takes a name for this process among all that share a storage. @returns what gives it back */
export type SharedLock = (name: string) => Promise<() => Promise<void>>;

/**
 * Lets one publish of a package name run at a time, in order of arrival in this process. What a crash left behind can then be told
 * from what another publish is just writing.
 */
export class NameLock {
  readonly #tails = new Map<string, Promise<void>>();
  readonly #shared: SharedLock | undefined;

  /** @param shared also keeps other processes away; without it the lock is this process's alone */
  constructor(shared?: SharedLock) {
    this.#shared = shared;
  }

  /**
   * Waits for its turn.
   *
   * @returns a function that gives the name back; calling it again does nothing
   * @throws what the shared lock throws
   */
  async acquire(name: string): Promise<() => void> {
    const before = this.#tails.get(name);
    let release: () => void = () => {};
    const mine = new Promise<void>((resolve) => {
      release = resolve;
    });
    const tail = (before ?? Promise.resolve()).then(() => mine);
    this.#tails.set(name, tail);
    // The last one out removes the entry, so that names do not pile up.
    tail.then(() => {
      if (this.#tails.get(name) === tail) this.#tails.delete(name);
    });
    await before;
    if (this.#shared === undefined) return release;
    try {
      const unlock = await this.#shared(name);
      let isHeld = true;
      return () => {
        // What could not be given back expires; nobody here waits for longer than that.
        if (isHeld) unlock().then(release, release);
        isHeld = false;
      };
    } catch (error) {
      release();
      throw error;
    }
  }
}
