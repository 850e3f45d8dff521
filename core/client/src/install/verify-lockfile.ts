import { SignetError } from '@signet/primitives/formats';
import type { LockedPackage } from '../npm/index.ts';
import { concernsPackage, evaluatePolicy, matchesName, type NamePattern, type Violation } from '../policy/index.ts';
import { type JudgeOptions, judgePackage, type PackageToJudge } from './judge-package.ts';
import { type ProjectLockfile, readProjectLockfile } from './lockfile.ts';
import { lockfileViolations } from './lockfile-violations.ts';
import type { LoadedPolicy } from './policy-file.ts';
import { mapConcurrently } from './pool.ts';
import type { JudgedPackage, LockfileReport } from './report.ts';

export interface VerifyLockfileOptions extends JudgeOptions {
  /** The folder of the lockfile, unless that was read already. */
  readonly projectDirectory: string;
  readonly lockfile?: ProjectLockfile;
  /** Called after each package that was judged. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Requests at once; more do not make one registry faster. */
const concurrency = 16;
const tooManyFailures = 8;

type Candidate = PackageToJudge & { readonly integrity: string; readonly locations: string[] };

/**
 * Judges everything a lockfile lets npm install: for each package that the policy concerns, fetches the attestations, verifies them
 * under the trust root that owns the name, against the lockfile's hash, and asks the policy. Nothing is installed or written.
 *
 * @returns the report, also when the verdict is no
 * @throws ERR_LOCKFILE and its kin, ERR_TRUST_FILE, ERR_TRUST_MATERIAL; what concerns single packages is in the report
 */
export async function verifyLockfile(options: VerifyLockfileOptions): Promise<LockfileReport> {
  const { policy, onProgress } = options;
  const { path, lock } = options.lockfile ?? (await readProjectLockfile(options.projectDirectory));
  const violations: Violation[] = lock.packages.flatMap((entry) => lockfileViolations(policy, entry));
  const { candidates, unmatched, local } = sort(options, lock.packages, violations);
  const failures: LockfileReport['failures'][number][] = [];
  let done = 0;
  const judged = await mapConcurrently(candidates, concurrency, async (candidate) => {
    const result = await judgeUnlessLost(options, candidate, failures.length).catch((error: unknown) => {
      if (!(error instanceof SignetError) || error.code.startsWith('ERR_TRUST')) throw error;
      options.request?.signal?.throwIfAborted();
      failures.push({ package: `${candidate.name}@${candidate.version}`, error });
      return undefined;
    });
    onProgress?.(++done, candidates.length);
    return result;
  });
  const known = judged.filter((result) => result !== undefined);
  violations.push(...known.flatMap(({ decision }) => decision.violations));
  return {
    lockfile: path,
    judged: known,
    unmatched,
    idleRules: policy.rules
      .filter(({ match }) => !lock.packages.some((entry) => names(match, entry)))
      .map(({ id }) => id),
    local,
    violations,
    failures,
    allowed: failures.length === 0 && violations.every(({ severity }) => severity === 'warning'),
  };
}

/** Whether patterns name a package of a lockfile; a link may have no version. */
function names(match: readonly NamePattern[], { name, version }: LockedPackage): boolean {
  return matchesName(match, name, version);
}

/** After so many failures the rest would only make a person wait for the same answer. */
async function judgeUnlessLost(options: JudgeOptions, candidate: Candidate, failures: number): Promise<JudgedPackage> {
  if (failures < tooManyFailures || options.offline === true) return await judgePackage(options, candidate);
  throw new SignetError('ERR_NETWORK', 'not asked for its evidence, because too many requests have failed before');
}

/** Those packages whose evidence is needed, each version with the same bytes once; for the others what noMatch says. */
function sort(
  { policy }: LoadedPolicy,
  packages: readonly LockedPackage[],
  violations: Violation[],
): { candidates: readonly Candidate[]; unmatched: number; local: number } {
  const candidates = new Map<string, Candidate>();
  const unmatched = new Set<string>();
  let local = 0;
  for (const { name, version = '', integrity, source, location } of packages) {
    if (source === 'link') {
      local += 1;
      continue;
    }
    const key = `${name}@${version} ${integrity ?? ''}`;
    if (!concernsPackage(policy, name, version, integrity)) {
      if (!unmatched.has(key))
        violations.push(...evaluatePolicy(policy, { name, version, attestations: [] }).violations);
      unmatched.add(key);
    } else if (source === 'registry' && integrity !== undefined) {
      const known = candidates.get(key);
      if (known === undefined) candidates.set(key, { name, version, integrity, locations: [location] });
      else known.locations.push(location);
    }
  }
  return { candidates: [...candidates.values()], unmatched: unmatched.size, local };
}
