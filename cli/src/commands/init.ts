import { SignetError } from '@signet/primitives/formats';
import type { Command } from '../command.ts';
import { instanceOptions, loadInstalled, readInstanceOptions } from './instance-options.ts';

const defaultPort = 4873;

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
  options: instanceOptions,
  async run(context, values, positionals) {
    if (positionals.length > 0)
      throw new SignetError('ERR_USAGE', 'signet init takes flags only; the directory is --data');
    const options = await readInstanceOptions(context, values);
    const registry = await loadInstalled(() => import('@signet/registry'));
    const port = options.port === 0 ? await registry.freePort(options.host ?? '127.0.0.1') : options.port;
    context.progress('making keys and certificates');
    const instance = await registry.initInstance({ ...options, port: port ?? defaultPort });
    const { layout, configuration } = instance;
    if (context.json) {
      context.printJson({
        format: 1,
        created: instance.created,
        publicUrl: configuration.publicUrl,
        names: configuration.names,
        data: layout.directory,
        trustedRoot: layout.trust.trustedRoot,
        policy: layout.policyFile,
      });
      return 0;
    }
    context.print(`${instance.created ? 'made' : 'was there already'}: ${layout.directory}`);
    context.print(`public URL: ${configuration.publicUrl} (fixed)`);
    context.print(`owns: ${configuration.names.join(', ')}`);
    context.note(`who may publish: ${layout.policyFile}`);
    context.note(`whose logins count: ${layout.issuersFile}`);
    context.note(
      `start it: signet up --data ${layout.directory}${configuration.developmentIdentity ? ' --dev-identity' : ''}`,
    );
    return 0;
  },
};
