import { readFile } from 'node:fs/promises';
import { dirname, relative, resolve } from 'node:path';
import type { TrustReference, TrustStore } from '@signet/client/trust/tuf';
import { SignetError } from '@signet/primitives/formats';
import { type CommandContext, type OptionValues, textOption } from '../../command.ts';
import { trustSources } from '../../evidence-sources.ts';

/** `--policy FILE`. */
export const policyOption = {
  policy: { type: 'string', argument: 'FILE', description: 'the policy (./trust-policy.yaml)' },
} as const;

/** A trust root of a policy. */
export interface NamedRoot {
  readonly name: string;
  readonly kind: 'builtin' | 'tuf' | 'file';
  /** The names it owns; undefined: all that no other root owns. */
  readonly packages: readonly string[] | undefined;
  /** Absent for a file, which nobody refreshes. */
  readonly reference?: TrustReference;
  readonly place: string;
}

export function policyPath(context: CommandContext, values: OptionValues): string {
  return resolve(context.cwd, textOption(values, 'policy') ?? 'trust-policy.yaml');
}

/** Copies of trust roots, in the user's cache. */
export async function openStore(context: CommandContext): Promise<TrustStore> {
  const { TrustStore: Store } = await import('@signet/client/trust/tuf');
  const install = await import('@signet/client/preflight');
  const { env, offline, onNote, request } = trustSources(context, install);
  return new Store({ cache: install.cacheFolder(env ?? {}), offline, onNote, ...request });
}

/**
 * The trust roots of the policy, or those among them that are named.
 *
 * @throws ERR_POLICY_MISSING, ERR_POLICY_INVALID, ERR_TRUST_FILE, ERR_USAGE for a name that the policy does not have
 */
export async function readRoots(
  context: CommandContext,
  values: OptionValues,
  names: readonly string[],
): Promise<readonly NamedRoot[]> {
  const path = policyPath(context, values);
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    const shown = relative(context.cwd, path) || path;
    throw new SignetError('ERR_POLICY_MISSING', `there is no ${shown}; signet trust init makes one`, { cause });
  });
  const { parsePolicy } = await import('@signet/client/policy');
  const { publicGood } = await import('@signet/client/trust/tuf');
  const { trustRoots } = parsePolicy(text, { path });
  const unknown = names.find((name) => !trustRoots.some((root) => root.name === name));
  if (unknown !== undefined)
    throw new SignetError('ERR_USAGE', `the policy has no trust root ${JSON.stringify(unknown)}`);
  const wanted = trustRoots.filter(({ name }) => names.length === 0 || names.includes(name));
  return await Promise.all(
    wanted.map(async ({ name, source, packages }): Promise<NamedRoot> => {
      const known = { name, kind: source.kind, packages: packages?.map((pattern) => pattern.text) };
      if (source.kind === 'file') return { ...known, place: source.path };
      if (source.kind === 'builtin') return { ...known, place: publicGood().url, reference: publicGood() };
      const file = resolve(dirname(path), source.root);
      const root = await readFile(file).catch((cause: unknown) => {
        throw new SignetError('ERR_TRUST_FILE', `trust root ${name}: ${file} cannot be read`, { cause });
      });
      return { ...known, place: source.url, reference: { url: source.url, root: new Uint8Array(root) } };
    }),
  );
}
