import type { SignetError } from '@signet/primitives/formats';
import type { Decision, Pin, Violation } from '../policy/index.ts';
import type { ProvenAttestation } from './proven-facts.ts';

/** A package version of the lockfile that the policy says something about. */
export interface JudgedPackage {
  readonly name: string;
  readonly version: string;
  readonly integrity?: string;
  /** Where the lockfile puts it. */
  readonly locations: readonly string[];
  readonly decision: Decision;
  /** All that verified, accepted by the policy or not. */
  readonly attestations: readonly ProvenAttestation[];
  /** When an earlier run verified them, if this one did not have to. */
  readonly verifiedAt?: Date;
}

/** What was found out about a lockfile before anything is installed from it. */
export interface LockfileReport {
  /** Path of the lockfile. */
  readonly lockfile: string;
  readonly judged: readonly JudgedPackage[];
  /** What to keep in the trust lock once the installation is allowed. */
  readonly newPins: ReadonlyMap<string, Pin>;
  /** Packages that the policy says nothing about. */
  readonly unmatched: number;
  /** Rules of the policy that name no package of the lockfile: perhaps misspelt. */
  readonly idleRules: readonly string[];
  /** Links to folders of the project. */
  readonly local: number;
  /** Everything against the installation, and every warning. */
  readonly violations: readonly Violation[];
  /** Packages whose evidence could not be fetched. */
  readonly failures: readonly { readonly package: string; readonly error: SignetError }[];
  /** Whether what earlier runs verified was looked at. */
  readonly remembers?: boolean;
  /** Whether nothing stands against the installation. */
  readonly allowed: boolean;
}

/** Violations that mean that evidence is there and false, and not merely that something is missing or unwanted. */
const invalidEvidence: ReadonlySet<string> = new Set(['TP102', 'TP114', 'TP121']);

/** Why a report does not allow an installation, the gravest first. */
export function verdictOf(
  report: LockfileReport,
): 'allowed' | 'evidence-invalid' | 'denied' | 'frozen' | 'unreachable' {
  const errors = report.violations.filter(({ severity }) => severity === 'error');
  if (errors.some(({ code }) => invalidEvidence.has(code))) return 'evidence-invalid';
  // All else is in order; only somebody must consent to trust what is new.
  if (errors.length > 0 && errors.every(({ code }) => code === 'TP203')) return 'frozen';
  if (errors.length > 0) return 'denied';
  return report.failures.length > 0 ? 'unreachable' : 'allowed';
}
