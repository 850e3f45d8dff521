import type { CommandContext } from './command.ts';
import { packages, reportDocument, tellReport, verdictExitCodes } from './lockfile-report.ts';
import type { ProjectCheck } from './project-check.ts';

/**
 * Runs `npm ci` if nothing stands against it, and compares what was installed with what was verified.
 *
 * @param flags npm's
 * @returns the verdict's exit code before npm, npm's own after
 */
export async function installVerified(
  context: CommandContext,
  { project, lockfile, report, keepPins }: ProjectCheck,
  flags: readonly string[],
): Promise<number> {
  const install = await import('@signet/client/preflight');
  const verdict = install.verdictOf(report);
  if (!context.json) tellReport(report, context, context.note);
  if (verdict !== 'allowed') {
    if (context.json) context.printJson(reportDocument(report, verdict));
    context.stderr.write('signet: npm was not run and nothing was installed\n');
    return verdictExitCodes[verdict];
  }
  await keepPins();
  context.progress('npm ci');
  const { cwd, env, stderr, signal } = context;
  const stdout = context.json ? context.stderr : context.stdout;
  const npm = install.findNpm(env, project.directory);
  const npmExitCode = await install.runNpm(npm, ['ci', ...flags], { cwd, env, stdout, stderr, signal });
  if (npmExitCode === 0) await install.assertUnchanged(lockfile);
  const installed =
    npmExitCode === 0 && project.installs
      ? await install.compareInstalledTree(project.directory, lockfile.lock)
      : undefined;
  if (context.json) {
    context.printJson({
      ...reportDocument(report, verdict),
      npm: { exitCode: npmExitCode, ...(installed === undefined ? {} : { installed }) },
    });
  }
  if (installed !== undefined)
    context.note(`${packages(installed)} installed, none but those of the lockfile that was judged`);
  return npmExitCode;
}
