import { userInfo } from 'node:os';
import { relative, resolve } from 'node:path';
import { inert, SignetError } from '@signet/primitives/basics';
import { type Command, textOption } from '../command.ts';
import { checkProject } from '../project-check.ts';

/** `signet trust accept`: a person consents to a package being proven otherwise than before. */
export const accept: Command = {
  name: 'trust accept',
  summary: 'accept that a package is published by somebody else, or less well proven, than before',
  usage: 'trust accept <name> --reason TEXT [flags]',
  details: [
    'Replaces the pin of the package in trust-lock.json by what verifies now, and writes down who consented and why. What does not verify\n' +
      'cannot be accepted, nor what the rules of the policy refuse.',
  ],
  examples: [
    {
      command: "signet trust accept axios --reason 'moved to another organisation'",
      explanation: 'after a TP201 or TP202',
    },
  ],
  options: {
    policy: { type: 'string', argument: 'FILE', description: 'the policy (trust-policy.yaml beside package.json)' },
    reason: { type: 'string', argument: 'TEXT', description: 'why; people will read it' },
    by: { type: 'string', argument: 'WHO', description: 'who consents (the user of this machine)' },
  },
  async run(context, values, positionals) {
    const [name, more] = positionals;
    const reason = textOption(values, 'reason');
    if (name === undefined || more !== undefined || reason === undefined || reason.trim() === '') {
      throw new SignetError('ERR_USAGE', 'signet trust accept needs one package and --reason');
    }
    const install = await import('@signet/client/preflight');
    const { pinOf } = await import('@signet/client/policy');
    const project = await install.openNpmProject({ cwd: context.cwd, env: context.env });
    const path = resolve(project.directory, install.trustLockFileName);
    const lock = await install.readTrustLock(path);
    const before = lock.packages.get(name);
    const policy = textOption(values, 'policy');
    const { report } = await checkProject(context, policy === undefined ? {} : { policy }, {
      project,
      everything: true,
    });
    const candidates = report.judged.filter((one) => one.name === name);
    const failure = report.failures.find((one) => one.package.startsWith(`${name}@`));
    if (failure !== undefined) throw failure.error;
    const [judged, another] = candidates;
    if (judged === undefined) throw new SignetError('ERR_USAGE', `${inert(name)} is not in the lockfile`);
    const consentable = new Set(['TP201', 'TP202', 'TP203', 'TP204']);
    const other = candidates
      .flatMap(({ decision }) => decision.violations)
      .find(({ code, severity }) => severity === 'error' && !consentable.has(code));
    if (other !== undefined) {
      throw new SignetError(
        'ERR_POLICY_DENIED',
        `a pin is not what stands against ${inert(name)}: ${other.code} ${inert(other.message)}`,
      );
    }
    // Of several versions the one that is proven least says what can be expected of all.
    const weakest =
      another === undefined ? judged : [...candidates].sort((a, b) => a.attestations.length - b.attestations.length)[0];
    const { version, attestations } = weakest ?? judged;
    const fresh = pinOf(version, attestations) ?? { level: 'none' as const, identity: {}, since: { version } };
    const by = textOption(values, 'by') ?? userInfo().username;
    const accepted = [...(before?.accepted ?? []), { at: new Date().toISOString(), by, reason }];
    await install.writeTrustLock(path, install.withPins(lock, [[name, { ...fresh, accepted }]]));
    const was = before === undefined ? 'nothing' : `${before.level} by ${install.describeIdentity(before.identity)}`;
    const is = `${fresh.level} by ${install.describeIdentity(fresh.identity)}`;
    if (context.json) {
      context.printJson({
        format: 1,
        package: inert(name),
        before: inert(was),
        after: inert(is),
        by: inert(by),
        reason: inert(reason),
      });
    } else {
      context.print(`${inert(name)}: was ${inert(was)}, is now ${inert(is)}, accepted by ${inert(by)}`);
      context.note(`commit ${relative(context.cwd, path)}`);
    }
    return 0;
  },
};
