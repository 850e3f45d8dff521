import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { defaultKeyDetails, inert, parsePem, parsePublicKeyInfo, SignetError } from '@signet/primitives/formats';
import { openSigner } from '@signet/primitives/keys';
import { type Command, type CommandContext, listOption, type OptionValues, textOption } from '../command.ts';
import { readInstanceOptions } from './instance-options.ts';
import { dataOption, flagsOnly, loadOperator, type Operator, openNamedInstance } from './operator/load.ts';
import { serveCommand } from './operator/serve.ts';

const proposalOption = {
  proposal: {
    type: 'string',
    argument: 'DIR',
    description: 'the proposal (default: tuf/proposal in the data directory)',
  },
} as const;

type Proposal = Awaited<ReturnType<Operator['readProposal']>>;

const propose: Command = {
  name: 'tuf propose',
  summary: 'lay out a change of the trust root for its holders to sign',
  usage: 'tuf propose [--data DIR] [--proposal DIR] [--add-key FILE]… [--remove-key ID]… [--threshold M]',
  details: [
    'Without flags that change keys it proposes what trust/ in the data directory holds, signed anew for another period, with a root for another year. The folder can be carried to whoever holds a key.',
  ],
  examples: [
    { command: 'signet tuf propose --data ./instance', explanation: 'for another period' },
    {
      command: 'signet tuf propose --data ./instance --add-key carol.pub --remove-key 1f0a…',
      explanation: 'Carol comes for somebody who goes',
    },
  ],
  options: {
    ...dataOption,
    ...proposalOption,
    'add-key': {
      type: 'string',
      argument: 'FILE',
      multiple: true,
      description: 'a public key (PEM) that comes; may be repeated',
    },
    'remove-key': {
      type: 'string',
      argument: 'ID',
      multiple: true,
      description: 'the id of a key that goes; may be repeated',
    },
    threshold: { type: 'string', argument: 'M', description: 'how many holders must sign from now on' },
  },
  async run(context, values, positionals) {
    flagsOnly('tuf propose', positionals);
    const { operator, instance } = await openNamedInstance(context, values);
    const threshold = textOption(values, 'threshold');
    if (threshold !== undefined && !/^[1-9]\d?$/.test(threshold)) {
      throw new SignetError('ERR_USAGE', `--threshold takes a number from 1 to 99, not ${JSON.stringify(threshold)}`);
    }
    const root = {
      add: await Promise.all(listOption(values, 'add-key').map((file) => readPublicKey(context, file))),
      remove: listOption(values, 'remove-key'),
      ...(threshold === undefined ? {} : { threshold: Number(threshold) }),
    };
    const directory = proposalDirectory(context, values, instance.layout.tuf.proposal);
    const proposal = await operator.proposeChange(instance, directory, { root });
    tell(context, operator, proposal);
    context.note(`signet tuf sign --proposal ${directory} --key FILE`);
    return 0;
  },
};

const sign: Command = {
  name: 'tuf sign',
  summary: 'sign a proposal with one key, on any machine',
  usage: 'tuf sign (--data DIR | --proposal DIR) --key FILE',
  details: ['Shows what the proposal changes, and signs it. SIGNET_PASSPHRASE_FILE names the passphrase of the key.'],
  examples: [
    {
      command: 'signet tuf sign --proposal /media/ceremony/proposal --key /media/alice/tuf-1.key',
      explanation: 'from a medium',
    },
  ],
  options: {
    ...dataOption,
    ...proposalOption,
    key: { type: 'string', argument: 'FILE', description: 'a key file, or the description of a key elsewhere' },
  },
  async run(context, values, positionals) {
    flagsOnly('tuf sign', positionals);
    const file = textOption(values, 'key');
    if (file === undefined) throw new SignetError('ERR_USAGE', 'signet tuf sign needs --key FILE');
    const operator = await loadOperator();
    const { passphrase, directory: data } = await readInstanceOptions(context, values);
    const proposal = await operator.readProposal(proposalDirectory(context, values, resolve(data, 'tuf', 'proposal')));
    const signer = await openSigner(resolve(context.cwd, file), passphrase === undefined ? {} : { passphrase });
    const signed = await operator.signProposal(proposal, signer);
    tell(context, operator, proposal, { signed, by: operator.tufKeyId(signer) });
    return 0;
  },
};

