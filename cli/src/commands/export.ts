import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { SignetError } from '@signet/primitives/basics';
import { type Command, textOption } from '../command.ts';
import { packages, tellReport, verdictExitCodes } from '../lockfile-report.ts';
import { checkProject, projectOptions } from '../project-check.ts';

export const command: Command = {
  name: 'export',
  summary: 'put lockfile, evidence, trust roots and policy into one folder, to be verified anywhere offline',
  usage: 'export --output FOLDER [--lockfile FILE] [flags]',
  details: [
    'Verifies everything first; what does not verify is not exported. Then signet verify FOLDER --offline says the same on a machine\n' +
      'that reaches nobody.',
  ],
  examples: [{ command: 'signet export --output evidence', explanation: 'everything that proves this lockfile' }],
  options: {
    ...projectOptions,
    output: { type: 'string', short: 'o', argument: 'FOLDER', description: 'the folder, which must not exist yet' },
    lockfile: { type: 'string', argument: 'FILE', description: 'instead of the lockfile that npm would read' },
  },
  async run(context, values) {
    const output = textOption(values, 'output');
    if (output === undefined) throw new SignetError('ERR_USAGE', 'say where to, with --output FOLDER');
    const install = await import('@signet/client/preflight');
    const { cwd, env } = context;
    const project = await install.openNpmProject({ cwd, env });
    const given = textOption(values, 'lockfile');
    const lockfile = await (given === undefined
      ? install.readProjectLockfile(project.directory)
      : install.readLockfile(resolve(cwd, given)));
    const { report, loaded } = await checkProject(context, values, { project, lockfile, needsBundles: true });
    const verdict = install.verdictOf(report);
    if (verdict !== 'allowed') {
      tellReport(report, context, context.note);
      return verdictExitCodes[verdict];
    }
    const folder = resolve(cwd, output);
    await mkdir(join(folder, 'trust'), { recursive: true }).catch((cause: unknown) => {
      throw new SignetError('ERR_USAGE', `${output} cannot be made`, { cause });
    });
    const write = async (name: string, content: string | Uint8Array): Promise<void> => {
      await writeFile(join(folder, name), content, { flag: 'wx' }).catch((cause: unknown) => {
        throw new SignetError(
          'ERR_USAGE',
          `${join(output, name)} cannot be written; name a folder that does not exist`,
          {
            cause,
          },
        );
      });
    };
    const roots: Record<string, object> = {};
    for (const { name, packages: names, issuers } of loaded.policy.trustRoots) {
      const file = `trust/${encodeURIComponent(name)}.json`;
      const bytes = await loaded.trustRoots.bytes(name);
      await write(file, bytes);
      roots[name] = {
        file: `./${file}`,
        sha256: createHash('sha256').update(bytes).digest('hex'),
        ...(names === undefined ? {} : { packages: names.map(({ text }) => text) }),
        ...(issuers === undefined ? {} : { issuers }),
      };
    }
    const { readPolicyText } = await import('@signet/client/policy');
    const policyPath = resolve(cwd, textOption(values, 'policy') ?? join(project.directory, install.policyFileName));
    const policy = readPolicyText(await readFile(policyPath, 'utf8'), policyPath) as object;
    // JSON is YAML; the roots are files now, wherever they came from.
    await write(install.policyFileName, `${JSON.stringify({ ...policy, trustRoots: roots }, undefined, 2)}\n`);
    await write(install.evidenceFileName, install.formatEvidence(report.judged));
    await write(basename(lockfile.path), lockfile.bytes);
    const count = report.judged.reduce((sum, { attestations }) => sum + attestations.length, 0);
    if (context.json) {
      context.printJson({ format: 1, verdict, folder, packages: report.judged.length, attestations: count });
    } else {
      const shown = relative(cwd, folder) || folder;
      context.print(
        `${shown}: ${count} attestations of ${packages(report.judged.length)}; signet verify ${shown} --offline`,
      );
    }
    return verdictExitCodes[verdict];
  },
};
