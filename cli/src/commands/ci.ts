import { SignetError } from '@signet/primitives/basics';
import type { Command } from '../command.ts';
import { npmArguments, npmFlags } from '../npm-flags.ts';
import { checkProject, projectOptions } from '../project-check.ts';
import { installVerified } from '../verified-install.ts';

export const command: Command = {
  name: 'ci',
  summary: 'verify everything that the lockfile names, then run npm ci',
  usage: 'ci [flags] [-- npm flags]',
  details: [
    'Reads the lockfile that npm is going to read, fetches the evidence for each package that trust-policy.yaml names, verifies it\n' +
      'against the lockfile’s sha512, and asks the policy who may publish the package. Only if nothing is wrong, the npm of this\n' +
      'machine runs `npm ci`; it compares every tarball with the same sha512. Then what was installed is compared with what was verified.',
    'Ends with npm’s exit code, or before npm with 10 when the policy says no, 11 when evidence is false, 12 when a trust root cannot be\n' +
      'used, 13 when a registry does not answer, 14 when trust would change without consent. In these cases nothing was unpacked.',
    'What is new is pinned in trust-lock.json where the policy has defaults.tofu, and compared with it from then on.',
  ],
  examples: [
    { command: 'signet ci', explanation: 'instead of npm ci' },
    { command: 'signet ci --omit=dev --ignore-scripts', explanation: 'with flags for npm' },
    {
      command: 'signet ci --json > report.json',
      explanation: 'a report for machines; npm’s own output goes to standard error',
    },
    {
      command: 'signet ci --trust-from origin/main',
      explanation: 'for a pull request: nothing in it may change who is trusted',
    },
    { command: 'signet ci -- --install-strategy=nested', explanation: 'any other flag for npm stands behind --' },
  ],
  options: { ...projectOptions, ...npmFlags },
  async run(context, values, positionals) {
    const stray = positionals.find((word) => !word.startsWith('-'));
    if (stray !== undefined) {
      throw new SignetError(
        'ERR_USAGE',
        `signet ci takes no packages: it installs what the lockfile names (found ${stray})`,
      );
    }
    const { assertInSync, openNpmProject, findNpm, readProjectLockfile } = await import('@signet/client/preflight');
    const flags = npmArguments(context, values, positionals);
    const project = await openNpmProject({ cwd: context.cwd, env: context.env, flags });
    // Known before anything is fetched: without npm all that is in vain.
    findNpm(context.env, project.directory);
    const lockfile = await readProjectLockfile(project.directory);
    await assertInSync(project.directory, lockfile.lock);
    return await installVerified(context, await checkProject(context, values, { project, lockfile }), flags);
  },
};
