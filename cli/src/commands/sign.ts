import { readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { SigningServices } from '@signet/client/sign';
import { inert, SignetError } from '@signet/primitives/formats';
import { type Command, type CommandContext, flagOption, type OptionValues, textOption } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import { namedServices, signingOptions, tokenFor } from '../signing-options.ts';
import { trustFor, trustOptions } from '../trust-options.ts';

export const command: Command = {
  name: 'sign',
  summary: 'sign files keylessly; each gets a bundle beside it',
  usage: 'sign FILE… [flags]',
  details: [
    'Writes FILE.sigstore.json, a Sigstore bundle v0.3, after it was verified. One certificate serves for all files.',
    'Services come from --signing-config, from three URLs, or from the registry given with --registry.',
  ],
  examples: [
    {
      command: 'signet sign app.tgz --registry https://npm.acme.example --trusted-root trusted_root.json',
      explanation: 'with the services beside a registry',
    },
    {
      command: 'signet sign *.tgz --signing-config signing_config.json --trusted-root trusted_root.json',
      explanation: 'several files, with any Sigstore instance',
    },
  ],
  options: {
    ...signingOptions,
    ...trustOptions,
    force: { type: 'boolean', description: 'overwrite bundles that are there' },
  },
  async run(context, values, positionals) {
    if (positionals.length === 0) throw new SignetError('ERR_USAGE', 'signet sign needs at least one FILE');
    if (context.offline) throw new SignetError('ERR_OFFLINE', 'signing needs the network; run it without --offline');
    const trust = await trustFor(context, values);
    const { SigningSession, tokenRequirements } = await import('@signet/client/sign');
    const { services, login } = await findServices(context, values, trust);
    const files = await Promise.all(positionals.map((name) => readForSigning(context, name)));
    context.progress('waiting for the identity token');
    const wanted = await tokenRequirements(services.caUrl, login, { signal: context.signal });
    const { token } = await tokenFor(context, values, wanted);
    const session = await SigningSession.open({
      identityToken: token,
      services,
      trust,
      signal: context.signal,
      onStep: (step) => context.progress(`waiting for: ${step}`),
    });
    const signed = [];
    for (const { name, path, bytes } of files) {
      const { bundle, verified } = await session.signMessage(bytes);
      const bundlePath = `${path}.sigstore.json`;
      await writeBundle(bundlePath, bundle, flagOption(values, 'force'));
      const [entry] = verified.logEntries;
      signed.push({ file: name, bundle: bundlePath, logIndex: entry === undefined ? null : String(entry.index) });
      if (!context.json) context.print(`${inert(name)}.sigstore.json`);
      context.note(
        `  signed by ${inert(session.identity.subject)} (issuer ${inert(session.identity.issuer)}), log entry ${entry?.index}`,
      );
    }
    if (context.json) context.printJson({ format: 1, identity: session.identity, signed });
    return exitCodes.ok;
  },
};

async function findServices(
  context: CommandContext,
  values: OptionValues,
  trust: Awaited<ReturnType<typeof trustFor>>,
): Promise<{ services: SigningServices; login?: { issuer: string; clientId?: string } }> {
  const named = await namedServices(context, values);
  if (named !== undefined) return { services: named };
  if (context.registry === undefined) {
    throw new SignetError(
      'ERR_USAGE',
      'name the services: --registry URL, --signing-config FILE, or --ca-url, --tsa-url and --log-url',
      {
        found: textOption(values, 'issuer') === undefined ? 'none' : 'only an identity provider',
      },
    );
  }
  const { assertNamedByTrust, describeInstance } = await import('@signet/client/sign');
  const { services, login } = await describeInstance(context.registry, { signal: context.signal });
  assertNamedByTrust(services, trust);
  return { services, ...(login === undefined ? {} : { login }) };
}

async function readForSigning(
  context: CommandContext,
  name: string,
): Promise<{ name: string; path: string; bytes: Uint8Array }> {
  const path = resolve(context.cwd, name);
  try {
    return { name, path, bytes: await readFile(path) };
  } catch (cause) {
    throw new SignetError('ERR_USAGE', `${inert(name)} cannot be read`, { cause });
  }
}

async function writeBundle(path: string, bundle: Readonly<Record<string, unknown>>, force: boolean): Promise<void> {
  try {
    await writeFile(path, `${JSON.stringify(bundle)}\n`, { flag: force ? 'w' : 'wx' });
  } catch (cause) {
    throw new SignetError('ERR_USAGE', `${inert(path)} cannot be written; --force overwrites a bundle that is there`, {
      cause,
    });
  }
}
