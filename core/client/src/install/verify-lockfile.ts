import { basename } from 'node:path';
import { SignetError } from '@signet/primitives/basics';
import type { LockedPackage } from '../npm/lockfile/index.ts';
import {
  concernsPackage,
  evaluatePolicy,
  matchesName,
  type NamePattern,
  ownersOf,
  type Pin,
  type Violation,
  versionSet,
} from '../policy/index.ts';
import type { VerificationResult } from '../verify/index.ts';
import type { EvidenceFile } from './evidence-file.ts';
import type { JudgeOptions, PackageToJudge } from './judge-package.ts';
import { type ProjectLockfile, readProjectLockfile } from './lockfile.ts';
import { lockfileViolations } from './lockfile-violations.ts';
import { mapConcurrently } from './pool.ts';
import { projectViolations } from './project-violations.ts';
import type { JudgedPackage, LockfileReport } from './report.ts';
import { VerdictCache, type VerdictSubject } from './verdict-cache.ts';

export interface VerifyLockfileOptions extends Omit<JudgeOptions, 'evidence' | 'answers'> {
  /** Evidence at hand; as a function it is read only when something is not known yet. */
  readonly evidence?: EvidenceFile | (() => Promise<EvidenceFile | undefined>) | undefined;
  /** The folder of the lockfile, unless that was read already. */
  readonly projectDirectory: string;
  readonly lockfile?: ProjectLockfile;
  /** Judge packages, too, that the policy says nothing about. */
  readonly everything?: boolean;
  /** What earlier runs verified. */
  readonly verdicts?: VerdictCache | undefined;
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
  const rules = { policy, lock: options.pins?.lock };
  const project = isNpms(path) ? await projectViolations(rules, options.projectDirectory, lock) : undefined;
  const violations: Violation[] = lock.packages.flatMap((entry) =>
    lockfileViolations(rules, entry, project === undefined),
  );
  for (const one of project ?? []) if (!violations.some((other) => saysMore(other, one))) violations.push(one);
  const { candidates, unmatched, local } = sort(options, lock.packages, violations);
  const failures: LockfileReport['failures'][number][] = [];
  const known = new Map<Candidate, JudgedPackage>();
  for (const candidate of candidates) {
    const recalled = options.verdicts === undefined ? undefined : await recall(options, candidate);
    if (recalled !== undefined) known.set(candidate, recalled);
  }
  let done = known.size;
  const unknown = candidates.filter((candidate) => !known.has(candidate));
  const judge = unknown.length === 0 ? undefined : await judgeWith(options, unknown);
  const fresh = await mapConcurrently(unknown, concurrency, async (candidate) => {
    const result = await judge?.(candidate, failures.length).catch((error: unknown) => {
      if (!(error instanceof SignetError) || error.code.startsWith('ERR_TRUST')) throw error;
      options.request?.signal?.throwIfAborted();
      failures.push({ package: `${candidate.name}@${candidate.version}`, error });
      return undefined;
    });
    onProgress?.(++done, candidates.length);
    return result;
  });
  for (const [index, candidate] of unknown.entries()) {
    const result = fresh[index];
    if (result === undefined) continue;
    known.set(candidate, result);
    await remember(options, candidate, result);
  }
  const judged = candidates.flatMap((candidate) => known.get(candidate) ?? []);
  violations.push(...judged.flatMap(({ decision }) => decision.violations));
  return {
    lockfile: path,
    judged,
    newPins: await newPins(options, judged),
    unmatched,
    idleRules: policy.rules
      .filter(({ match }) => !lock.packages.some((entry) => names(match, entry)))
      .map(({ id }) => id),
    local,
    violations,
    failures,
    remembers: options.verdicts !== undefined,
    allowed: failures.length === 0 && violations.every(({ severity }) => severity === 'warning'),
  };
}

/** Whether npm installs from it, beside a package.json. */
function isNpms(path: string): boolean {
  return ['package-lock.json', 'npm-shrinkwrap.json'].includes(basename(path));
}

/** Whether a violation already says of a version what another says of its name. */
function saysMore(known: Violation, other: Violation): boolean {
  const same = known.package === other.package || known.package.startsWith(`${other.package}@`);
  return same && known.code === other.code && (known.severity === 'error' || other.severity === 'warning');
}

/** Whether patterns name a package of a lockfile; a link may have no version. */
function names(match: readonly NamePattern[], { name, version }: LockedPackage): boolean {
  return matchesName(match, name, version);
}

/** Loaded only where there is something to verify: a run in which everything is known needs no cryptography. */
async function judgeWith(
  options: VerifyLockfileOptions,
  unknown: readonly Candidate[],
): Promise<(candidate: Candidate, failures: number) => Promise<JudgedPackage>> {
  const [{ judgePackage }, { fetchEvidenceBatch }] = await Promise.all([
    import('./judge-package.ts'),
    import('./evidence-batch.ts'),
  ]);
  const { offline, registryFor, request } = options;
  const evidence = typeof options.evidence === 'function' ? await options.evidence() : options.evidence;
  const unsettled = unknown.filter(
    ({ name, version, integrity }) => (evidence?.bundlesFor(name, version, integrity) ?? []).length === 0,
  );
  const answers = offline === true ? undefined : await fetchEvidenceBatch(unsettled, registryFor, request);
  const verifiedAhead = await aheadOf(options, unsettled, answers);
  return async (candidate, failures) => {
    // After so many failures the rest would only make a person wait for the same answer.
    if (failures < tooManyFailures || offline === true) {
      return await judgePackage(
        { ...options, evidence, ...(answers === undefined ? {} : { answers, verifiedAhead }) },
        candidate,
      );
    }
    throw new SignetError('ERR_NETWORK', 'not asked for its evidence, because too many requests have failed before');
  };
}

