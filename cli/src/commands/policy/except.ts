import type { ViolationCode } from '@signet/client/policy';
import { inert, SignetError } from '@signet/primitives/basics';
import { type Command, textOption } from '../../command.ts';
import { checkProject } from '../../project-check.ts';
import { policyOption, readPolicyFile, writePolicyFile } from './policy-text.ts';

export const except: Command = {
  name: 'policy except',
  summary: 'put up with what is wrong with one version, for these bytes, for a while, for a reason',
  usage: 'policy except <name@version> --reason TEXT --expires DATE [flags]',
  details: [
    'The exception covers what the policy has against this version now, and nothing else. There is none from evidence that is false.',
  ],
  examples: [
    {
      command: "signet policy except @acme/lib@1.9.0 --reason 'scanner outage, INC-771' --expires 2026-12-01",
      explanation: 'until the first of December',
    },
  ],
  options: {
    ...policyOption,
    reason: { type: 'string', argument: 'TEXT', description: 'why; people will read it' },
    expires: { type: 'string', argument: 'DATE', description: 'until when, at most 180 days' },
    'approved-by': { type: 'string', argument: 'WHO', description: 'who has agreed' },
  },
  async run(context, values, positionals) {
    const [spec = ''] = positionals;
    const [reason, expires, approvedBy] = ['reason', 'expires', 'approved-by'].map((name) => textOption(values, name));
    if (spec.lastIndexOf('@') <= 0 || positionals.length !== 1 || reason === undefined || expires === undefined) {
      throw new SignetError('ERR_USAGE', 'signet policy except needs name@version, --reason and --expires');
    }
    const install = await import('@signet/client/preflight');
    const { addException, unexceptional } = await import('@signet/client/policy');
    const file = await readPolicyFile(context, values);
    const project = await install.openNpmProject({ cwd: context.cwd, env: context.env });
    const policy = textOption(values, 'policy');
    const { report, lockfile } = await checkProject(context, policy === undefined ? {} : { policy }, { project });
    const locked = lockfile.lock.packages.find(({ name, version }) => `${name}@${version}` === spec);
    const errors = report.violations.filter((one) => one.package === spec && one.severity === 'error');
    if (locked?.integrity === undefined || errors.length === 0) {
      throw new SignetError('ERR_USAGE', `the policy has nothing against ${inert(spec)} in this lockfile`);
    }
    const stubborn = errors.find(({ code }) => unexceptional.has(code));
    if (stubborn !== undefined) {
      throw new SignetError(
        'ERR_POLICY_DENIED',
        `there is no exception from ${stubborn.code}: ${inert(stubborn.message)}`,
      );
    }
    const codes: ViolationCode[] = [...new Set(errors.map(({ code }) => code))];
    const { integrity } = locked;
    const text = addException(file.text, file.shownAs, {
      match: spec,
      codes,
      integrity,
      reason,
      expires,
      ...(approvedBy === undefined ? {} : { approvedBy }),
    });
    await writePolicyFile(file, text);
    context.print(`${file.shownAs}: ${inert(spec)} is excepted from ${codes.join(', ')} until ${inert(expires)}`);
    return 0;
  },
};
