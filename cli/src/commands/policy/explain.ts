import type { Requirement } from '@signet/client/policy';
import { inert, SignetError } from '@signet/primitives/basics';
import { type Command, textOption } from '../../command.ts';
import { packageLines, verdictExitCodes, violationLines } from '../../lockfile-report.ts';
import { checkProject } from '../../project-check.ts';
import { policyOption } from './policy-text.ts';

export const explain: Command = {
  name: 'policy explain',
  summary: 'say what the policy demands of a package of the lockfile, what was found, and why',
  usage: 'policy explain <name> [flags]',
  examples: [{ command: 'signet policy explain express', explanation: 'rules, publishers, trust root, pin, verdict' }],
  options: policyOption,
  async run(context, values, positionals) {
    const [name, more] = positionals;
    if (name === undefined || more !== undefined)
      throw new SignetError('ERR_USAGE', 'signet policy explain takes one package');
    const install = await import('@signet/client/preflight');
    const { matchesName, ownersOf } = await import('@signet/client/policy');
    const project = await install.openNpmProject({ cwd: context.cwd, env: context.env });
    const file = textOption(values, 'policy');
    const check = await checkProject(context, file === undefined ? {} : { policy: file }, {
      project,
      everything: true,
    });
    const { policy } = check.loaded;
    const entries = check.lockfile.lock.packages.filter((entry) => entry.name === name);
    const [owner] = ownersOf(policy, name);
    const judged = check.report.judged.filter((one) => one.name === name);
    const violations = check.report.violations.filter(({ package: subject }) =>
      [name, ...entries.map(({ version }) => `${name}@${version}`)].includes(subject),
    );
    const rules = policy.rules.filter(({ match }) =>
      entries.length === 0
        ? matchesName(match, name, undefined)
        : entries.some(({ version }) => matchesName(match, name, version)),
    );
    const denied = violations.some(({ severity }) => severity === 'error');
    if (context.json) {
      context.printJson({
        format: 1,
        name: inert(name),
        versions: [...new Set(entries.map(({ version }) => version))],
        trustRoot: owner?.name,
        rules: rules.map(({ id }) => id),
        violations: violations.map(({ code, message, severity }) => ({ code, severity, message: inert(message) })),
        allowed: !denied,
      });
      return denied ? verdictExitCodes.denied : verdictExitCodes.allowed;
    }
    const { print } = context;
    print(`${inert(name)}  ${entries.map(({ version }) => version).join(', ') || 'is not in the lockfile'}`);
    print(`  trust root: ${owner === undefined ? 'none owns the name' : inert(owner.name)}`);
    for (const { id, mode, require } of rules) {
      print(`  rule ${inert(id)} (${mode}): ${require.map((one) => inert(describeRequirement(one))).join('; and ')}`);
    }
    if (rules.length === 0) print(`  no rule names it (noMatch: ${policy.noMatch})`);
    for (const { match, codes, reason, expires } of policy.exceptions) {
      if (!matchesName([match], name, entries[0]?.version)) continue;
      print(`  exception until ${expires.toISOString().slice(0, 10)} from ${codes.join(', ')}: ${inert(reason)}`);
    }
    for (const one of judged) for (const line of packageLines(one, context.colour)) print(`  ${line}`);
    for (const violation of violations)
      for (const line of violationLines(violation, context.colour)) print(`  ${line}`);
    for (const { package: subject, error } of check.report.failures) {
      if (subject.startsWith(`${name}@`)) print(`  no answer: ${inert(error.message)}`);
    }
    return denied ? verdictExitCodes.denied : verdictExitCodes.allowed;
  },
};

function describeRequirement(requirement: Requirement): string {
  if (requirement.kind === 'registrySignature') return 'signed by the registry';
  const by = requirement.by === undefined ? 'anybody' : requirement.by.join(' or ');
  if (requirement.kind === 'signature') {
    return requirement.threshold > 1 ? `signed by ${requirement.threshold} of ${by}` : `signed by ${by}`;
  }
  if (requirement.kind === 'attestation') return `attestation ${requirement.predicateType} by ${by}`;
  const from = requirement.repository === undefined ? '' : ` from ${requirement.repository}`;
  return `provenance by ${by}${from}${requirement.tagMatchesVersion ? ' of the tag of the version' : ''}`;
}
