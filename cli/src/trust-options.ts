import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { TrustMaterial } from '@signet/client/trust';
import { inert, SignetError } from '@signet/primitives/basics';
import { type CommandContext, type Option, type OptionValues, textOption } from './command.ts';
import { trustSources } from './evidence-sources.ts';

/** Flags of commands that must know whom to trust. */
export const trustOptions = {
  'trusted-root': { type: 'string', argument: 'FILE', description: 'a Sigstore trusted_root.json to verify with' },
  policy: { type: 'string', argument: 'FILE', description: 'the policy that names trust roots (./trust-policy.yaml)' },
} as const satisfies Readonly<Record<string, Option>>;

/**
 * The trust material that consumers of a package will use: the file given, else the trust root that owns the name in the
 * project's policy. What a registry says about trust is never asked.
 *
 * @throws ERR_USAGE when neither is there, ERR_TRUST_…, ERR_POLICY_…
 */
export async function trustFor(
  context: CommandContext,
  values: OptionValues,
  packageName?: string,
): Promise<TrustMaterial> {
  const { loadTrustMaterial } = await import('@signet/client/trust');
  const given = textOption(values, 'trusted-root');
  if (given !== undefined) return await loadTrustMaterial(resolve(context.cwd, given));
  const path = resolve(context.cwd, textOption(values, 'policy') ?? 'trust-policy.yaml');
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new SignetError(
      'ERR_USAGE',
      'nothing says whom to trust: give --trusted-root FILE, or a trust-policy.yaml with trustRoots',
      { cause },
    );
  });
  const { ownersOf, parsePolicy } = await import('@signet/client/policy');
  const policy = parsePolicy(text, { path });
  const owners = packageName === undefined ? policy.trustRoots : ownersOf(policy, packageName);
  const [owner, second] = owners;
  if (owner === undefined || second !== undefined) {
    const what = packageName === undefined ? 'a file' : inert(packageName);
    throw new SignetError(
      'ERR_TRUST_MATERIAL',
      `${path} names ${owners.length} trust roots for ${what}; give --trusted-root FILE`,
      {
        expected: 'exactly one',
        found: owners.map(({ name }) => name).join(', ') || 'none',
      },
    );
  }
  const install = await import('@signet/client/preflight');
  return await new install.TrustRoots(policy, dirname(path), trustSources(context, install)).load(owner.name);
}
