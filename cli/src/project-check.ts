import { writeFile } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import type { TrustLock } from '@signet/client/policy';
import type { LoadedPolicy, LockfileReport, NpmProject, ProjectLockfile, VerdictCache } from '@signet/client/preflight';
import { inert } from '@signet/primitives/basics';
import { type CommandContext, flagOption, type Option, type OptionValues, textOption } from './command.ts';
import { evidenceSources, openVerdicts, saveVerdicts, trustSources } from './evidence-sources.ts';

/** Flags of every command that judges a project. */
export const projectOptions = {
  policy: { type: 'string', argument: 'FILE', description: 'the policy (trust-policy.yaml beside package.json)' },
  'no-cache': { type: 'boolean', description: 'verify everything anew, whatever earlier runs found' },
  'frozen-trust': {
    type: 'boolean',
    description: 'refuse packages that are not in trust-lock.json yet; the rule where CI is set',
  },
  sarif: { type: 'string', argument: 'FILE', description: 'write the findings as SARIF, too' },
  junit: { type: 'string', argument: 'FILE', description: 'write the findings as JUnit XML, too' },
  'trust-from': {
    type: 'string',
    argument: 'REF',
    description: 'a git ref whose policy, trust roots and pins must be those here: the base of a pull request',
  },
} as const satisfies Readonly<Record<string, Option>>;

/** A project, what its lockfile names, and what was found out about it. */
export interface ProjectCheck {
  readonly project: NpmProject;
  readonly lockfile: ProjectLockfile;
  readonly loaded: LoadedPolicy;
  /** The pins that it was judged by. */
  readonly lock: TrustLock;
  readonly report: LockfileReport;
  /** Adds what was pinned to trust-lock.json, and says so; to be called once the installation is allowed. */
  readonly keepPins: () => Promise<void>;
}

export interface ProjectCheckOptions {
  readonly project: NpmProject;
  /** Instead of the lockfile that npm would read. */
  readonly lockfile?: ProjectLockfile;
  /** Instead of the project's policy. */
  readonly policy?: (verdicts: VerdictCache | undefined) => Promise<LoadedPolicy>;
  /** Use no verdicts of earlier runs, which left no bundles. */
  readonly needsBundles?: boolean;
  /** Ask for the evidence of packages, too, that the policy does not name. */
  readonly everything?: boolean;
}

/** Judges everything that the lockfile of a project names. Nothing is installed. */
export async function checkProject(
  context: CommandContext,
  values: OptionValues,
  { project, policy, needsBundles = false, everything = false, ...given }: ProjectCheckOptions,
): Promise<ProjectCheck> {
  const install = await import('@signet/client/preflight');
  const { cwd, env } = context;
  const { directory } = project;
  const policyPath = resolve(cwd, textOption(values, 'policy') ?? resolve(directory, install.policyFileName));
  const shownAs = relative(cwd, policyPath) || policyPath;
  const verdicts = needsBundles || flagOption(values, 'no-cache') ? undefined : await openVerdicts(context, directory);
  const loaded = await (policy === undefined
    ? install.loadPolicy(policyPath, shownAs, verdicts, trustSources(context, install, project.settings))
    : policy(verdicts));
  const trustLockPath = resolve(directory, install.trustLockFileName);
  const ref = textOption(values, 'trust-from');
  if (ref !== undefined) {
    await install.assertTrustUnchanged({ ref, policyPath, policy: loaded.policy, trustLockPath, env });
  }
  const lock = await install.readTrustLock(trustLockPath);
  const frozen = flagOption(values, 'frozen-trust') || ref !== undefined || isSet(env.CI);
  const lockfile = given.lockfile ?? (await install.readProjectLockfile(directory));
  const folders = install.foldersOfNamed({ policy: loaded.policy, lock }, lockfile.lock);
  if (ref !== undefined) {
    await install.assertFoldersTrusted(folders, directory, lockfile, { ref, env });
    await install.assertNoCommittedPackages({ policy: loaded.policy, lock }, directory, { ref, env });
  }
  for (const { name, resolved } of folders) {
    const folder = resolved ? `the folder ${inert(resolved)}` : 'the project itself';
    context.note(`! ${inert(name)} is ${folder}: nobody signed it, and nothing about it is verified`);
  }
  context.progress('fetching and verifying evidence');
  const report = await install.verifyLockfile({
    ...loaded,
    ...evidenceSources(context, install, project),
    lockfile,
    verdicts,
    pins: { lock, frozen },
    everything,
  });
  await writeReports(context, values, report);
  await saveVerdicts(context, verdicts);
  const keepPins = async (): Promise<void> => {
    const { newPins } = report;
    if (newPins.size === 0) return;
    await install.writeTrustLock(trustLockPath, install.withPins(lock, newPins));
    for (const [name, { level, identity }] of newPins) {
      context.note(`+ ${inert(name)} pinned: ${level} by ${inert(install.describeIdentity(identity))}`);
    }
    context.note(`commit ${relative(cwd, trustLockPath)}`);
  };
  return { project, lockfile, loaded, lock, report, keepPins };
}

async function writeReports(context: CommandContext, values: OptionValues, report: LockfileReport): Promise<void> {
  const [sarif, junit] = [textOption(values, 'sarif'), textOption(values, 'junit')];
  if (sarif === undefined && junit === undefined) return;
  const [{ junitDocument, sarifDocument }, { violationCodes }] = await Promise.all([
    import('./report-formats.ts'),
    import('@signet/client/policy'),
  ]);
  const write = async (path: string | undefined, text: () => string): Promise<void> => {
    if (path !== undefined) await writeFile(resolve(context.cwd, path), text());
  };
  const lockfile = relative(context.cwd, report.lockfile);
  await write(sarif, () => `${JSON.stringify(sarifDocument(report, lockfile, violationCodes), undefined, 2)}\n`);
  await write(junit, () => junitDocument(report));
}

/** As CI platforms announce themselves. */
function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== 'false' && value !== '0';
}
