import { SignetError } from '@signet/primitives/formats';
import { type ExaminedDocument, examineAttestationDocument } from '../npm/index.ts';
import { evaluatePolicy, type InvalidEvidence, ownersOf } from '../policy/index.ts';
import { type EvidenceRequest, fetchAttestations } from './evidence.ts';
import type { LoadedPolicy } from './policy-file.ts';
import type { Registry } from './registry.ts';
import type { JudgedPackage } from './report.ts';

/** Where evidence comes from and by what it is judged. */
export interface JudgeOptions extends LoadedPolicy {
  /** The registry to ask about a package. */
  readonly registryFor: (name: string) => Registry;
  readonly request?: EvidenceRequest;
}

/** A package version and its bytes. */
export interface PackageToJudge {
  readonly name: string;
  readonly version: string;
  /** Exactly one `sha512-…` */
  readonly integrity: string;
  readonly locations?: readonly string[];
  /** An attestation document that is at hand, so that no registry is asked. */
  readonly document?: unknown;
}

/**
 * Judges one package version: fetches its attestations, verifies them under the trust root that owns the name and against the bytes'
 * hash, and asks the policy.
 *
 * @throws what `fetchAttestations` throws, ERR_TRUST_FILE, ERR_TRUST_MATERIAL; everything else is in the decision
 */
export async function judgePackage(options: JudgeOptions, candidate: PackageToJudge): Promise<JudgedPackage> {
  const { policy, trustRoots } = options;
  const { name, version, integrity } = candidate;
  const [owner, second] = ownersOf(policy, name);
  // Loaded first: without trust there is no use in asking.
  const trust = owner === undefined || second !== undefined ? undefined : await trustRoots.load(owner.name);
  const document =
    candidate.document ?? (await fetchAttestations(name, version, options.registryFor(name), options.request));
  let examined: ExaminedDocument = { attestations: [], invalid: [], unjudged: 0 };
  if (document !== undefined && trust !== undefined) {
    examined = examine(document, { name, version, integrity, trust });
    examined = { ...examined, invalid: await traceRoots(options, candidate, document, examined.invalid, trust.name) };
  }
  const { attestations, invalid } = examined;
  const decision = evaluatePolicy(policy, { name, version, integrity, attestations, invalid });
  return { name, version, integrity, locations: candidate.locations ?? [], decision, attestations };
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
  { name, version, integrity }: PackageToJudge,
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