const publish: Command = {
  name: 'tuf publish',
  summary: 'publish a proposal that enough holders have signed',
  usage: 'tuf publish [--data DIR] [--proposal DIR] [--merge DIR]…',
  details: [
    'Takes over signatures from copies of the proposal (--merge), counts them, lets a stock TUF client read the outcome, and only then publishes it. What that client refuses is not published. A running instance takes it up at once.',
  ],
  examples: [
    {
      command: 'signet tuf publish --data ./instance --merge /media/alice/proposal --merge /media/bob/proposal',
      explanation: 'with signatures from two media',
    },
  ],
  options: {
    ...dataOption,
    ...proposalOption,
    merge: {
      type: 'string',
      argument: 'DIR',
      multiple: true,
      description: 'a signed copy of the proposal; may be repeated',
    },
  },
  async run(context, values, positionals) {
    flagsOnly('tuf publish', positionals);
    const { operator, instance, passphrase } = await openNamedInstance(context, values);
    const proposal = await operator.readProposal(proposalDirectory(context, values, instance.layout.tuf.proposal));
    for (const copy of listOption(values, 'merge')) {
      await operator.mergeProposal(proposal, await operator.readProposal(resolve(context.cwd, copy)));
    }
    const { version, fingerprint } = await operator.publishProposal(instance, proposal, passphrase);
    if (context.json) context.printJson({ format: 1, root: version, fingerprint });
    else context.print(`published; root ${version}, fingerprint ${fingerprint}`);
    return 0;
  },
};

const subcommands = { serve: serveCommand('tuf'), propose, sign, publish };

export const command: Command = {
  name: 'tuf',
  summary: 'the trust root: serve it, and change it by a ceremony',
  usage: 'tuf serve | propose | sign | publish',
  examples: [propose, sign, publish].flatMap(({ examples }) => examples.slice(0, 1)),
  options: {},
  subcommands,
  async run() {
    throw new SignetError('ERR_USAGE', `signet tuf has the verbs ${Object.keys(subcommands).join(', ')}`);
  },
};

function proposalDirectory(context: CommandContext, values: OptionValues, fallback: string): string {
  const named = textOption(values, 'proposal');
  return named === undefined ? fallback : resolve(context.cwd, named);
}

/** What a proposal changes and what it lacks. */
function tell(
  context: CommandContext,
  operator: Operator,
  proposal: Proposal,
  done: Readonly<Record<string, unknown>> = {},
): void {
  const changes = operator.describeProposal(proposal);
  const status = operator.proposalStatus(proposal);
  if (context.json) {
    context.printJson({ format: 1, proposal: proposal.directory, changes, status, ...done });
    return;
  }
  for (const line of changes) context.print(inert(line));
  for (const { document, count } of status) {
    context.print(`${document}: ${count.signed} of ${count.threshold} signatures`);
    for (const id of count.missing) context.print(`  not yet by ${id}`);
  }
}

async function readPublicKey(context: CommandContext, file: string) {
  const text = await readFile(resolve(context.cwd, file), 'utf8').catch((cause: unknown) => {
    throw new SignetError('ERR_CONFIGURATION', `${file} cannot be read`, { cause });
  });
  const [block] = parsePem(text);
  if (block?.label !== 'PUBLIC KEY') throw new SignetError('ERR_USAGE', `${file} is no public key in PEM`);
  const publicKey = parsePublicKeyInfo(block.bytes);
  return { publicKey, keyDetails: defaultKeyDetails(publicKey) };
}
