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
 * @param tell takes the lines about verified packages, all together: data for a command that only verifies, a note for one that goes on
 */
export function tellReport(report: LockfileReport, context: CommandContext, tell: (line: string) => void): void {
  const lines = report.judged.flatMap((judged) =>
    judged.decision.allowed ? packageLines(judged, context.colour) : [],
  );
  // At once: writing a thousand lines one by one takes longer than finding out what is in them.
  if (lines.length > 0) tell(lines.join('\n'));
  // Packages that nobody makes rules for are many; they are counted below unless they stop the installation.
  const told = report.violations.filter(({ code, severity }) => code !== 'TP101' || severity === 'error');
  for (const violation of told) {
    const lines = violationLines(violation, context.colour).join('\n');
    if (violation.severity === 'error') context.stderr.write(`${lines}\n`);
    else context.note(lines);
  }
  tellFailures(report, context);
  for (const rule of report.idleRules) context.note(`! rule ${inert(rule)} names no package of this lockfile`);
  context.note(summary(report));
}

/** So many packages are named for which nobody answered; the others fail for the same reason. */
const namedFailures = 5;

function tellFailures({ failures, remembers }: LockfileReport, { stderr, colour }: CommandContext): void {
  if (failures.length === 0) return;
  const mark = paint('✖', 'red', colour);
  for (const { package: name, error } of failures.slice(0, namedFailures)) {
    stderr.write(`${mark} ${inert(name)}: ${inert(error.message)} [${error.code}]\n`);
  }
  const more = failures.length - namedFailures;
  if (more > 0) stderr.write(`${mark} and ${packages(more)} more without an answer\n`);
  const cache = {
    true: '; earlier runs on this machine did not verify them, either',
    false: '; what earlier runs verified was not looked at, as --no-cache and --save-evidence demand',
    undefined: '',
  }[String(remembers) as 'true'];
  stderr.write(
    `    Without an answer nothing is known about their evidence, and they are not let in${cache}.\n` +
      '    Try again when the registry answers. To need it no more, keep the evidence: signet verify package-lock.json --save-evidence\n',
  );
}

/** Whether all that was asked of a package was proven: nothing was put up with, neither a warning nor an exception. */
function isVerified({ decision, attestations }: JudgedPackage): boolean {
  return attestations.length > 0 && decision.violations.every(({ code }) => code === 'TP101');
}

/** One line on who, when and where, and one on what was checked; no tick where the policy has something against it. */
export function packageLines(judged: JudgedPackage, colour: boolean): string[] {
  const { name, version, decision, attestations, verifiedAt } = judged;
  const subject = inert(`${name}@${version}`);
  const against = decision.violations.filter(({ code }) => code !== 'TP101');
  const mark = against.length > 0 ? paint('!', 'bold', colour) : paint('✔', 'green', colour);
  const despite = against.length > 0 ? `, let in despite ${against.map(({ code }) => code).join(', ')}` : '';
  if (attestations.length === 0) {
    const said = against.length > 0 ? `without evidence${despite}` : 'without evidence; no rule demands any';
    return [`${against.length > 0 ? mark : paint('·', 'dim', colour)} ${subject}  ${said}`];
  }
  const rules =
    decision.rules.length === 0 ? 'no rule' : `rule ${decision.rules.map((rule) => inert(rule)).join(', ')}`;
  const remembered = verifiedAt === undefined ? '' : `verified on ${dayOf(verifiedAt)}, remembered; `;
  return attestations.flatMap(({ predicateType, verified }) => {
    const { signer, timestamps, logEntries, trustRoot, checks } = verified;
    const who =
      signer.kind === 'key'
        ? `key ${inert(signer.publisher ?? signer.hint ?? '')}`
        : `${inert(signer.subject.value)} (${inert(signer.issuer)})`;
    const time = timestamps[0]?.time.toISOString().replace('.000Z', 'Z') ?? 'unknown time';
    const log = logEntries.map(({ origin, baseUrl, index }) => `${inert(origin ?? baseUrl)} #${index}`).join(', ');
    return [
      `${mark} ${subject}  signed by ${who}  ${time}  log ${log}${despite}`,
      `    ${inert(predicateType)}, trust root ${inert(trustRoot)}, ${rules}`,
      `    ${remembered}checked: ${checks.map((check) => inert(check)).join('; ')}; it is about ${subject} and its sha512`,
    ];
  });
}

function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10);
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
  const verified = judged.filter(({ decision }) => decision.allowed).filter(isVerified);
  const remembered = verified.flatMap(({ verifiedAt }) => (verifiedAt === undefined ? [] : [verifiedAt])).sort(byTime);
  const [oldest] = remembered;
  const warned = judged.filter(
    ({ decision }) => decision.allowed && decision.violations.some(({ code }) => code !== 'TP101'),
  ).length;
  return [
    judged.length === 0
      ? failures.length > 0
        ? 'nothing was verified'
        : 'the policy names no package that it could verify: nothing was verified'
      : `${verified.length} of ${packages(judged.length)} that the policy names verified`,
    ...(oldest === undefined ? [] : [`${remembered.length} of them remembered, the oldest from ${dayOf(oldest)}`]),
    ...(warned > 0 ? [`${warned} let in with a warning`] : []),
    ...(unmatched > 0 ? [`${packages(unmatched)} that it does not name`] : []),
    ...(local > 0 ? [`${local} local`] : []),
    ...(errors > 0 ? [`${errors} ${errors === 1 ? 'reason' : 'reasons'} against`] : []),
    ...(failures.length > 0 ? [`${failures.length} without an answer`] : []),
  ].join(', ');
}

function byTime(one: Date, other: Date): number {
  return one.getTime() - other.getTime();
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
  verifiedAt,
}: JudgedPackage): Record<string, unknown> {
  return {
    name: inert(name),
    version: inert(version),
    ...(integrity === undefined ? {} : { integrity }),
    locations: locations.map((location) => inert(location)),
    allowed: decision.allowed,
    verified: decision.allowed && isVerified({ name, version, decision, attestations, locations }),
    ...(verifiedAt === undefined ? {} : { verifiedAt: verifiedAt.toISOString() }),
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
