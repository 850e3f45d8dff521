import { setTimeout as sleep } from 'node:timers/promises';
import { SignetError } from '@signet/primitives/formats';
import { type Command, flagOption, textOption } from '../../command.ts';
import { exitCodes } from '../../exit-codes.ts';
import { describeEntry, entryLine } from './entry-lines.ts';
import { readShard, shardOption } from './get.ts';
import { openRemoteLog } from './open-log.ts';
import { remoteOptions } from './options.ts';

const pauseMilliseconds = 2000;

export const tail: Command = {
  name: 'log tail',
  summary: 'the last entries of a log, and with --follow those that come',
  usage: 'log tail [--entries N] [--follow] [flags]',
  details: [
    'Every entry is proven to be in the tree, and every new tree to go on from the one before. With --json a line each.',
  ],
  examples: [
    { command: 'signet log tail --trusted-root trusted_root.json', explanation: 'the last ten' },
    {
      command: 'signet log tail --follow --json --trusted-root trusted_root.json',
      explanation: 'for a program that watches',
    },
  ],
  options: {
    ...remoteOptions,
    ...shardOption,
    entries: { type: 'string', argument: 'N', description: 'how many of those that are there (10)' },
    follow: { type: 'boolean', description: 'go on until Ctrl-C' },
  },
  async run(context, values, positionals) {
    if (positionals.length > 0) throw new SignetError('ERR_USAGE', 'signet log tail takes flags only');
    const text = textOption(values, 'entries') ?? '10';
    if (!/^\d{1,6}$/.test(text))
      throw new SignetError('ERR_USAGE', `--entries takes a number, not ${JSON.stringify(text)}`);
    const follow = flagOption(values, 'follow');
    const { signal } = context;
    const log = await openRemoteLog(context, values);
    const shard = readShard(values);
    let seen = await log.head(shard);
    let next = seen.nextIndex > BigInt(text) ? seen.nextIndex - BigInt(text) : 0n;
    try {
      for (;;) {
        for (; next < seen.nextIndex; next++) {
          const found = await log.entry(next, shard);
          const description = describeEntry(found);
          if (context.json) context.printJson({ format: 1, ...description, entry: found.json });
          else context.print(entryLine(description));
        }
        if (!follow) return exitCodes.ok;
        await sleep(pauseMilliseconds, undefined, { signal });
        seen = await log.following(seen);
      }
    } catch (error) {
      if (follow && signal.aborted) return exitCodes.ok;
      throw error;
    }
  },
};