/** Verifies what a batch brought on all cores, root by root; what comes one by one is verified as it comes. */
async function aheadOf(
  { policy, trustRoots }: VerifyLockfileOptions,
  unsettled: readonly Candidate[],
  answers: ReadonlyMap<string, unknown> = new Map(),
): Promise<ReadonlyMap<unknown, VerificationResult>> {
  if (answers.size === 0) return new Map();
  const [{ bundlesIn, verifyAhead }, { batchKey }] = await Promise.all([
    import('./verify-ahead.ts'),
    import('./evidence-batch.ts'),
  ]);
  const byRoot = new Map<string, unknown[]>();
  for (const candidate of unsettled) {
    const [owner, second] = ownersOf(policy, candidate.name);
    const bundles = bundlesIn(answers.get(batchKey(candidate)));
    if (owner === undefined || second !== undefined || bundles.length === 0) continue;
    byRoot.set(owner.name, [...(byRoot.get(owner.name) ?? []), ...bundles]);
  }
  const roots = [...byRoot].map(async ([name, bundles]) => {
    const { witnesses } = await trustRoots.vouchers(name);
    return { trust: await trustRoots.load(name), bundles, ...(witnesses === undefined ? {} : { witnesses }) };
  });
  return await verifyAhead(await Promise.all(roots));
}

/** What an earlier run verified, if the policy accepts it today. What it does not accept may have changed, and is asked for again. */
async function recall(options: VerifyLockfileOptions, candidate: Candidate): Promise<JudgedPackage | undefined> {
  const subject = await verdictSubject(options, candidate);
  const verdict = subject && options.verdicts?.recall(subject);
  if (verdict === undefined) return undefined;
  const { name, version, integrity, locations } = candidate;
  const { attestations, verifiedAt } = verdict;
  const decision = evaluatePolicy(options.policy, { name, version, integrity, attestations }, { pins: options.pins });
  if (!decision.allowed) return undefined;
  const complete = attestations.length > 0 && decision.violations.length === 0;
  // Offline there is nobody to ask, and what a day ago was enough still is.
  if (!complete && options.offline !== true && VerdictCache.mayBeOutdated(verdict)) return undefined;
  return { name, version, integrity, locations, decision, attestations, verifiedAt };
}

/**
 * Pins for what was never seen before or is proven better now, each with the set of versions that the registry lists, so that none can be
 * slipped in between them later.
 */
async function newPins(
  options: VerifyLockfileOptions,
  judged: readonly JudgedPackage[],
): Promise<ReadonlyMap<string, Pin>> {
  const pins = new Map<string, JudgedPackage & { decision: { pin: Pin } }>();
  for (const one of judged) {
    const { pin } = one.decision;
    if (pin === undefined || !one.decision.allowed) continue;
    // Of several versions the one signed last says who publishes now.
    const other = pins.get(one.name)?.decision.pin;
    if (other === undefined || (other.since.time ?? '') < (pin.since.time ?? '')) {
      pins.set(one.name, { ...one, decision: { ...one.decision, pin } });
    }
  }
  if (pins.size === 0 || options.pins === undefined) return new Map();
  const created = new Date(options.pins.lock.created);
  const { fetchReleases } = await import('./releases.ts');
  const entries = await mapConcurrently([...pins.values()], concurrency, async ({ name, version, decision }) => {
    const claim = options.offline
      ? undefined
      : await fetchReleases(name, version, await options.registryFor(name), options.request).catch((error: unknown) => {
          options.request?.signal?.throwIfAborted();
          // A pin without versions still pins the publisher.
          if (error instanceof SignetError) return undefined;
          throw error;
        });
    const listed = claim?.versions.filter(({ published }) => published <= created).map((one) => one.version);
    return [name, { ...decision.pin, ...(listed === undefined ? {} : { versions: versionSet(listed) }) }] as const;
  });
  return new Map(entries);
}

/** Keeps what verified. What did not is found out again each time, so that nobody lives with an old no. */
async function remember(options: VerifyLockfileOptions, candidate: Candidate, result: JudgedPackage): Promise<void> {
  if (options.verdicts === undefined || !result.decision.allowed) return;
  const subject = await verdictSubject(options, candidate);
  if (subject !== undefined) options.verdicts.keep(subject, result.attestations);
}

async function verdictSubject(
  { policy, trustRoots, verdicts }: VerifyLockfileOptions,
  { name, version, integrity }: Candidate,
): Promise<VerdictSubject | undefined> {
  const [owner, second] = ownersOf(policy, name);
  if (verdicts === undefined || owner === undefined || second !== undefined) return undefined;
  const rootDigest = await trustRoots.digest(owner.name);
  return rootDigest === undefined ? undefined : { name, version, integrity, rootDigest };
}

/** Those packages whose evidence is needed, each version with the same bytes once; for the others what noMatch says. */
function sort(
  { policy, pins, everything = false }: VerifyLockfileOptions,
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
    if (!everything && !concernsPackage(policy, name, version, integrity, pins?.lock)) {
      // A policy that allows what it does not name has nothing to say about it.
      if (policy.noMatch !== 'allow' && !unmatched.has(key))
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
