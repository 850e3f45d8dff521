import { inert, SignetError } from '@signet/primitives/basics';
import { type Command, textOption } from '../../command.ts';
import { checkProject } from '../../project-check.ts';
import { policyOption, readPolicyFile, writePolicyFile } from './policy-text.ts';

export const add: Command = {
  name: 'policy add',
  summary: 'add rules that hold packages to who publishes them now',
  usage: 'policy add <name…> [flags]',
  details: [
    'The packages must be in the lockfile and their evidence must verify. Everything else in the file stays as it is.',
  ],
  examples: [{ command: 'signet policy add express', explanation: 'a publisher and a rule for one package' }],
  options: policyOption,
  async run(context, values, positionals) {
    if (positionals.length === 0) throw new SignetError('ERR_USAGE', 'signet policy add needs names of packages');
    const install = await import('@signet/client/preflight');
    const { addRules } = await import('@signet/client/policy');
    const file = await readPolicyFile(context, values);
    const project = await install.openNpmProject({ cwd: context.cwd, env: context.env });
    const policy = textOption(values, 'policy');
    const { report } = await checkProject(context, policy === undefined ? {} : { policy }, {
      project,
      everything: true,
    });
    const proven = positionals.map((name) => {
      const judged = report.judged.find((one) => one.name === name && one.attestations.length > 0);
      if (judged !== undefined) return judged;
      throw new SignetError(
        'ERR_USAGE',
        `nothing proves who publishes ${inert(name)}: it is not in the lockfile, or it has no evidence that verifies`,
      );
    });
    await writePolicyFile(file, addRules(file.text, file.shownAs, proven));
    context.print(`${file.shownAs}: rules for ${positionals.map((name) => inert(name)).join(', ')}`);
    return 0;
  },
};
