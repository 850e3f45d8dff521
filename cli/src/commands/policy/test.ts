import { readFile } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import type { Policy } from '@signet/client/policy';
import { inert, SignetError } from '@signet/primitives/basics';
import { type Command, type CommandContext, textOption } from '../../command.ts';
import { trustSources } from '../../evidence-sources.ts';
import { exitCodes } from '../../exit-codes.ts';
import { paint } from '../../terminal.ts';
import { type PolicyText, policyOption, readPolicyFile } from './policy-text.ts';

export const test: Command = {
  name: 'policy test',
  summary: 'judge made-up packages by a policy, to see that it says what you mean',
  usage: 'policy test [--cases FILE] [flags]',
  details: [
    'trust-policy.test.yaml is a list of cases: name, package (name@version), evidence (a list of issuer, subject, claims,\n' +
      'predicateType, trustRoot, time) and expect: allowed, or the codes of violations. Ends with 10 when a case comes out otherwise.',
    'Rules of policies that it extends count too; they are fetched as for an installation.',
  ],
  examples: [{ command: 'signet policy test', explanation: 'the cases of trust-policy.test.yaml' }],
  options: {
    ...policyOption,
    cases: { type: 'string', argument: 'FILE', description: 'the cases (./trust-policy.test.yaml)' },
  },
  async run(context, values) {
    const { evaluatePolicy, parsePolicy, parsePolicyCases } = await import('@signet/client/policy');
    const file = await readPolicyFile(context, values);
    const own = parsePolicy(file.text, { path: file.shownAs });
    const policy = own.extends === undefined ? own : await withExtended(context, file);
    const path = resolve(context.cwd, textOption(values, 'cases') ?? 'trust-policy.test.yaml');
    const casesAs = relative(context.cwd, path) || path;
    const casesText = await readFile(path, 'utf8').catch((cause: unknown) => {
      throw new SignetError('ERR_USAGE', `there is no ${casesAs}`, { cause });
    });
    const results = parsePolicyCases(casesText, policy, casesAs).map(({ name, facts, now, expect }) => {
      const { violations } = evaluatePolicy(policy, facts, { now });
      const errors = violations.filter(({ severity }) => severity === 'error').map(({ code }) => code);
      const found = errors.length === 0 ? 'allowed' : [...new Set(errors)].sort().join(', ');
      const expected = expect.length === 0 ? 'allowed' : [...expect].sort().join(', ');
      return { name: inert(name), expected, found, passed: found === expected };
    });
    if (context.json) context.printJson({ format: 1, results });
    for (const { name, expected, found, passed } of results) {
      if (context.json) continue;
      const mark = passed ? paint('✔', 'green', context.colour) : paint('✖', 'red', context.colour);
      context.print(passed ? `${mark} ${name}: ${found}` : `${mark} ${name}: expected ${expected}, found ${found}`);
    }
    return results.every(({ passed }) => passed) ? exitCodes.ok : exitCodes.policyDenied;
  },
};

/** The policy with the rules of those that it extends, as an installation here would have them. */
async function withExtended(context: CommandContext, { path, shownAs }: PolicyText): Promise<Policy> {
  const install = await import('@signet/client/preflight');
  const { settings } = await install.openNpmProject({ cwd: context.cwd, env: context.env });
  return (await install.loadPolicy(path, shownAs, undefined, trustSources(context, install, settings))).policy;
}
