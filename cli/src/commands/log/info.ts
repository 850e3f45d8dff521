import { inert, toBase64, toHex } from '@signet/primitives/formats';
import type { Command } from '../../command.ts';
import { exitCodes } from '../../exit-codes.ts';
import { remoteOptions } from './options.ts';
import { RemoteLog } from './remote-log.ts';

export const info: Command = {
  name: 'log info',
  summary: 'the shards of a log with their verified checkpoints',
  usage: 'log info [--log URL] [flags]',
  details: ['Reads the checkpoint of every shard that the trust root names and verifies it with the key there.'],
  examples: [
    { command: 'signet log info --trusted-root trusted_root.json', explanation: 'size and root of the log' },
    { command: 'signet log info --trusted-root trusted_root.json --json', explanation: 'for a script' },
  ],
  options: remoteOptions,
  async run(context, values) {
    const log = await RemoteLog.open(context, values);
    const told = readersOf(await log.describe());
    const shards = await Promise.all(
      log.shards.map(async (shard) => ({ shard, checkpoint: await log.checkpoint(shard) })),
    );
    if (context.json) {
      const list = shards.map(({ shard, checkpoint }) => ({
        origin: shard.name,
        url: shard.baseUrl,
        keyId: toBase64(shard.logId),
        treeSize: String(checkpoint.treeSize),
        rootHash: toHex(checkpoint.rootHash),
        frozenAt: shard.validFor.end?.toISOString() ?? null,
        checkpoint: checkpoint.note,
      }));
      context.printJson({ format: 1, url: log.url, readers: told, shards: list });
      return exitCodes.ok;
    }
    for (const { shard, checkpoint } of shards) {
      const { end } = shard.validFor;
      context.print(inert(shard.name));
      context.print(`  entries  ${checkpoint.treeSize}`);
      context.print(`  root     ${toHex(checkpoint.rootHash)}`);
      context.print(`  key id   ${toHex(shard.logId)}`);
      if (end !== undefined) context.print(`  frozen   ${end.toISOString()}`);
    }
    context.note(
      told === 'token' ? 'This log is private: it is read with a token.' : 'This log is public: everybody may read it.',
    );
    return exitCodes.ok;
  },
};

function readersOf(described: unknown): 'public' | 'token' {
  const { readers } = (typeof described === 'object' && described !== null ? described : {}) as { readers?: unknown };
  return readers === 'token' ? 'token' : 'public';
}
