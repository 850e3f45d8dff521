import { SignetError } from '@signet/primitives/formats';
import { type ExaminedDocument, examineAttestationDocument, type LockedPackage } from '../npm/index.ts';
import { concernsPackage, evaluatePolicy, type InvalidEvidence, ownersOf, type Violation } from '../policy/index.ts';
import { type EvidenceRequest, fetchAttestations } from './evidence.ts';
import { type ProjectLockfile, readProjectLockfile } from './lockfile.ts';
import { lockfileViolations } from './lockfile-violations.ts';
import type { LoadedPolicy } from './policy-file.ts';
import { mapConcurrently } from './pool.ts';
import type { Registry } from './registry.ts';
import type { JudgedPackage, LockfileReport } from './report.ts';

export interface VerifyLockfileOptions extends LoadedPolicy {
  /** The folder of the lockfile, unless that was read already. */
  readonly projectDirectory: string;
  readonly lockfile?: ProjectLockfile;
  /** The registry to ask about a package. */
  readonly registryFor: (name: string) => Registry;
  /** Open no connection: packages that need evidence are then an error. */
  readonly offline?: boolean;
  readonly request?: EvidenceRequest;
  /** Called after each package that was judged. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Requests at once; more do not make one registry faster. */
const concurrency = 16;

interface Candidate {
  readonly name: string;
  readonly version: string;
  readonly integrity: string;
  readonly locations: string[];
}

/**
 * Judges everything a lockfile lets npm install: for each package that the policy concerns, fetches the attestations, verifies them
 * under the trust root that owns the name, against the lockfile's hash, and asks the policy. Nothing is installed or written.
 *
 * @returns the report, also when the verdict is no
 * @throws ERR_LOCKFILE and its kin, ERR_TRUST_FILE, ERR_TRUST_MATERIAL, ERR_OFFLINE; what concerns single packages is in the report
 */
export async function verifyLockfile(options: VerifyLockfileOptions): Promise<LockfileReport> {
  const { policy, onProgress } = options;
  const { path, lock } = options.lockfile ?? (await readProjectLockfile(options.projectDirectory));
  const violations: Violation[] = lock.packages.flatMap((entry) => lockfileViolations(policy, entry));
  const { candidates, unmatched, local } = sort(options, lock.packages, violations);
  if (options.offline === true && candidates.length > 0) {
    throw new SignetError(
      'ERR_OFFLINE',
      `${candidates.length} packages need evidence from a registry, which --offline forbids`,
    );
  }
  const failures: LockfileReport['failures'][number][] = [];
  let done = 0;
  const judged = await mapConcurrently(candidates, concurrency, async (candidate) => {
    const result = await judge(options, candidate).catch((error: unknown) => {
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
    local,
    violations,
    failures,
    allowed: failures.length === 0 && violations.every(({ severity }) => severity === 'warning'),
  };
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

async function judge(options: VerifyLockfileOptions, candidate: Candidate): Promise<JudgedPackage> {
  const { policy, trustRoots } = options;
  const { name, version, integrity } = candidate;
  const [owner, second] = ownersOf(policy, name);
  // Loaded first: without trust there is no use in asking.
  const trust = owner === undefined || second !== undefined ? undefined : await trustRoots.load(owner.name);
  const document = await fetchAttestations(name, version, options.registryFor(name), options.request);
  let examined: ExaminedDocument = { attestations: [], invalid: [], unjudged: 0 };
  if (document !== undefined && trust !== undefined) {
    examined = examine(document, { name, version, integrity, trust });
    examined = { ...examined, invalid: await traceRoots(options, candidate, document, examined.invalid, trust.name) };
  }
  const { attestations, invalid } = examined;
  const decision = evaluatePolicy(policy, { name, version, integrity, attestations, invalid });
  return { name, version, integrity, locations: candidate.locations, decision, attestations };
}

/** A document that is none is evidence that does not hold. */
function examine(document: unknown, subject: Parameters<typeof examineAttestationDocument>[1]): ExaminedDocument {
  try {
    return examineAttestationDocument(document, subject);
  } catch (error) {
    if (!(error instanceof SignetError)) throw error;
    return { attestations: [], invalid: [{ error }], unjudged: 0 };
  }
}

/** Finds out whether evidence that does not hold would hold under a root that does not own the name: a better word for the same no. */
async function traceRoots(
  { trustRoots }: LoadedPolicy,
  { name, version, integrity }: Candidate,
  document: unknown,
  invalid: readonly InvalidEvidence[],
  owner: string,
): Promise<readonly InvalidEvidence[]> {
  let traced = invalid;
  for (const root of trustRoots.names) {
    if (root === owner || traced.every(({ otherRoot }) => otherRoot !== undefined)) continue;
    const trust = await trustRoots.load(root).catch(() => undefined);
    if (trust === undefined) continue;
    const types = examine(document, { name, version, integrity, trust }).attestations.map(
      ({ predicateType }) => predicateType,
    );
    traced = traced.map((evidence) =>
      evidence.predicateType !== undefined && types.includes(evidence.predicateType)
        ? { ...evidence, otherRoot: root }
        : evidence,
    );
  }
  return traced;
}
