/**
 * Lets one publish of a package name run at a time in this process, in order of arrival. What a crash left behind can then
 * be told from what another publish is just writing.
 */
export class NameLock {
  readonly #tails = new Map<string, Promise<void>>();

  /**
   * Waits for its turn.
   *
   * @returns a function that gives the name back; calling it again does nothing
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
    return release;
  }
}
