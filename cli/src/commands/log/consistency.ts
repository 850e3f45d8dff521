import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { digest } from '@signet/primitives/crypto';
import { inert, SignetError, toHex, utf8 } from '@signet/primitives/formats';
import { type Command, type CommandContext, type OptionValues, textOption } from '../../command.ts';
import { exitCodes } from '../../exit-codes.ts';
import { openRemoteLog } from './open-log.ts';
import { remoteOptions } from './options.ts';
import { checkConsistency, type RemoteLog, type ShardHead, type VerifiedCheckpoint } from './remote-log.ts';

export const consistency: Command = {
  name: 'log consistency',
  summary: 'whether a log has only grown since the last look; remembers what it saw',
  usage: 'log consistency [--state DIR] [flags]',
  details: [
    'Keeps the last checkpoint of every shard and proves that the present one goes on from there. A log that rewrites its history cannot do that. Run it regularly and where the log’s operator has no hand in.',
    'Exit code 20 means that the log contradicts what it signed before: keep both checkpoints, they are the proof.',
  ],
  examples: [
    { command: 'signet log consistency --trusted-root trusted_root.json', explanation: 'daily, by cron' },
    {
      command: 'signet log consistency --trusted-root trusted_root.json --state ./seen --json',
      explanation: 'with the state beside you',
    },
  ],
  options: {
    ...remoteOptions,
    state: { type: 'string', argument: 'DIR', description: 'where checkpoints are kept (in the cache of the user)' },
  },
  async run(context, values) {
    const log = await openRemoteLog(context, values);
    const directory = stateDirectory(context, values);
    const results: { origin: string; from: string | null; to: string; checkpoint: string }[] = [];
    const heads = await log.heads();
    await checkNoneIsMissing(log, heads, directory);
    for (const newer of heads) {
      const path = join(directory, `${toHex(digest('sha256', utf8(newer.origin)))}.checkpoint`);
      const kept = await readKept(path);
      const older = kept === undefined ? undefined : log.verifyKept(kept, newer);
      if (older !== undefined) await check(log, older, newer, path);
      if (older === undefined || newer.treeSize > older.treeSize) await keep(path, newer.note);
      const from = older === undefined ? null : String(older.treeSize);
      results.push({ origin: newer.origin, from, to: String(newer.treeSize), checkpoint: path });
    }
    if (context.json) {
      context.printJson({ format: 1, consistent: true, shards: results });
      return exitCodes.ok;
    }
    for (const { origin, from, to } of results) {
      const told = from === null ? 'first look, nothing to compare with' : `consistent with the ${from} seen before`;
      context.print(`${inert(origin)}: ${to} entries, ${told}`);
    }
    return exitCodes.ok;
  },
};

/** What contradicts is kept beside what was seen: together they prove it. */
async function check(
  log: RemoteLog,
  older: VerifiedCheckpoint,
  newer: VerifiedCheckpoint,
  path: string,
): Promise<void> {
  try {
    await checkConsistency(log, older, newer);
  } catch (error) {
    if (error instanceof SignetError && error.code === 'ERR_CONSISTENCY_PROOF')
      await keep(`${path}.contradiction`, newer.note);
    throw error;
  }
}

/**
 * A v1 log says itself which trees it has: one that was seen must not vanish. (Those of a v2 log are asked for one by one, as the trust
 * root names them.)
 */
async function checkNoneIsMissing(log: RemoteLog, heads: readonly ShardHead[], directory: string): Promise<void> {
  const [like] = heads;
  const names = await readdir(directory).catch(() => []);
  for (const name of names.filter((one) => one.endsWith('.checkpoint'))) {
    const note = (await readKept(join(directory, name))) ?? '';
    const [origin = ''] = note.split('\n', 1);
    if (like === undefined || heads.some((head) => head.origin === origin)) continue;
    const sameHost = origin.includes(' - ') && origin.split(' - ')[0] === like.origin.split(' - ')[0];
    if (!sameHost || !isOf(log, note, like)) continue;
    throw new SignetError('ERR_CONSISTENCY_PROOF', `the log does not show its tree ${inert(origin)} any more`, {
      expected: inert(origin),
      found: heads.map((head) => inert(head.origin)).join(', '),
    });
  }
}

function isOf(log: RemoteLog, note: string, head: ShardHead): boolean {
  try {
    log.verifyKept(note, head);
    return true;
  } catch (error) {
    if (error instanceof SignetError) return false;
    throw error;
  }
}

function stateDirectory(context: CommandContext, values: OptionValues): string {
  const given = textOption(values, 'state');
  if (given !== undefined) return resolve(context.cwd, given);
  const { SIGNET_CACHE, XDG_STATE_HOME, LOCALAPPDATA } = context.env;
  if (SIGNET_CACHE) return join(SIGNET_CACHE, 'checkpoints');
  return join(XDG_STATE_HOME || LOCALAPPDATA || join(homedir(), '.local', 'state'), 'signet', 'checkpoints');
}

async function readKept(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new SignetError('ERR_USAGE', `the kept checkpoint ${inert(path)} cannot be read`, { cause });
  }
}

async function keep(path: string, note: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.new`, note);
  await rename(`${path}.new`, path);
}
