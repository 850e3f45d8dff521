import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { NpmProgram, RunNpm } from '@signet/client/preflight';
import { inert, SignetError } from '@signet/primitives/basics';
import type { CommandContext } from './command.ts';
import { packages, reportDocument, tellReport, verdictExitCodes } from './lockfile-report.ts';
import type { ProjectCheck } from './project-check.ts';

type Preflight = typeof import('@signet/client/preflight');

/**
 * Runs `npm ci` if nothing stands against it, in an order in which nothing of a package runs before what was installed has been compared
 * with what was verified: the packages without scripts, the comparison, then the scripts as `npm ci` would have run them.
 *
 * @param flags npm's
 * @returns the verdict's exit code before npm, npm's own after
 */
export async function installVerified(
  context: CommandContext,
  check: ProjectCheck,
  flags: readonly string[],
): Promise<number> {
  const { project, report, keepPins } = check;
  const install = await import('@signet/client/preflight');
  const verdict = install.verdictOf(report);
  if (!context.json) tellReport(report, context, context.note);
  if (verdict !== 'allowed') {
    if (context.json) context.printJson(reportDocument(report, verdict));
    context.stderr.write('signet: npm was not run and nothing was installed\n');
    return verdictExitCodes[verdict];
  }
  await keepPins();
  const npm = install.findNpm(context.env, project.directory);
  const { exitCode, installed } = await installFrom(context, install, check, npm, flags);
  if (context.json) {
    context.printJson({
      ...reportDocument(report, verdict),
      npm: { exitCode, ...(installed === undefined ? {} : { installed }) },
    });
  }
  if (installed !== undefined && exitCode === 0)
    context.note(`${packages(installed)} installed, none but those of the lockfile that was judged`);
  return exitCode;
}

async function installFrom(
  context: CommandContext,
  install: Preflight,
  { project, lockfile, loaded, lock, report }: ProjectCheck,
  npm: NpmProgram,
  flags: readonly string[],
): Promise<{ readonly exitCode: number; readonly installed?: number }> {
  const { env, stderr, signal } = context;
  const { directory } = project;
  const stdout = context.json ? context.stderr : context.stdout;
  const manifest = (await install.readManifest(join(directory, 'package.json'))) ?? {};
  const runAt =
    (cwd: string, more: readonly string[]): RunNpm =>
    (args) =>
      install.runNpm(npm, [...args, ...more], { cwd, env, stdout, stderr, signal });
  const runOf = runAt(directory, withoutWorkspaces(flags));
  const ignoresScripts = async (): Promise<boolean> => (await project.settings()).options.ignoreScripts === true;
  const scripts = install.projectScripts(manifest, {
    preinstallFirst:
      project.installs && install.hasScripts(manifest, ['preinstall']) && (await isNpm12(context, install, npm)),
    compiles: await install.hasGypFile(directory),
  });
  const runAll = async (commands: readonly (readonly string[])[]): Promise<number> => {
    for (const command of commands) {
      const code = await runOf(command);
      if (code !== 0) return code;
    }
    return 0;
  };
  if (scripts.before.length > 0 && !(await ignoresScripts())) {
    const code = await runAll(scripts.before);
    if (code !== 0) return { exitCode: code };
  }
  if (project.installs) await install.emptyLinkedFolders({ policy: loaded.policy, lock }, directory, lockfile.lock);
  context.progress('npm ci');
  const exitCode = await runAt(context.cwd, [...flags, '--ignore-scripts'])(['ci']);
  if (!project.installs) {
    context.note('! npm was told to install nothing: node_modules was not looked at, and may hold anything');
    return { exitCode };
  }
  if (exitCode !== 0) return { exitCode };
  const installed = await compare(context, install, { project, lockfile, report });
  const packagesWithScripts = await install.packagesWithScripts(directory, installed);
  const waiting = packagesWithScripts.required.length + packagesWithScripts.optional.length + scripts.after.length;
  if (waiting === 0 || (await ignoresScripts())) return { exitCode, installed: installed.length };
  context.progress('scripts');
  const rebuilt = await install.runDependencyScripts(directory, packagesWithScripts, runAt(directory, flags), (left) =>
    context.note(`! the scripts of ${inert(left)} failed; it is optional, and was removed`),
  );
  return { exitCode: rebuilt === 0 ? await runAll(scripts.after) : rebuilt, installed: installed.length };
}

/** The comparison; what does not pass it is taken away, before anything can load it. */
async function compare(
  context: CommandContext,
  install: Preflight,
  { project: { directory }, lockfile, report }: Pick<ProjectCheck, 'project' | 'lockfile' | 'report'>,
): ReturnType<Preflight['compareInstalledTree']> {
  try {
    await install.assertUnchanged(lockfile);
    return await install.compareInstalledTree(directory, lockfile.lock, report.judged);
  } catch (error) {
    if (!(error instanceof SignetError)) throw error;
    await install.removeInstalled(directory, lockfile.lock);
    context.stderr.write('signet: node_modules was removed; nothing in it was run\n');
    throw error;
  }
}

/** From then on npm runs the project's preinstall before anything is unpacked. */
async function isNpm12({ env, cwd, stderr, signal }: CommandContext, install: Preflight, npm: NpmProgram) {
  const stdout = new PassThrough();
  let version = '';
  stdout.setEncoding('utf8').on('data', (text: string) => {
    version += text;
  });
  await install.runNpm(npm, ['--version'], { cwd, env, stdout, stderr, signal });
  return Number.parseInt(version, 10) >= 12;
}

/** Scripts of the project run in the project, also when only some of its workspaces are installed. */
function withoutWorkspaces(flags: readonly string[]): string[] {
  const isWorkspace = /^(?:-w|-ws|-iwr|--workspaces?|--include-workspace-root|--no-workspaces)(?:=|$)/;
  return flags.filter((flag, index) => {
    const before = flags[index - 1];
    return !isWorkspace.test(flag) && before !== '-w' && before !== '--workspace';
  });
}
