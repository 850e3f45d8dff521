import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { SignetError } from '@signet/primitives/formats';
import { type Command, type CommandContext, flagOption, type OptionValues } from '../../command.ts';
import { exitCodes } from '../../exit-codes.ts';
import { readInstanceOptions } from '../instance-options.ts';
import { loadOperator, readDuration } from '../operator/load.ts';
import { dataOption } from './options.ts';
import { loadLogServer, logDirectory } from './server-side.ts';

const defaultOverlapSeconds = 3600;

export const rotate: Command = {
  name: 'log rotate',
  summary: 'go on in a new shard with a new key, and freeze the present one',
  usage: 'log rotate [--data DIR] [--overlap TIME] [--lead TIME] [--v1]',
  details: [
    'Opens a new shard below the log’s URL and writes trusted_root.json and signing_config.v0.2.json anew: give them to whoever trusts the log. A running server does it without a pause. After the overlap the old shard answers new entries with 405; what it holds stays readable for ever.',
    'In the data directory of an instance, the new key is made now and published through its trust root; after the lead time the signing config names the new shard, and after the overlap the old one is frozen. The instance does that, running or started later; signet doctor says how far it is. Where the keys of the trust root are elsewhere, the changes wait as proposals: signet tuf sign and publish.',
  ],
  examples: [
    { command: 'signet log rotate --data ./log --overlap 2d', explanation: 'with two days for everybody to follow' },
    { command: 'signet log rotate --data ./log --overlap 0', explanation: 'at once: a key may be in wrong hands' },
    { command: 'signet log rotate --data ./instance', explanation: 'of an instance, in the course of the years' },
  ],
  options: {
    ...dataOption,
    v1: { type: 'boolean', description: 'the log of Rekor v1, whose change is at once and without another URL' },
    overlap: {
      type: 'string',
      argument: 'TIME',
      description: 'how long the old shard takes entries: 90s, 30m, 1h, 2d, 0 (1h)',
    },
    lead: {
      type: 'string',
      argument: 'TIME',
      description: 'of an instance: how long the new trust is public before its use: 0, 12h, 8d (8d)',
    },
  },
  async run(context, values, positionals) {
    if (positionals.length > 0) throw new SignetError('ERR_USAGE', 'signet log rotate takes flags only');
    const overlapSeconds = readDuration(values, 'overlap');
    const leadSeconds = readDuration(values, 'lead');
    const directory = logDirectory(context, values);
    if (existsSync(join(directory, 'instance.yaml'))) {
      return rotateInstance(context, values, { directory, overlapSeconds, leadSeconds });
    }
    if (leadSeconds !== undefined) {
      throw new SignetError(
        'ERR_USAGE',
        '--lead is for instances; the trust in a log alone is handed out by its operator',
      );
    }
    return rotateAlone(context, values, { directory, overlapSeconds: overlapSeconds ?? defaultOverlapSeconds });
  },
};

async function rotateAlone(
  context: CommandContext,
  values: OptionValues,
  { directory, overlapSeconds }: { readonly directory: string; readonly overlapSeconds: number },
): Promise<number> {
  const { passphrase } = await readInstanceOptions(context, values);
  const server = await loadLogServer();
  const { number, url, origin } = await server.rotateLog({
    directory,
    api: flagOption(values, 'v1') ? 'v1' : 'v2',
    overlapSeconds,
    ...(passphrase === undefined ? {} : { passphrase }),
  });
  const { trustedRoot, signingConfig } = server.logLayout(directory);
  if (context.json) {
    context.printJson({ format: 1, number, url, origin, overlapSeconds, trustedRoot, signingConfig });
    return exitCodes.ok;
  }
  context.print(`shard ${number} takes entries at ${url}`);
  context.note(`give to whoever trusts the log: ${trustedRoot}`);
  context.note(`give to whoever writes to it: ${signingConfig}`);
  return exitCodes.ok;
}

/** The instance carries it through: trust first, then the switch, then the end of the old shard. */
async function rotateInstance(
  context: CommandContext,
  values: OptionValues,
  wanted: {
    readonly directory: string;
    readonly overlapSeconds: number | undefined;
    readonly leadSeconds: number | undefined;
  },
): Promise<number> {
  const v1 = flagOption(values, 'v1');
  if (v1 && wanted.overlapSeconds !== undefined) {
    throw new SignetError('ERR_USAGE', '--overlap is not for the v1 log, whose shards follow each other at once');
  }
  const operator = await loadOperator();
  const { passphrase } = await readInstanceOptions(context, values);
  const instance = await operator.openInstance(wanted.directory);
  const service = v1 ? 'log-v1' : 'log';
  const { generation, begun, leadSeconds, overlapSeconds } = await operator.beginRotation(instance, service, {
    ...(wanted.leadSeconds === undefined ? {} : { leadSeconds: wanted.leadSeconds }),
    ...(wanted.overlapSeconds === undefined ? {} : { overlapSeconds: wanted.overlapSeconds }),
    ...(passphrase === undefined ? {} : { passphrase }),
  });
  if (context.json) {
    const overlap = overlapSeconds === undefined ? {} : { overlapSeconds };
    context.printJson({ format: 1, service, number: generation, begun: begun.toISOString(), leadSeconds, ...overlap });
    return exitCodes.ok;
  }
  context.print(`shard ${generation} has its key; the instance publishes it and goes on there ${leadSeconds} s later`);
  context.note('how far it is: signet doctor');
  return exitCodes.ok;
}
