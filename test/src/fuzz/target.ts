import type { Random } from './random.ts';

/** One thing that reads bytes from outside, with the way in which its input is changed. */
export interface Target {
  readonly name: string;
  /** How many runs of the suite it gets, beside the others' shares. */
  readonly share: number;
  /**
   * One run: change an input and read it.
   *
   * @returns when the changed input was accepted
   * @throws Deviation when it was accepted for something else than it is; SignetError when it was refused, as it should
   */
  run(random: Random): 'accepted';
}

/** The fault that the suite looks for besides crashes: an accept of something that is not so. */
export class Deviation extends Error {
  override readonly name = 'Deviation';
}
