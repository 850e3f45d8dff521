import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { inert, parseJson, SignetError } from '@signet/primitives/formats';
import { writeBundle } from '../bundle-file.ts';
import { type Command, flagOption, textOption } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import { signingTransport } from '../signing-transport.ts';

const upgrade: Command = {
  name: 'bundle upgrade',
  summary: 'an old bundle as a bundle v0.3',
  usage: 'bundle upgrade BUNDLE [flags]',
  details: [
    'Reads bundles v0.1 and v0.2 and those of cosign before 2.4, and writes the same signature as a bundle v0.3. Nothing is\n' +
      'signed anew and nothing is verified; signet verify does that. An inclusion proof that is missing is fetched from the log.',
  ],
  examples: [
    { command: 'signet bundle upgrade app.tgz.sigstore.json --out app.tgz.v03.json', explanation: 'to a new file' },
    {
      command: 'signet bundle upgrade old.bundle --log-url https://rekor.acme.example --out new.sigstore.json',
      explanation: 'with a proof from the log',
    },
  ],
  options: {
    out: { type: 'string', argument: 'FILE', description: 'where it is written (standard output)' },
    'log-url': { type: 'string', argument: 'URL', description: 'the log (Rekor v1) that has the entry' },
    force: { type: 'boolean', description: 'overwrite a file that is there' },
  },
  async run(context, values, positionals) {
    const [name, second] = positionals;
    if (name === undefined || second !== undefined) {
      throw new SignetError('ERR_USAGE', 'signet bundle upgrade takes one BUNDLE');
    }
    const text = await readFile(resolve(context.cwd, name), 'utf8').catch((cause: unknown) => {
      throw new SignetError('ERR_USAGE', `${inert(name)} cannot be read`, { cause });
    });
    const logUrl = textOption(values, 'log-url');
    if (logUrl !== undefined && context.offline) throw new SignetError('ERR_OFFLINE', '--log-url needs the network');
    const { upgradeBundle } = await import('@signet/client/sign');
    const http = logUrl === undefined ? {} : { ...(await signingTransport(context)), signal: context.signal };
    const { bundle, changed } = await upgradeBundle(parseJson(text, 'bundle'), {
      ...(logUrl === undefined ? {} : { logUrl }),
      http,
    });
    const out = textOption(values, 'out');
    if (out === undefined) {
      if (context.json) context.printJson({ format: 1, changed, bundle });
      else context.print(JSON.stringify(bundle));
    } else {
      await writeBundle(resolve(context.cwd, out), bundle, flagOption(values, 'force'));
      if (context.json) context.printJson({ format: 1, changed, out });
      else context.print(inert(out));
    }
    context.note(changed ? 'The signature is the same; the format is v0.3.' : 'It was a bundle v0.3 already.');
    return exitCodes.ok;
  },
};

export const command: Command = {
  name: 'bundle',
  summary: 'bring old bundles to the present format',
  usage: 'bundle upgrade BUNDLE [flags]',
  examples: [{ command: 'signet bundle upgrade old.sigstore.json --out new.sigstore.json', explanation: 'to v0.3' }],
  options: {},
  subcommands: { upgrade },
  async run() {
    throw new SignetError('ERR_USAGE', 'signet bundle needs a verb: upgrade');
  },
};
