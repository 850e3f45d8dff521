import type { TarballVerdict } from './storage.ts';

interface Verdict {
  readonly refusal: TarballVerdict;
  readonly rules: string;
  readonly until: number;
}

/** Verdicts that are kept; the least recently reached go first. */
const maximumVerdicts = 50_000;

/** A refusal is thought over again this soon, milliseconds: what was missing may have come, or been stored by another process. */
const retryAfter = 5000;

/** Keeps verdicts about files for a while, and lets one judgement of a file run at a time. */
export class VerdictCache {
  readonly #lifetime: number;
  readonly #verdicts = new Map<string, Verdict>();
  readonly #running = new Map<string, Promise<TarballVerdict>>();

  /** @param lifetime of a verdict that lets pass, milliseconds */
  constructor(lifetime: number) {
    this.#lifetime = lifetime;
  }

  /** Judges a file anew from now on. */
  forget(key: string): void {
    this.#verdicts.delete(key);
    // What is being judged now was read before the change.
    this.#running.delete(key);
  }

  /** Judges every file anew whose key begins with `prefix`. */
  forgetBelow(prefix: string): void {
    for (const map of [this.#verdicts, this.#running]) {
      for (const key of map.keys()) if (key.startsWith(prefix)) map.delete(key);
    }
  }

  /**
   * The verdict at hand, or a new one.
   *
   * @param rules verdicts that were reached under others do not count
   * @param examine must not reject
   */
  judge(key: string, rules: string, examine: () => Promise<TarballVerdict>): TarballVerdict | Promise<TarballVerdict> {
    const known = this.#verdicts.get(key);
    if (known !== undefined && known.rules === rules && Date.now() < known.until) return known.refusal;
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const judging: Promise<TarballVerdict> = examine().then((refusal) => {
      if (this.#running.get(key) !== judging) return refusal;
      this.#running.delete(key);
      this.#keep(key, { refusal, rules, until: Date.now() + (refusal === undefined ? this.#lifetime : retryAfter) });
      return refusal;
    });
    this.#running.set(key, judging);
    return judging;
  }

  #keep(key: string, verdict: Verdict): void {
    // Names that do not exist are asked for without end.
    if (verdict.refusal !== undefined && 'status' in verdict.refusal && verdict.refusal.status === 404) return;
    this.#verdicts.delete(key);
    this.#verdicts.set(key, verdict);
    for (const oldest of this.#verdicts.keys()) {
      if (this.#verdicts.size <= maximumVerdicts) break;
      this.#verdicts.delete(oldest);
    }
  }
}
