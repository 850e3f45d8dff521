import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import type { FetchedRoot, InstanceTrust } from '@signet/client/trust/tuf';
import { inert, SignetError } from '@signet/primitives/formats';
import {
  type Command,
  type CommandContext,
  flagOption,
  listOption,
  type OptionValues,
  textOption,
} from '../../command.ts';
import { openStore, policyOption, policyPath } from './roots.ts';

const options = {
  ...policyOption,
  name: { type: 'string', argument: 'NAME', description: 'what the policy calls it (default: the host)' },
  root: { type: 'string', argument: 'FILE', description: 'its root, from the operator' },
  fingerprint: { type: 'string', argument: 'SHA256', description: 'or the fingerprint of its root, from the operator' },
  'trust-on-first-use': {
    type: 'boolean',
    description: 'or whatever root is served now, which nobody has vouched for',
  },
  packages: {
    type: 'string',
    argument: 'PATTERN',
    multiple: true,
    description: "the names it owns: '@acme/*'; may be repeated",
  },
  issuer: {
    type: 'string',
    argument: 'URL',
    multiple: true,
    description: 'whose identities it may vouch for; may be repeated',
  },
} as const;

const details = [
  'URL is that of the instance (its registry) or of a TUF repository. The root is kept in trust/ beside the policy, to be committed: from then on it is what everything is verified from, and the repository may change its keys as often as its own rules allow.',
  'Without --root, --fingerprint or --trust-on-first-use it shows the fingerprint that is served, to be compared with the operator’s, and changes nothing.',
];

/** Adds a trust root to the policy; `init` makes the policy where there is none. */
function addCommand(verb: 'init' | 'add', summary: string): Command {
  const name = `trust ${verb}`;
  return {
    name,
    summary,
    usage: `${name} URL (--root FILE | --fingerprint SHA256) [--packages PATTERN]… [flags]`,
    details,
    examples: [
      {
        command: `signet ${name} https://npm.acme.example --root acme.root.json --packages '@acme/*'`,
        explanation: 'with the file that the operator gave you',
      },
      { command: `signet ${name} https://npm.acme.example`, explanation: 'show the fingerprint that is served' },
    ],
    options,
    async run(context, values, positionals) {
      const [url, ...more] = positionals;
      if (url === undefined || more.length > 0 || !URL.canParse(url)) {
        throw new SignetError('ERR_USAGE', `signet ${name} takes the URL of one instance`);
      }
      if (context.offline)
        throw new SignetError('ERR_OFFLINE', `signet ${name} asks the instance; --offline forbids it`);
      const path = policyPath(context, values);
      const { emptyPolicy } = await import('@signet/client/policy');
      const policy = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' && verb === 'init') return emptyPolicy;
        throw new SignetError('ERR_POLICY_MISSING', `there is no ${path}; signet trust init makes one`, {
          cause: error,
        });
      });
      context.progress('asking for the trust root');
      return await addRoot(context, values, { url, path, policy });
    },
  };
}

export const init = addCommand('init', 'trust an instance: pin its root and name it in the policy');
export const add = addCommand('add', 'trust one more instance');

async function addRoot(
  context: CommandContext,
  values: OptionValues,
  given: { readonly url: string; readonly path: string; readonly policy: string },
): Promise<number> {
  const tuf = await import('@signet/client/trust/tuf');
  const described = await tuf.describeTrust(given.url);
  const pinned = await pinnedRoot(context, values, described);
  if (pinned === undefined) return await showFingerprint(context, described);
  const { version, fingerprint, expires } = pinned.facts;
  // Before anything is written: what cannot be verified from this root would stop every installation.
  const store = await openStore(context);
  const trust = await store.refresh({ url: described.url, root: pinned.bytes });
  const name = textOption(values, 'name') ?? new URL(described.url).host.replace(/[^a-z0-9.-]/gi, '-');
  const wanted = listOption(values, 'packages');
  const packages = wanted.length > 0 ? wanted : described.names;
  if (packages.length === 0) {
    throw new SignetError(
      'ERR_USAGE',
      "say which names it owns, for example --packages '@acme/*': it vouches for no others",
    );
  }
  const file = join(dirname(given.path), 'trust', `${name}.root.json`);
  const root = `./${relative(dirname(given.path), file).replaceAll('\\', '/')}`;
  const { addTrustRoot } = await import('@signet/client/policy');
  const entry = { name, url: described.url, root, packages, issuers: listOption(values, 'issuer') };
  const changed = addTrustRoot(given.policy, entry);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, pinned.bytes);
  await writeFile(given.path, changed);
  if (context.json) {
    context.printJson({
      format: 1,
      name,
      url: described.url,
      root: file,
      policy: given.path,
      packages,
      version,
      fingerprint,
    });
    return 0;
  }
  context.print(`${inert(name)} is trusted for ${packages.map((pattern) => inert(pattern)).join(', ')}`);
  context.print(`root ${version}, fingerprint ${fingerprint}, until ${expires.toISOString().slice(0, 10)}`);
  if (trust.root.version !== version)
    context.print(`now at root ${trust.root.version}, fingerprint ${trust.root.fingerprint}`);
  context.note(`commit ${relative(context.cwd, file)} and ${relative(context.cwd, given.path)}`);
  return 0;
}

/** The root that the user vouches for, or undefined. @throws ERR_TRUST_FINGERPRINT, ERR_USAGE, ERR_CONFIGURATION */
async function pinnedRoot(
  context: CommandContext,
  values: OptionValues,
  { url }: InstanceTrust,
): Promise<FetchedRoot | undefined> {
  const tuf = await import('@signet/client/trust/tuf');
  const file = textOption(values, 'root');
  const fingerprint = textOption(values, 'fingerprint')?.replaceAll(':', '').toLowerCase();
  const first = flagOption(values, 'trust-on-first-use');
  if ([file !== undefined, fingerprint !== undefined, first].filter(Boolean).length > 1) {
    throw new SignetError('ERR_USAGE', 'give one of --root, --fingerprint and --trust-on-first-use');
  }
  if (file !== undefined) {
    const bytes = await readFile(resolve(context.cwd, file)).catch((cause: unknown) => {
      throw new SignetError('ERR_CONFIGURATION', `${file} cannot be read`, { cause });
    });
    return { bytes: new Uint8Array(bytes), facts: tuf.readRoot(bytes) };
  }
  if (fingerprint !== undefined && !/^[0-9a-f]{64}$/.test(fingerprint)) {
    throw new SignetError('ERR_USAGE', '--fingerprint takes the 64 hexadecimal digits of a SHA-256');
  }
  if (fingerprint === undefined && !first) return undefined;
  return await tuf.fetchFirstRoot(url, fingerprint);
}

async function showFingerprint(context: CommandContext, { url }: InstanceTrust): Promise<number> {
  const tuf = await import('@signet/client/trust/tuf');
  const { version, fingerprint, expires } = (await tuf.fetchFirstRoot(url, undefined)).facts;
  if (context.json) context.printJson({ format: 1, url, version, fingerprint, trusted: false });
  else {
    context.print(`${inert(url)} serves root ${version}, until ${expires.toISOString().slice(0, 10)}, fingerprint`);
    context.print(fingerprint);
  }
  throw new SignetError(
    'ERR_TRUST_FINGERPRINT',
    'nobody has vouched for this root yet: compare the fingerprint with the operator’s and repeat with --fingerprint',
    { expected: 'a root or fingerprint from the operator', found: fingerprint },
  );
}
