import { join } from 'node:path';
import { parseCheckpoint, parseJson, parseSignedNote, SignetError, toHex } from '@signet/primitives/formats';
import { readIfPresent, writeDurably } from './durable-files.ts';
import { type RotatedService, readGenerations, rotatedServices } from './generations.ts';
import type { Instance } from './initialize.ts';
import { beginRotation } from './rotation.ts';

/** How far a log has come: in a backup, or as somebody has seen it. */
export interface LogState {
  readonly origin: string;
  readonly treeSize: number;
  /** Lower-case hexadecimal. */
  readonly rootHash: string;
}

/**
 * The first log of a backup that has been seen with more entries, or with others, than the backup has. Signatures are not looked
 * at: a false checkpoint can only make a restore refuse.
 *
 * @throws ERR_NOTE_FORMAT, ERR_CHECKPOINT_FORMAT
 */
export function newerThan(
  logs: readonly LogState[],
  checkpoints: readonly string[],
): { readonly origin: string; readonly seen: LogState; readonly kept: LogState } | undefined {
  for (const seen of checkpoints.map(readCheckpoint)) {
    const kept = logs.find(({ origin }) => origin === seen.origin);
    if (kept === undefined) continue;
    const same = seen.treeSize === kept.treeSize && seen.rootHash === kept.rootHash;
    if (seen.treeSize > kept.treeSize || (seen.treeSize === kept.treeSize && !same)) {
      return { origin: kept.origin, seen, kept };
    }
  }
  return undefined;
}

/** The first log of which no checkpoint shows that the backup has all of it. @throws as {@link newerThan} */
export function missingProof(logs: readonly LogState[], checkpoints: readonly string[]): LogState | undefined {
  const seen = checkpoints.map(readCheckpoint);
  return logs.find(
    ({ origin, treeSize, rootHash }) =>
      !seen.some((one) => one.origin === origin && one.treeSize === treeSize && one.rootHash === rootHash),
  );
}

function readCheckpoint(text: string): LogState {
  const { origin, treeSize, rootHash } = parseCheckpoint(parseSignedNote(text).text);
  return { origin, treeSize: Number(treeSize), rootHash: toHex(rootHash) };
}

const logServices = rotatedServices.filter((service) => service !== 'ca' && service !== 'tsa');

type LogService = Exclude<RotatedService, 'ca' | 'tsa'>;

/**
 * Ends the logs of an instance where they are and lets new ones with new keys go on. Until they do, the instance does not serve
 * (see {@link assertContinued}).
 *
 * @throws ERR_ROTATION, ERR_KEY_FILE, ERR_KEY_SIGNER
 */
export async function continueInNewLogs(instance: Instance, passphrase: string | undefined): Promise<void> {
  const generations = await readGenerations(instance.layout);
  const services = logServices.filter((service) => service !== 'log-v1' || instance.urls.logV1 !== null);
  const waited = Object.fromEntries(services.map((service) => [service, generations[service] + 1]));
  await writeDurably(waitedPath(instance), `${JSON.stringify({ format: 1, generations: waited })}\n`);
  const options = { leadSeconds: 0, overlapSeconds: 0, ...(passphrase === undefined ? {} : { passphrase }) };
  for (const service of services) await beginRotation(instance, service, options);
}

/**
 * Refuses to serve as long as logs that a backup brought back could still be written to: they may be behind what clients have seen.
 *
 * @throws ERR_LOG_BEHIND
 */
export async function assertContinued(instance: Instance): Promise<void> {
  const text = await readIfPresent(waitedPath(instance));
  if (text === undefined) return;
  const { generations: waited } = parseJson(text, waitedPath(instance)) as {
    generations: Partial<Record<LogService, number>>;
  };
  const present = await readGenerations(instance.layout);
  const behind = logServices.find((service) => present[service] < (waited[service] ?? 0));
  if (behind === undefined) return;
  throw new SignetError(
    'ERR_LOG_BEHIND',
    `this instance was restored and its logs are to go on in new ones, but clients cannot be told to trust the new ${behind} yet: sign and publish the proposal in ${instance.layout.tuf.proposal} (signet tuf sign, signet tuf publish), then start again`,
  );
}

function waitedPath({ layout }: Instance): string {
  return join(layout.state.directory, 'new-logs.json');
}
