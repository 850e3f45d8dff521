import { describeIdentity } from '@signet/client/preflight';
import { inert } from '@signet/primitives/basics';
import type { Command, CommandContext } from '../command.ts';
import { reportDocument, verdictExitCodes, violationLines } from '../lockfile-report.ts';
import { checkProject, projectOptions } from '../project-check.ts';

export const command: Command = {
  name: 'audit',
  summary: 'show for every package of the lockfile how well it is proven, and by whom',
  usage: 'audit [flags]',
  details: [
    'Asks for the evidence of every package, also of those that the policy does not name, and prints a line for each: level, package,\n' +
      'publisher, source, age, and what the policy has against it. Ends with the exit codes of signet verify; installs nothing.',
  ],
  examples: [
    { command: 'signet audit', explanation: 'the table' },
    { command: 'signet audit --json', explanation: 'the same for machines' },
  ],
  options: projectOptions,
  async run(context, values) {
    const install = await import('@signet/client/preflight');
    const { levelOf, decisive, identityOf, signedBy } = await import('@signet/client/policy');
    const project = await install.openNpmProject({ cwd: context.cwd, env: context.env });
    const { report } = await checkProject(context, values, { project, everything: true });
    const verdict = install.verdictOf(report);
    const now = Date.now();
    const rows = report.judged.map(({ name, version, attestations, decision }) => {
      const [first] = decisive(attestations);
      const identity = first === undefined ? {} : identityOf(first.verified.signer);
      const time = first === undefined ? undefined : signedBy(first.verified);
      return {
        package: inert(`${name}@${version}`),
        level: levelOf(attestations),
        publisher: inert(identity.subject ?? identity.workflow ?? ''),
        source: inert(identity.repository ?? ''),
        identity: inert(describeIdentity(identity)),
        age: time === undefined ? '' : `${Math.floor((now - time.getTime()) / 86_400_000)}d`,
        gaps: [...new Set(decision.violations.map(({ code }) => code))].join(' '),
      };
    });
    rows.sort((a, b) => a.level.localeCompare(b.level) || a.package.localeCompare(b.package));
    if (context.json) context.printJson({ ...reportDocument(report, verdict), table: rows });
    else printTable(context, rows);
    for (const violation of report.violations) {
      if (violation.severity === 'error' && !context.json) {
        context.stderr.write(`${violationLines(violation, context.colour).join('\n')}\n`);
      }
    }
    const counts = ['provenance', 'signature', 'none'].map(
      (level) => `${rows.filter((row) => row.level === level).length} ${level === 'none' ? 'without evidence' : level}`,
    );
    context.note(`${rows.length} packages: ${counts.join(', ')}`);
    return verdictExitCodes[verdict];
  },
};

const columns = ['level', 'package', 'publisher', 'source', 'age', 'gaps'] as const;

function printTable(
  context: CommandContext,
  rows: readonly Readonly<Record<(typeof columns)[number], string>>[],
): void {
  const widths = columns.map((column) => Math.max(column.length, ...rows.map((row) => row[column].length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join('  ')
      .trimEnd();
  context.print(line(columns));
  for (const row of rows) context.print(line(columns.map((column) => row[column])));
}
