import { matchesName, type NamePattern } from './name-pattern.ts';
import type { Policy } from './policy.ts';
import type { Violation, ViolationCode } from './violation.ts';

/** A known fault that is put up with, for these bytes, for a while, for a reason. Nothing else in a policy loosens it. */
export interface Exception {
  readonly match: NamePattern;
  /** Rules that it is about; undefined for any, and for what no rule asks. */
  readonly rules?: readonly string[];
  readonly codes: readonly ViolationCode[];
  /** `sha512-…`, so that the next release is judged again. */
  readonly integrity: string;
  readonly reason: string;
  readonly expires: Date;
  readonly approvedBy?: string;
  /** The extended policy it comes from, whose rules alone it is about. */
  readonly layer?: string;
}

/** What no exception covers: evidence that is false, foreign or distrusted, and bytes that nothing binds. */
export const unexceptional: ReadonlySet<ViolationCode> = new Set([
  'TP102',
  'TP104',
  'TP106',
  'TP114',
  'TP120',
  'TP121',
  'TP123',
  'TP150',
  'TP301',
]);

/**
 * Turns violations that an exception covers into warnings that name its reason. One that has expired covers nothing, and says so.
 *
 * @param subject the package version and the sha512 that the violations are about
 */
export function applyExceptions(
  policy: Policy,
  subject: { readonly name: string; readonly version: string; readonly integrity?: string | undefined },
  violations: readonly Violation[],
  now: Date,
): Violation[] {
  const relevant = policy.exceptions.filter(
    ({ match, integrity }) => integrity === subject.integrity && matchesName([match], subject.name, subject.version),
  );
  if (relevant.length === 0) return [...violations];
  const expired = new Set<Exception>();
  const judged = violations.map((violation) => {
    if (violation.severity === 'warning' || unexceptional.has(violation.code)) return violation;
    const covering = relevant.filter(
      ({ codes, rules, layer }) =>
        codes.includes(violation.code) &&
        mayCover(policy, layer, violation.rule) &&
        (rules === undefined || (violation.rule !== undefined && rules.includes(violation.rule))),
    );
    const valid = covering.find(({ expires }) => expires > now);
    if (valid === undefined) {
      for (const exception of covering) expired.add(exception);
      return violation;
    }
    const until = valid.expires.toISOString().slice(0, 10);
    const by = valid.approvedBy === undefined ? '' : `, approved by ${valid.approvedBy}`;
    return {
      ...violation,
      severity: 'warning' as const,
      message: `${violation.message}; excepted until ${until}: ${valid.reason}${by}`,
      next: `resolve it before ${until}`,
    };
  });
  const reminders = [...expired].map(
    ({ expires, reason }): Violation => ({
      code: 'TP301',
      severity: 'warning',
      package: `${subject.name}@${subject.version}`,
      message: `the exception expired ${expires.toISOString().slice(0, 10)}: ${reason}`,
      next: `resolve it, or renew the exception in ${policy.path} with a new reason`,
    }),
  );
  return [...judged, ...reminders];
}

/** Within a policy exceptions are about its own rules; where it is extended, only about rules that permit it. */
function mayCover(policy: Policy, layer: string | undefined, ruleId: string | undefined): boolean {
  const rule = policy.rules.find(({ id }) => id === ruleId);
  return rule?.layer === layer || (layer === undefined && rule?.allowExceptions === true);
}
