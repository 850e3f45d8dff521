import { join, resolve } from 'node:path';
import { SignetError } from '@signet/primitives/formats';
import { type Command, type CommandContext, listOption, type OptionValues, textOption } from '../command.ts';
import { instanceOptions, loadInstalled, noteIgnored, readInstanceOptions } from './instance-options.ts';

export const command: Command = {
  name: 'init',
  summary: 'make a private instance: its keys, logs, trust root and registry',
  usage: 'init [--data DIR] [--names NAMES]… [flags]',
  details: [
    'Makes the data directory of a private instance: certificate authority, transparency log, timestamp authority and npm registry. What exists already stays as it is; keys are made once and never again. An init that was cut off is finished by the next one.',
    'With SIGNET_PASSPHRASE_FILE the private keys are encrypted with the first line of that file, which signet up then needs too.',
  ],
  examples: [
    {
      command: "signet init --data ./instance --names '@acme/*' --public-url https://npm.acme.example",
      explanation: 'for a company, behind a proxy',
    },
    {
      command: "signet init --data ./try --names '@example/*' --dev-identity --publisher alice@example.com",
      explanation: 'to try it out',
    },
  ],
  options: {
    ...instanceOptions,
    'offline-keys': {
      type: 'string',
      argument: 'DIR',
      description: 'make the keys of all roots there; lock them away afterwards',
    },
    holders: { type: 'string', argument: 'N', description: 'how many people get a key of the trust root (default 3)' },
    threshold: { type: 'string', argument: 'M', description: 'how many of them must sign a change (default 2)' },
    key: {
      type: 'string',
      argument: 'NAME=FILE',
      multiple: true,
      description:
        'use the key that this file describes (a command or a PKCS #11 device) as ca-intermediate, tsa, ct, …',
    },
  },
  async run(context, values, positionals) {
    if (positionals.length > 0)
      throw new SignetError('ERR_USAGE', 'signet init takes flags only; the directory is --data');
    const options = {
      ...(await readInstanceOptions(context, values)),
      ...readOfflineKeys(context, values),
      keyFiles: readKeyFiles(context, values),
    };
    const registry = await loadInstalled(() => import('@signet/registry'));
    context.progress('making keys and certificates');
    const instance = await registry.initInstance(options);
    const { layout, configuration } = instance;
    noteIgnored(context, values, instance);
    if (context.json) {
      context.printJson({
        format: 1,
        created: instance.created,
        publicUrl: configuration.publicUrl,
        names: configuration.names,
        data: layout.directory,
        trustedRoot: layout.trust.trustedRoot,
        tufRoot: join(layout.tuf.directory, 'metadata', '1.root.json'),
        policy: layout.policyFile,
      });
      return 0;
    }
    context.print(`${instance.created ? 'made' : 'was there already'}: ${layout.directory}`);
    context.print(`public URL: ${configuration.publicUrl} (fixed)`);
    const example = instance.created && options.names === undefined ? ' (an example: no --names were given)' : '';
    context.print(`owns: ${configuration.names.join(', ')}${example}`);
    const nobody = instance.created && options.publishers.length === 0 ? ' (nobody yet: edit it)' : '';
    context.note(`who may publish: ${layout.policyFile}${nobody}`);
    const noLogin = instance.created && !configuration.developmentIdentity ? ' (nobody’s yet: edit it first)' : '';
    context.note(`whose logins count: ${layout.issuersFile}${noLogin}`);
    const development = configuration.developmentIdentity ? ' --dev-identity' : '';
    context.note(`start it: signet up --data ${layout.directory}${development}`);
    return 0;
  },
};

function readOfflineKeys(context: CommandContext, values: OptionValues) {
  const directory = textOption(values, 'offline-keys');
  const [holders, threshold] = [readCount(values, 'holders', 3), readCount(values, 'threshold', 2)];
  if (directory === undefined) {
    if (textOption(values, 'holders') === undefined && textOption(values, 'threshold') === undefined) return {};
    throw new SignetError('ERR_USAGE', '--holders and --threshold go with --offline-keys DIR');
  }
  if (threshold > holders) {
    throw new SignetError('ERR_USAGE', `--threshold ${threshold} can never be met by --holders ${holders}`);
  }
  return { offlineKeys: { directory: resolve(context.cwd, directory), holders, threshold } };
}

function readCount(values: OptionValues, name: string, fallback: number): number {
  const text = textOption(values, name);
  if (text === undefined) return fallback;
  if (/^[1-9]\d?$/.test(text)) return Number(text);
  throw new SignetError('ERR_USAGE', `--${name} takes a number from 1 to 99, not ${JSON.stringify(text)}`);
}

function readKeyFiles(context: CommandContext, values: OptionValues): Readonly<Record<string, string>> {
  const pairs = listOption(values, 'key').map((text) => {
    const at = text.indexOf('=');
    if (at < 1) throw new SignetError('ERR_USAGE', `--key takes NAME=FILE, not ${JSON.stringify(text)}`);
    return [text.slice(0, at), resolve(context.cwd, text.slice(at + 1))] as const;
  });
  return Object.fromEntries(pairs);
}
