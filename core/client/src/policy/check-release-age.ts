import { days, type Problem, provenanceTypes, withoutRegistrySignature } from './check-requirement.ts';
import { describeBundle, type PackageFacts, signedBy } from './facts.ts';
import type { Rule } from './policy.ts';

/**
 * Checks that a release has been there for as long as a rule wants: malicious releases are mostly found within days.
 *
 * The time is that of the provenance, or of the first signature where there is none, as a log or timestamp authority vouches for it. A
 * registry can date a release back; a later scan does not make it younger. Without evidence there is nothing to measure, which the
 * rule's requirements say already.
 */
export function checkReleaseAge({ minimumReleaseAge }: Rule, { attestations }: PackageFacts, now: Date): Problem[] {
  if (minimumReleaseAge === undefined) return [];
  const signed = withoutRegistrySignature(attestations);
  const provenance = signed.filter(({ predicateType }) => provenanceTypes.includes(predicateType));
  const [first] = (provenance.length > 0 ? provenance : signed)
    .map(({ verified }) => ({ verified, time: signedBy(verified)?.getTime() ?? now.getTime() }))
    .sort((a, b) => a.time - b.time);
  if (first === undefined || now.getTime() - first.time >= minimumReleaseAge) return [];
  const available = new Date(first.time + minimumReleaseAge).toISOString().replace(/\.\d+Z$/, 'Z');
  return [
    {
      code: 'TP140',
      message: `released ${days(now.getTime() - first.time)} ago`,
      expected: `at least ${days(minimumReleaseAge)}`,
      found: days(now.getTime() - first.time),
      evidence: describeBundle(first.verified),
      next: `wait until ${available}, or stay with an earlier version`,
    },
  ];
}
