import { inert, toBase64, toHex } from '@signet/primitives/formats';
import type { Command } from '../../command.ts';
import { exitCodes } from '../../exit-codes.ts';
import { openRemoteLog } from './open-log.ts';
import { remoteOptions } from './options.ts';

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
    const log = await openRemoteLog(context, values);
    const told = await log.readers();
    const heads = await log.heads();
    if (context.json) {
      const list = heads.map((head) => ({
        origin: head.origin,
        url: head.log.baseUrl,
        keyId: toBase64(head.log.logId),
        treeSize: String(head.treeSize),
        rootHash: toHex(head.rootHash),
        frozenAt: head.log.validFor.end?.toISOString() ?? null,
        checkpoint: head.note,
      }));
      context.printJson({ format: 1, url: log.url, readers: told, shards: list });
      return exitCodes.ok;
    }
    for (const { log: key, origin, treeSize, rootHash } of heads) {
      const { end } = key.validFor;
      context.print(inert(origin));
      context.print(`  entries  ${treeSize}`);
      context.print(`  root     ${toHex(rootHash)}`);
      context.print(`  key id   ${toHex(key.logId)}`);
      if (end !== undefined) context.print(`  frozen   ${end.toISOString()}`);
    }
    context.note(
      told === 'token' ? 'This log is private: it is read with a token.' : 'This log is public: everybody may read it.',
    );
    return exitCodes.ok;
  },
};
