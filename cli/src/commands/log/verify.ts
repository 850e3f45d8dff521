import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { digest } from '@signet/primitives/crypto';
import { inert, SignetError, toHex } from '@signet/primitives/formats';
import { type Command, textOption } from '../../command.ts';
import { exitCodes } from '../../exit-codes.ts';
import { describeEntry } from './entry-lines.ts';
import { readIndex, readShard, shardOption } from './get.ts';
import { openRemoteLog } from './open-log.ts';
import { remoteOptions } from './options.ts';
import type { RemoteLog, VerifiedEntry } from './remote-log.ts';

export const verify: Command = {
  name: 'log verify',
  summary: 'whether an entry, or a signature of a file, is in a log',
  usage: 'log verify (INDEX [--shard N] | --artifact FILE) [flags]',
  details: [
    'Proves by the key of the trust root that the log holds the entry, or entries over the digest of the file. Whether the right person signed is another question, which signet verify answers.',
  ],
  examples: [
    { command: 'signet log verify 0 --trusted-root trusted_root.json', explanation: 'one entry' },
    {
      command: 'signet log verify --artifact app.tgz --trusted-root trusted_root.json',
      explanation: 'signatures of a file',
    },
  ],
  options: {
    ...remoteOptions,
    ...shardOption,
    artifact: { type: 'string', argument: 'FILE', description: 'the file that was signed' },
  },
  async run(context, values, positionals) {
    const file = textOption(values, 'artifact');
    if ((file === undefined) === (positionals.length === 0)) {
      throw new SignetError('ERR_USAGE', 'signet log verify takes either an INDEX or --artifact FILE');
    }
    const index = file === undefined ? readIndex(positionals, 'verify') : undefined;
    const log = await openRemoteLog(context, values);
    const found =
      index === undefined
        ? await entriesOf(log, resolve(context.cwd, file ?? ''))
        : [await log.entry(index, readShard(values))];
    const descriptions = found.map(describeEntry);
    if (context.json) {
      context.printJson({ format: 1, verified: true, entries: descriptions });
      return exitCodes.ok;
    }
    for (const { index: place, origin, treeSize, signers } of descriptions) {
      context.print(`entry ${place} is in ${origin} (tree of ${treeSize}): ${signers.join(', ') || 'no signer named'}`);
    }
    return exitCodes.ok;
  },
};

/** Entries over any of the digests that signatures are made of. */
async function entriesOf(log: RemoteLog, path: string): Promise<VerifiedEntry[]> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new SignetError('ERR_USAGE', `${inert(path)} cannot be read`, { cause });
  });
  const found: VerifiedEntry[] = [];
  for (const algorithm of ['sha256', 'sha384', 'sha512'] as const) {
    const { entries } = await log.search({ hash: `${algorithm}:${toHex(digest(algorithm, bytes))}` });
    found.push(...entries);
  }
  if (found.length > 0) return found;
  throw new SignetError('ERR_LOG_MISSING', `the log has no entry over ${inert(path)}`, {
    expected: `an entry with sha256:${toHex(digest('sha256', bytes))}`,
    found: 'none',
  });
}
