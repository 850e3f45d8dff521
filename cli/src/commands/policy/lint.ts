import { inert } from '@signet/primitives/basics';
import type { Command } from '../../command.ts';
import { policyOption, readPolicyFile } from './policy-text.ts';

export const lint: Command = {
  name: 'policy lint',
  summary: 'check that a policy is valid, and name what is rarely meant',
  usage: 'policy lint [flags]',
  details: ['Ends with 2 when the policy is invalid; what is only unusual is told and is no failure.'],
  examples: [{ command: 'signet policy lint', explanation: 'in CI and before a commit' }],
  options: policyOption,
  async run(context, values) {
    const { lintPolicy, parsePolicy } = await import('@signet/client/policy');
    const { text, shownAs } = await readPolicyFile(context, values);
    const policy = parsePolicy(text, { path: shownAs });
    const remarks = lintPolicy(policy, new Date()).map((remark) => inert(remark));
    if (context.json) context.printJson({ format: 1, valid: true, rules: policy.rules.length, remarks });
    else for (const remark of remarks) context.print(`! ${remark}`);
    context.note(`${shownAs} is valid: ${policy.rules.length} rules, ${policy.publishers.size} publishers`);
    return 0;
  },
};
