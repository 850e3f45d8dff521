import { SignetError } from '@signet/primitives/formats';
import { type Command, type Option, type OptionValues, textOption } from '../../command.ts';
import { exitCodes } from '../../exit-codes.ts';
import { describeEntry } from './entry-lines.ts';
import { openRemoteLog } from './open-log.ts';
import { remoteOptions } from './options.ts';

export const shardOption = {
  shard: { type: 'string', argument: 'N', description: 'the shard, from 1; by default the newest' },
} as const satisfies Readonly<Record<string, Option>>;

export const get: Command = {
  name: 'log get',
  summary: 'an entry of a log, with its verified proof',
  usage: 'log get INDEX [--shard N] [flags]',
  details: [
    'With --json the whole entry is printed as bundles have it (Sigstore’s TransparencyLogEntry). Indices of a v1 log run through all its shards.',
  ],
  examples: [
    { command: 'signet log get 0 --trusted-root trusted_root.json', explanation: 'who signed what' },
    {
      command: 'signet log get 0 --trusted-root trusted_root.json --json',
      explanation: 'with body, proof and checkpoint',
    },
  ],
  options: { ...remoteOptions, ...shardOption },
  async run(context, values, positionals) {
    const index = readIndex(positionals, 'get');
    const log = await openRemoteLog(context, values);
    const found = await log.entry(index, readShard(values));
    const description = describeEntry(found);
    if (context.json) {
      context.printJson({ format: 1, verified: true, ...description, entry: found.json });
      return exitCodes.ok;
    }
    context.print(`entry ${description.index} of ${description.origin}, proven in its tree of ${description.treeSize}`);
    context.print(`  kind    ${description.kind}`);
    for (const digest of description.digests) context.print(`  digest  ${digest}`);
    for (const signer of description.signers) context.print(`  signer  ${signer}`);
    return exitCodes.ok;
  },
};

/** @throws ERR_USAGE */
export function readIndex(positionals: readonly string[], verb: string): bigint {
  const [text = '', ...more] = positionals;
  if (/^(0|[1-9]\d{0,14})$/.test(text) && more.length === 0) return BigInt(text);
  throw new SignetError('ERR_USAGE', `signet log ${verb} takes the INDEX of one entry, a plain number`);
}

/** @throws ERR_USAGE */
export function readShard(values: OptionValues): number | undefined {
  const text = textOption(values, 'shard');
  if (text === undefined) return undefined;
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new SignetError('ERR_USAGE', `--shard takes a number from 1, not ${JSON.stringify(text)}`);
}
