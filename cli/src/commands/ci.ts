import { relative, resolve } from 'node:path';
import { SignetError } from '@signet/primitives/basics';
import {
  type Command,
  type CommandContext,
  flagOption,
  listOption,
  type OptionValues,
  textOption,
} from '../command.ts';
import { evidenceSources, openVerdicts, saveVerdicts, trustSources } from '../evidence-sources.ts';
import { packages, reportDocument, tellReport, verdictExitCodes } from '../lockfile-report.ts';

/** Flags of `npm ci` that are common enough to be written without `--`. */
const npmFlags = {
  omit: { type: 'string', multiple: true, argument: 'WHAT', description: 'npm: leave out dev, optional or peer' },
  include: { type: 'string', multiple: true, argument: 'WHAT', description: 'npm: take in dev, optional or peer' },
  workspace: { type: 'string', multiple: true, short: 'w', argument: 'NAME', description: 'npm: only this workspace' },
  prefix: { type: 'string', short: 'C', argument: 'FOLDER', description: 'npm: the project’s folder' },
  loglevel: { type: 'string', argument: 'LEVEL', description: 'npm: how much it tells' },
  'ignore-scripts': { type: 'boolean', description: 'npm: run no scripts' },
  'foreground-scripts': { type: 'boolean', description: 'npm: show what scripts print' },
  'legacy-peer-deps': { type: 'boolean', description: 'npm: do not look at peer dependencies' },
  'prefer-offline': { type: 'boolean', description: 'npm: take from its cache what is there' },
  'dry-run': { type: 'boolean', description: 'npm: install nothing; signet verifies all the same' },
  'no-audit': { type: 'boolean', description: 'npm: no audit' },
  'no-fund': { type: 'boolean', description: 'npm: no appeals' },
} as const;

export const command: Command = {
  name: 'ci',
  summary: 'verify everything that the lockfile names, then run npm ci',
  usage: 'ci [flags] [-- npm flags]',
  details: [
    'Reads the lockfile that npm is going to read, fetches the evidence for each package that trust-policy.yaml names, verifies it\n' +
      'against the lockfile’s sha512, and asks the policy who may publish the package. Only if nothing is wrong, the npm of this\n' +
      'machine runs `npm ci`; it compares every tarball with the same sha512. Then what was installed is compared with what was verified.',
    'Ends with npm’s exit code, or before npm with 10 when the policy says no, 11 when evidence is false, 12 when a trust root cannot be\n' +
      'used, 13 when a registry does not answer. In these cases nothing was unpacked.',
  ],
  examples: [
    { command: 'signet ci', explanation: 'instead of npm ci' },
    { command: 'signet ci --omit=dev --ignore-scripts', explanation: 'with flags for npm' },
    {
      command: 'signet ci --json > report.json',
      explanation: 'a report for machines; npm’s own output goes to standard error',
    },
    { command: 'signet ci -- --install-strategy=nested', explanation: 'any other flag for npm stands behind --' },
  ],
  options: {
    policy: { type: 'string', argument: 'FILE', description: 'the policy (trust-policy.yaml beside package.json)' },
    'no-cache': { type: 'boolean', description: 'verify everything anew, whatever earlier runs found' },
    ...npmFlags,
  },
  async run(context, values, positionals) {
    const install = await import('@signet/client/preflight');
    const flags = npmArguments(context, values, positionals);
    const { cwd, env } = context;
    const project = await install.openNpmProject({ cwd, env, flags });
    const { directory } = project;
    const npm = install.findNpm(env, directory);
    const policyPath = resolve(cwd, textOption(values, 'policy') ?? resolve(directory, install.policyFileName));
    const verdicts = flagOption(values, 'no-cache') ? undefined : await openVerdicts(context, directory);
    const loaded = await install.loadPolicy(
      policyPath,
      relative(cwd, policyPath) || policyPath,
      verdicts,
      trustSources(context, install, project.settings),
    );
    const lockfile = await install.readProjectLockfile(directory);
    context.progress('fetching and verifying evidence');
    const report = await install.verifyLockfile({
      ...loaded,
      ...evidenceSources(context, install, project),
      lockfile,
      verdicts,
    });
    await saveVerdicts(context, verdicts);
    const verdict = install.verdictOf(report);
    if (!context.json) tellReport(report, context, context.note);
    if (verdict !== 'allowed') {
      if (context.json) context.printJson(reportDocument(report, verdict));
      context.stderr.write('signet: npm was not run and nothing was installed\n');
      return verdictExitCodes[verdict];
    }

    context.progress('npm ci');
    const stdout = context.json ? context.stderr : context.stdout;
    const npmExitCode = await install.runNpm(npm, ['ci', ...flags], {
      cwd,
      env,
      stdout,
      stderr: context.stderr,
      signal: context.signal,
    });
    if (npmExitCode === 0) await install.assertUnchanged(lockfile);
    const installed =
      npmExitCode === 0 && project.installs ? await install.compareInstalledTree(directory, lockfile.lock) : undefined;
    if (context.json) {
      context.printJson({
        ...reportDocument(report, verdict),
        npm: { exitCode: npmExitCode, ...(installed === undefined ? {} : { installed }) },
      });
    }
    if (installed !== undefined)
      context.note(`${packages(installed)} installed, none but those of the lockfile that was judged`);
    return npmExitCode;
  },
};

/** npm's arguments: the flags known here, then whatever stands behind `--`. */
function npmArguments(context: CommandContext, values: OptionValues, positionals: readonly string[]): string[] {
  const stray = positionals.find((word) => !word.startsWith('-'));
  if (stray !== undefined) {
    throw new SignetError(
      'ERR_USAGE',
      `signet ci takes no packages: it installs what the lockfile names (found ${stray})`,
    );
  }
  const known = Object.entries(npmFlags).flatMap(([name, option]) => {
    if (option.type === 'boolean') return flagOption(values, name) ? [`--${name}`] : [];
    const given = 'multiple' in option ? listOption(values, name) : [textOption(values, name)];
    // npm's library takes a relative folder from the process, not from where it is told to be.
    const path = (value: string): string => (name === 'prefix' ? resolve(context.cwd, value) : value);
    return given.flatMap((value) => (value === undefined ? [] : [`--${name}=${path(value)}`]));
  });
  return [
    ...known,
    ...(context.registry === undefined ? [] : [`--registry=${context.registry}`]),
    ...(context.offline ? ['--offline'] : []),
    ...positionals,
  ];
}
