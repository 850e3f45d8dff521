import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import { SignetError } from '@signet/primitives/basics';
import { type Command, listOption, textOption } from '../../command.ts';
import { trustSources } from '../../evidence-sources.ts';
import { packages } from '../../lockfile-report.ts';
import { checkProject } from '../../project-check.ts';

export const init: Command = {
  name: 'policy init',
  summary: 'write an enforcing policy from what the lockfile names and who signed it',
  usage: 'policy init [--trusted-root FILE --names PATTERN…] [flags]',
  details: [
    'Verifies the evidence of every package of the lockfile, under Sigstore’s public-good trust root and under your own, and writes\n' +
      'trust-policy.yaml: for each package that is proven the publisher it has now, by numeric ids where there are some. Packages\n' +
      'without evidence stay allowed; they cannot lose what they do not have. Look at every line before you commit it.',
  ],
  examples: [
    { command: 'signet policy init', explanation: 'for packages of npm’s default registry' },
    {
      command: "signet policy init --trusted-root trust/trusted_root.json --names '@acme/*'",
      explanation: 'with a private instance, which owns these names',
    },
  ],
  options: {
    policy: { type: 'string', argument: 'FILE', description: 'where to write it (./trust-policy.yaml)' },
    'trusted-root': { type: 'string', argument: 'FILE', description: 'the trusted_root.json of a private instance' },
    names: { type: 'string', multiple: true, argument: 'PATTERN', description: 'the names that instance owns' },
    'no-public-good': { type: 'boolean', description: 'without Sigstore’s public-good trust root' },
  },
  async run(context, values) {
    const install = await import('@signet/client/preflight');
    const { parsePolicy, suggestPolicy } = await import('@signet/client/policy');
    const { cwd, env } = context;
    const project = await install.openNpmProject({ cwd, env });
    const path = resolve(cwd, textOption(values, 'policy') ?? resolve(project.directory, install.policyFileName));
    const shownAs = relative(cwd, path) || path;
    if (existsSync(path)) {
      throw new SignetError('ERR_USAGE', `${shownAs} is there already; signet policy add adds to it`);
    }
    const folder = resolve(path, '..');
    const trustedRoot = textOption(values, 'trusted-root');
    const names = listOption(values, 'names');
    if ((trustedRoot === undefined) !== (names.length === 0)) {
      throw new SignetError('ERR_USAGE', '--trusted-root and --names belong together: a root owns names');
    }
    const file = trustedRoot === undefined ? '' : relative(folder, resolve(cwd, trustedRoot)).replaceAll('\\', '/');
    const trustRoots = {
      ...(values['no-public-good'] === true ? {} : { 'public-good': { builtin: 'sigstore-public-good' } }),
      ...(trustedRoot === undefined ? {} : { own: { file: `./${file}`, packages: names } }),
    };
    const looking = parsePolicy(JSON.stringify({ version: 1, noMatch: 'allow', trustRoots }), { path: shownAs });
    const loaded = {
      policy: looking,
      trustRoots: new install.TrustRoots(looking, folder, trustSources(context, install, project.settings)),
    };
    const { report } = await checkProject(context, {}, { project, policy: async () => loaded, everything: true });
    const [failure] = report.failures;
    if (failure !== undefined) throw failure.error;
    const proven = report.judged.filter(({ decision, attestations }) => decision.allowed && attestations.length > 0);
    const text = suggestPolicy(proven, trustRoots);
    parsePolicy(text, { path: shownAs });
    await writeFile(path, text, { flag: 'wx' });
    const refused = report.judged.filter(({ decision }) => !decision.allowed);
    if (context.json) {
      context.printJson({
        format: 1,
        policy: path,
        proven: proven.length,
        refused: refused.length,
        packages: report.judged.length,
      });
    } else {
      context.print(
        `${shownAs}: ${packages(proven.length)} of ${report.judged.length} are held to who publishes them now`,
      );
      context.note('look at every line, commit it with package-lock.json, and use signet ci instead of npm ci');
    }
    if (refused.length > 0)
      context.note(`! ${packages(refused.length)} have evidence that does not verify; see signet audit`);
    return 0;
  },
};
