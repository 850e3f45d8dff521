import type { Violation } from '@signet/client/policy';
import type { JudgedPackage, LockfileReport } from '@signet/client/preflight';
import { inert } from '@signet/primitives/basics';
import type { CommandContext } from './command.ts';
import { exitCodes } from './exit-codes.ts';
import { paint } from './terminal.ts';

/** Exit codes by verdict of a report (ARCHITECTURE "Errors"). */
export const verdictExitCodes = {
  allowed: exitCodes.ok,
  'evidence-invalid': exitCodes.evidenceInvalid,
  denied: exitCodes.policyDenied,
  frozen: exitCodes.trustFrozen,
  unreachable: exitCodes.network,
} as const;

/**
 * Tells a person what was found: each package with who signed it, then what is wrong, then a summary.
 *
 * @param tell takes the lines about verified packages: data for a command that only verifies, a note for one that goes on
 */
export function tellReport(report: LockfileReport, context: CommandContext, tell: (line: string) => void): void {
  for (const judged of report.judged) {
    if (judged.decision.allowed) for (const line of packageLines(judged, context.colour)) tell(line);
  }
  // Packages that nobody makes rules for are many; they are counted below unless they stop the installation.
  const told = report.violations.filter(({ code, severity }) => code !== 'TP101' || severity === 'error');
  for (const violation of told) {
    const lines = violationLines(violation, context.colour).join('\n');
    if (violation.severity === 'error') context.stderr.write(`${lines}\n`);
    else context.note(lines);
  }
  for (const { package: name, error } of report.failures) {
    const mark = paint('✖', 'red', context.colour);
    context.stderr.write(`${mark} ${inert(name)}: ${inert(error.message)} [${error.code}]\n`);
  }
  for (const rule of report.idleRules) context.note(`! rule ${inert(rule)} names no package of this lockfile`);
  context.note(summary(report));
}

/** One line on who, when and where, and one on what was checked. */
export function packageLines({ name, version, decision, attestations }: JudgedPackage, colour: boolean): string[] {
  const subject = inert(`${name}@${version}`);
  const [first] = attestations;
  const rules =
    decision.rules.length === 0 ? 'no rule' : `rule ${decision.rules.map((rule) => inert(rule)).join(', ')}`;
  if (first === undefined)
    return [`${paint('·', 'dim', colour)} ${subject}  without evidence, which ${rules} does not ask for`];
  return attestations.flatMap(({ predicateType, verified }) => {
    const { signer, timestamps, logEntries, trustRoot, checks } = verified;
    const who =
      signer.kind === 'key'
        ? `key ${inert(signer.publisher ?? signer.hint ?? '')}`
        : `${inert(signer.subject.value)} (${inert(signer.issuer)})`;
    const time = timestamps[0]?.time.toISOString().replace('.000Z', 'Z') ?? 'unknown time';
    const log = logEntries.map(({ origin, baseUrl, index }) => `${inert(origin ?? baseUrl)} #${index}`).join(', ');
    return [
      `${paint('✔', 'green', colour)} ${subject}  signed by ${who}  ${time}  log ${log}`,
      `    ${inert(predicateType)}, trust root ${inert(trustRoot)}, ${rules}`,
      `    checked: ${checks.map((check) => inert(check)).join('; ')}; name, version and sha512 are the lockfile’s`,
    ];
  });
}

/** A violation for people: what, where, expected, found, evidence, next. */
export function violationLines(violation: Violation, colour: boolean): string[] {
  const { code, message, rule, severity, expected, found, evidence, next } = violation;
  const mark = severity === 'error' ? paint('✖', 'red', colour) : paint('!', 'bold', colour);
  const where = rule === undefined ? '' : ` (rule ${inert(rule)})`;
  const fields = { expected, found, evidence, next };
  return [
    `${mark} ${inert(violation.package)}  ${code} ${inert(message)}${where}`,
    ...Object.entries(fields).flatMap(([name, text]) =>
      text === undefined ? [] : [`    ${`${name}:`.padEnd(10)}${inert(text, { limit: 600 })}`],
    ),
  ];
}

function summary({ judged, unmatched, local, violations, failures }: LockfileReport): string {
  const errors = violations.filter(({ severity }) => severity === 'error').length;
  const signed = judged.filter(({ decision, attestations }) => decision.allowed && attestations.length > 0).length;
  return [
    judged.length === 0
      ? 'the policy names no package that it could verify: nothing was verified'
      : `${signed} of ${packages(judged.length)} that the policy names verified`,
    ...(unmatched > 0 ? [`${packages(unmatched)} that it does not name`] : []),
    ...(local > 0 ? [`${local} local`] : []),
    ...(errors > 0 ? [`${errors} ${errors === 1 ? 'reason' : 'reasons'} against`] : []),
    ...(failures.length > 0 ? [`${failures.length} without an answer`] : []),
  ].join(', ');
}

/** A number of packages in words. */
export function packages(count: number): string {
  return `${count} ${count === 1 ? 'package' : 'packages'}`;
}

/** The report for `--json`, foreign strings inert. */
export function reportDocument(report: LockfileReport, verdict: string): Record<string, unknown> {
  return {
    format: 1,
    verdict,
    lockfile: report.lockfile,
    packages: report.judged.map(packageDocument),
    unmatched: report.unmatched,
    idleRules: report.idleRules.map((rule) => inert(rule)),
    local: report.local,
    violations: report.violations.map((violation) => inertMembers({ ...violation })),
    failures: report.failures.map(({ package: name, error }) => ({
      package: inert(name),
      code: error.code,
      message: inert(error.message),
    })),
  };
}

function packageDocument({
  name,
  version,
  integrity,
  locations,
  decision,
  attestations,
}: JudgedPackage): Record<string, unknown> {
  return {
    name: inert(name),
    version: inert(version),
    ...(integrity === undefined ? {} : { integrity }),
    locations: locations.map((location) => inert(location)),
    allowed: decision.allowed,
    rules: decision.rules.map((rule) => inert(rule)),
    ...(decision.trustRoot === undefined ? {} : { trustRoot: inert(decision.trustRoot) }),
    evidence: attestations.map(({ predicateType, verified }) => ({
      predicateType: inert(predicateType),
      signer:
        verified.signer.kind === 'key'
          ? { kind: 'key', hint: inert(verified.signer.hint ?? '') }
          : {
              kind: 'certificate',
              issuer: inert(verified.signer.issuer),
              subject: inert(verified.signer.subject.value),
              claims: inertMembers(verified.signer.claims),
            },
      times: verified.timestamps.map(({ source, time, authority }) => ({
        source,
        time: time.toISOString(),
        authority: inert(authority),
      })),
      logEntries: verified.logEntries.map(({ origin, baseUrl, index }) => ({
        log: inert(origin ?? baseUrl),
        index: String(index),
      })),
      checks: verified.checks.map((check) => inert(check)),
    })),
  };
}

function inertMembers(object: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(object).flatMap(([key, value]) => (typeof value === 'string' ? [[key, inert(value)]] : [])),
  );
}
