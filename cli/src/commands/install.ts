import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from '../command.ts';
import { npmArguments, npmFlags } from '../npm-flags.ts';
import { checkProject, projectOptions } from '../project-check.ts';
import { installVerified } from '../verified-install.ts';

const saveFlags = {
  'save-dev': { type: 'boolean', short: 'D', description: 'npm: as a development dependency' },
  'save-exact': { type: 'boolean', short: 'E', description: 'npm: exactly this version' },
} as const;

export const command: Command = {
  name: 'install',
  summary: 'add packages, verify everything that comes with them, then run npm ci',
  usage: 'install [package…] [flags] [-- npm flags]',
  details: [
    'Lets npm write the lockfile (npm install --package-lock-only, which unpacks nothing and runs nothing), verifies all it names as\n' +
      'signet ci does, and only then installs from it. When something is wrong, package.json and the lockfile are what they were before.',
  ],
  examples: [
    { command: 'signet install left-pad', explanation: 'add a package' },
    { command: 'signet install --save-dev typescript@5', explanation: 'flags are npm’s' },
  ],
  options: { ...projectOptions, ...npmFlags, ...saveFlags },
  async run(context, values, positionals) {
    const install = await import('@signet/client/preflight');
    const words = positionals.filter((word) => !word.startsWith('-'));
    const flags = npmArguments(
      context,
      values,
      positionals.filter((word) => word.startsWith('-')),
    );
    const { cwd, env, stderr, signal } = context;
    const project = await install.openNpmProject({ cwd, env, flags });
    const npm = install.findNpm(env, project.directory);
    const kept = await keep(project.directory);
    let done = false;
    try {
      context.progress('npm install --package-lock-only');
      const saving = Object.keys(saveFlags).flatMap((name) => (values[name] === true ? [`--${name}`] : []));
      const args = ['install', ...words, '--package-lock-only', '--ignore-scripts', ...saving, ...flags];
      // What npm prints of an installation that has not happened yet would mislead.
      const resolved = await install.runNpm(npm, args, { cwd, env, stdout: stderr, stderr, signal });
      if (resolved !== 0) return resolved;
      const check = await checkProject(context, values, { project });
      done = install.verdictOf(check.report) === 'allowed';
      return await installVerified(context, check, flags);
    } finally {
      if (!done) await kept.restore();
      await kept.forget();
    }
  },
};

const files = ['package.json', 'package-lock.json', 'npm-shrinkwrap.json'];

/** Copies of what npm is going to change. */
async function keep(directory: string): Promise<{ restore: () => Promise<void>; forget: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'signet-'));
  const copy = async (from: string, to: string): Promise<boolean> => {
    try {
      await copyFile(from, to);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    }
  };
  const present = await Promise.all(files.map((file) => copy(join(directory, file), join(folder, file))));
  return {
    restore: async () => {
      for (const [index, file] of files.entries()) {
        if (present[index] === true) await copy(join(folder, file), join(directory, file));
        else await rm(join(directory, file), { force: true });
      }
    },
    forget: () => rm(folder, { recursive: true, force: true }),
  };
}
