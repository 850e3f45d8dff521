import { SignetError } from '@signet/primitives/formats';
import { samples } from './corpus.ts';
import { Random } from './random.ts';
import { readerTargets } from './reader-targets.ts';
import type { Target } from './target.ts';
import { verifierTargets } from './verifier-targets.ts';

/** A run that ended as none may: with an error that is not ours, or with an accept of what is not so. */
export interface Failure {
  readonly target: string;
  readonly run: number;
  readonly problem: string;
}

export interface Report {
  readonly runs: number;
  /** By target: how many changed inputs were accepted, and how many refused. */
  readonly counts: Readonly<Record<string, { accepted: number; refused: number }>>;
  readonly failures: readonly Failure[];
}

/** All targets; none where the data folder is absent. */
export function allTargets(): Target[] {
  const found = samples();
  return found.length === 0 ? [] : [...verifierTargets(found), ...readerTargets(found)];
}

const maximumFailures = 20;

/**
 * Runs the suite. Every run has a random generator of its own, so that any of them can be repeated alone.
 *
 * @param first number of the first run
 * @param onRun called before each run with its number
 */
export function fuzz(
  targets: readonly Target[],
  options: {
    readonly seed: number;
    readonly first: number;
    readonly runs: number;
    readonly onRun?: (run: number) => void;
  },
): Report {
  const lots = targets.flatMap((target) => Array<Target>(target.share).fill(target));
  const counts = Object.fromEntries(targets.map(({ name }) => [name, { accepted: 0, refused: 0 }]));
  const failures: Failure[] = [];
  let run = options.first;
  for (; run < options.first + options.runs && failures.length < maximumFailures; run++) {
    options.onRun?.(run);
    const random = new Random(options.seed, run);
    const target = random.pick(lots);
    const count = counts[target.name] ?? { accepted: 0, refused: 0 };
    try {
      target.run(random);
      count.accepted++;
    } catch (error) {
      if (error instanceof SignetError) count.refused++;
      else failures.push({ target: target.name, run, problem: describe(error) });
    }
  }
  return { runs: run - options.first, counts, failures };
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
