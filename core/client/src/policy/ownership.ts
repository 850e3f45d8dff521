import { matchesName } from './name-pattern.ts';
import type { Policy, TrustRootReference } from './policy.ts';
import type { TrustLock } from './trust-lock.ts';

/**
 * The trust roots that own a name: those whose `packages` name it or, if there are none, the root without `packages`.
 *
 * A private root is never asked about a name it does not own, and for an owned name no other root counts. So a private authority
 * can't vouch for a public package, and nobody else can for a private one (ARCHITECTURE 9).
 *
 * @returns exactly one where all is well; none or several are for the caller to refuse
 */
export function ownersOf(policy: Policy, name: string): readonly TrustRootReference[] {
  const owners = policy.trustRoots.filter(
    ({ packages }) => packages !== undefined && matchesName(packages, name, undefined),
  );
  return owners.length > 0 ? owners : policy.trustRoots.filter(({ packages }) => packages === undefined);
}

/** Whether a trust root that names its packages owns the name. */
export function isPrivateName(policy: Policy, name: string): boolean {
  return policy.trustRoots.some(({ packages }) => packages !== undefined && matchesName(packages, name, undefined));
}

/**
 * Whether the policy says anything about a package version: it has a private root's name, a rule is about it, or its bytes are
 * distrusted.
 */
export function concernsPackage(
  policy: Policy,
  name: string,
  version: string,
  integrity?: string,
  lock?: TrustLock | undefined,
): boolean {
  return (
    policy.pins.tofu !== undefined ||
    lock?.packages.has(name) === true ||
    isPrivateName(policy, name) ||
    policy.rules.some(({ match }) => matchesName(match, name, version)) ||
    policy.distrust.some(({ what }) => what.kind === 'integrity' && what.integrity === integrity)
  );
}
