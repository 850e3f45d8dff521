import { randomUUID } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import { SignetError } from '@signet/primitives/basics';
import { type CommandContext, type Option, type OptionValues, textOption } from '../../command.ts';

export const policyOption = {
  policy: { type: 'string', argument: 'FILE', description: 'the policy (./trust-policy.yaml)' },
} as const satisfies Readonly<Record<string, Option>>;

/** The policy file of a command: where it is, how it is shown, what it says. */
export interface PolicyText {
  readonly path: string;
  readonly shownAs: string;
  readonly text: string;
}

/** @throws ERR_POLICY_MISSING */
export async function readPolicyFile(context: CommandContext, values: OptionValues): Promise<PolicyText> {
  const path = resolve(context.cwd, textOption(values, 'policy') ?? 'trust-policy.yaml');
  const shownAs = relative(context.cwd, path) || path;
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new SignetError('ERR_POLICY_MISSING', `there is no ${shownAs}; signet policy init writes one`, { cause });
  });
  return { path, shownAs, text };
}

/** Writes a policy that was changed, once it is known to be one. */
export async function writePolicyFile({ path, shownAs }: PolicyText, text: string): Promise<void> {
  const { parsePolicy } = await import('@signet/client/policy');
  parsePolicy(text, { path: shownAs });
  const temporary = `${path}.${randomUUID()}`;
  await writeFile(temporary, text, { flag: 'wx' });
  await rename(temporary, path);
}
