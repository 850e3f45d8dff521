import { SignetError } from '@signet/primitives/basics';
import { checkEvidence } from './check-evidence.ts';
import { checkPin, type PinContext } from './check-pin.ts';
import { checkReleaseAge } from './check-release-age.ts';
import { checkRequirement, isExplained, withoutRegistrySignature } from './check-requirement.ts';
import { applyExceptions } from './exceptions.ts';
import type { PackageFacts } from './facts.ts';
import { matchesName } from './name-pattern.ts';
import { ownersOf } from './ownership.ts';
import type { Policy } from './policy.ts';
import type { Decision, Violation } from './violation.ts';

/**
 * Decides about one package version. Every matching rule must hold; of a requirement's publishers any one is enough. Evidence that
 * is present and does not verify, that another trust root vouches for, or that is distrusted denies the package in every mode. Only exceptions
 * loosen anything.
 *
 * @throws ERR_POLICY_INVALID for a policy whose `extends` nobody followed
 * @param facts what was verified about the package, and what did not verify
 * @param options.now the time to which ages are compared, default the clock's
 * @param options.pins what was verified before, and whether that may be added to
 * @param options.publishing the package is only just being published, so that its age is no reason against it
 */
export function evaluatePolicy(
  policy: Policy,
  facts: PackageFacts,
  options: { readonly now?: Date; readonly publishing?: boolean; readonly pins?: PinContext | undefined } = {},
): Decision {
  assertComplete(policy);
  const { name, version } = facts;
  const now = options.now ?? new Date();
  const rules = policy.rules.filter(({ match }) => matchesName(match, name, version));
  const owners = ownersOf(policy, name);
  const { accepted, refused, violations } = checkEvidence(policy, owners, facts, rules.length > 0);
  for (const rule of rules) {
    const known = { ...facts, attestations: accepted };
    const problems = rule.require.flatMap((requirement) =>
      checkRequirement(policy, requirement, known, now).filter(
        (problem) => !isExplained(problem, requirement, refused),
      ),
    );
    const severity = rule.mode === 'warn' ? 'warning' : 'error';
    const tooYoung = options.publishing === true ? [] : checkReleaseAge(rule, known, now);
    for (const problem of [...problems, ...tooYoung]) {
      violations.push({ ...problem, severity, rule: rule.id, package: `${name}@${version}` });
    }
  }
  if (rules.length === 0 && policy.noMatch !== 'allow') violations.push(noRule(policy, name, version));
  const pinned =
    options.pins === undefined
      ? undefined
      : checkPin(policy.pins, options.pins, facts, withoutRegistrySignature(accepted));
  for (const problem of pinned?.problems ?? []) violations.push({ ...problem, package: `${name}@${version}` });
  const judged = applyExceptions(policy, facts, violations, now);
  const [owner] = owners;
  return {
    allowed: judged.every(({ severity }) => severity === 'warning'),
    violations: judged,
    rules: rules.map(({ id }) => id),
    ...(owner === undefined ? {} : { trustRoot: owner.name }),
    ...(pinned?.pin === undefined ? {} : { pin: pinned.pin }),
  };
}

/**
 * Checks that a policy is all that is to be judged by: one that extends others has been put together with them (`layerPolicies`).
 *
 * @throws ERR_POLICY_INVALID
 */
export function assertComplete({ path, extends: layers = [] }: Policy): void {
  if (layers.length === 0) return;
  throw new SignetError(
    'ERR_POLICY_INVALID',
    `${path}: it extends ${layers.map(({ url }) => url).join(', ')}, which is only done for a project`,
    { expected: 'a policy without extends', found: 'extends' },
  );
}

function noRule(policy: Policy, name: string, version: string): Violation {
  return {
    code: 'TP101',
    severity: policy.noMatch === 'deny' ? 'error' : 'warning',
    package: `${name}@${version}`,
    message: `no rule of ${policy.path} matches (noMatch: ${policy.noMatch})`,
    next: `add a rule that says who publishes ${name} (signet policy add)${policy.noMatch === 'deny' ? ', let names without a rule pass with noMatch: warn' : ''}, or remove the package`,
  };
}
