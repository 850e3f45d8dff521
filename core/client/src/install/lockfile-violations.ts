import type { LockedPackage } from '../npm/lockfile/index.ts';
import {
  applyExceptions,
  concernsPackage,
  isPrivateName,
  matchesName,
  type Policy,
  type TrustLock,
  type Violation,
} from '../policy/index.ts';

/** What a lockfile and the files beside it are judged by. */
export interface ProjectRules {
  readonly policy: Policy;
  /** Packages that were proven before: to be held to that, a name must not be served from elsewhere. */
  readonly lock?: TrustLock | undefined;
}

/**
 * What a lockfile says of one package that evidence about a tarball cannot make good: no hash to bind it to, a source without a tarball,
 * a patch, or another package under a name that people rely on.
 *
 * @param judgesLinks whether folders are left to who knows the project (`projectViolations`)
 */
export function lockfileViolations(rules: ProjectRules, entry: LockedPackage, judgesLinks = true): Violation[] {
  const { policy, lock } = rules;
  const { name, alias, version = '', location } = entry;
  // Nearly all are plain, and thousands of them are looked at before anything is installed.
  const isTarball = entry.source === 'registry' && entry.integrity !== undefined;
  if (isTarball && alias === undefined && !entry.hasShrinkwrap && !entry.patched) return [];
  const concerned = concernsPackage(policy, name, version, entry.integrity, lock);
  // A folder of the project is the project's own code, reviewed with it; one outside is anybody's.
  if (entry.source === 'link' && (!judgesLinks || !concerned || isInside(entry.resolved))) return [];
  const base = {
    package: version === '' ? name : `${name}@${version}`,
    severity: isError(rules, name, version) ? 'error' : 'warning',
    evidence: location,
  } as const;
  const violations: Violation[] = [];
  if (alias !== undefined && hidesName(rules, alias, name, version)) {
    violations.push({
      ...base,
      severity: 'error',
      code: 'TP106',
      message: `${name} would be installed under the name ${alias}, about which the policy has something to say`,
      expected: alias,
      found: name,
      next: `depend on ${name} under its own name, or correct the lockfile`,
    });
  }
  if (entry.source === 'registry' && entry.integrity === undefined) {
    violations.push({
      ...base,
      code: 'TP104',
      message: 'the lockfile has no sha512 for it, so that npm would install any bytes',
      expected: 'integrity with one sha512',
      found: 'none, or only a weaker hash',
      next: 'remove the entry and run npm install --package-lock-only, with a registry that gives sha512',
    });
  } else if (concerned && entry.source !== 'registry') {
    violations.push({
      ...base,
      code: 'TP105',
      message: `it comes ${origins[entry.source]}, which evidence about a published tarball does not cover`,
      expected: 'a tarball from a registry',
      found: entry.resolved ?? entry.source,
      next: `depend on a published version of ${name}`,
    });
  }
  if (entry.hasShrinkwrap) {
    violations.push({
      ...base,
      code: 'TP108',
      message: 'it brings a lockfile of its own, from which npm would install packages that nobody has judged',
      next: `ask the publisher of ${name} to leave npm-shrinkwrap.json out of it, or except these bytes`,
    });
  }
  if (concerned && entry.patched) {
    violations.push({
      ...base,
      code: 'TP107',
      message: 'npm would patch it after unpacking, so that other bytes are installed than were verified',
      next: 'publish a patched version under a name of your own, or remove the patch',
    });
  }
  return applyExceptions(policy, { name, version, integrity: entry.integrity }, violations, new Date());
}

const origins = {
  git: 'from git',
  file: 'from a file',
  link: 'from a folder outside of the project',
  bundled: 'inside another package’s tarball',
} as const;

/** Whether a link leads to a folder of the project: links are written relative to it. */
function isInside(target: string | undefined): boolean {
  const first = target?.split('/')[0];
  return first !== undefined && first !== '' && first !== '..' && !first.includes(':') && !target?.includes('\\');
}

/** Whether a root owns the name, a rule is about some version of it, or it was proven before. */
export function isNamed({ policy, lock }: ProjectRules, name: string): boolean {
  return (
    isPrivateName(policy, name) ||
    lock?.packages.has(name) === true ||
    policy.rules.some(({ match }) => matchesName(match, name, undefined))
  );
}

/** Whether an alias slips another package under a name that a root owns, that a rule is about, or that was proven before. */
export function hidesName(
  { policy, lock }: ProjectRules,
  alias: string,
  name: string,
  version: string | undefined,
): boolean {
  if (alias === name) return false;
  return (
    isPrivateName(policy, alias) ||
    lock?.packages.has(alias) === true ||
    policy.rules.some(({ match }) => matchesName(match, alias, undefined) && !matchesName(match, name, version))
  );
}

/** An owned name, an enforced rule and a pin stop the installation; for names that nobody mentions it is noMatch that says. */
export function isError({ policy, lock }: ProjectRules, name: string, version: string | undefined): boolean {
  const rules = policy.rules.filter(({ match }) => matchesName(match, name, version));
  if (isPrivateName(policy, name) || rules.some(({ mode }) => mode === 'enforce')) return true;
  if (lock?.packages.has(name) === true && policy.pins.downgrade === 'error') return true;
  return rules.length === 0 && policy.noMatch === 'deny';
}
