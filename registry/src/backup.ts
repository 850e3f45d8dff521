import { readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { parseJson, SignetError, toHex } from '@signet/primitives/formats';
import { checkLog } from '@signet/services/log';
import {
  type BackedUpDirectory,
  type BackedUpFile,
  copyFile,
  describeFile,
  listDirectory,
  makeDirectories,
} from './backup-files.ts';
import { type DirectoryLock, lockDirectory } from './directory-lock.ts';
import { makeDirectory, readIfPresent, syncDirectory, writeDurably } from './durable-files.ts';
import { readGenerations } from './generations.ts';
import { type Instance, openInstance } from './initialize.ts';
import { copyRunning } from './live-backup.ts';
import { isMade, logDirectories } from './log-directories.ts';
import { type LogState, missingProof, newerThan } from './restored-logs.ts';

/** What `backup.json` says of the directory `data` beside it. */
export interface BackupManifest {
  readonly format: 1;
  readonly type: 'signet-backup';
  readonly publicUrl: string;
  /** RFC 3339. */
  readonly made: string;
  readonly logs: readonly LogState[];
  readonly directories: readonly BackedUpDirectory[];
  readonly files: readonly BackedUpFile[];
}

const manifestName = 'backup.json';

/**
 * Copies an instance, with a digest of every file. Every byte of its logs is checked: a backup of damage would be found out when it is
 * needed. One that runs meanwhile is copied as an earlier state of it that could have been, see {@link copyRunning}.
 *
 * @param target a directory that does not exist yet
 * @throws ERR_INSTANCE_BUSY while the instance is being made or changed; ERR_BACKUP, ERR_LOG_CORRUPT
 */
export async function backUp(instance: Instance, target: string, now: Date = new Date()): Promise<BackupManifest> {
  const { layout, configuration } = instance;
  const inside = relative(layout.directory, resolve(target));
  if (inside === '' || !(inside.startsWith('..') || resolve(inside) === inside)) {
    throw new SignetError('ERR_BACKUP', `the backup ${target} would lie in the instance that it is of`);
  }
  const lock = await lockUnlessRunning(instance);
  try {
    await assertAbsent(target);
    return await intoPlace(resolve(target), async (unfinished) => {
      const data = join(unfinished, 'data');
      const parts = lock === undefined ? await copyLive(instance, data) : await copyStopped(instance, data);
      const { publicUrl } = configuration;
      const manifest: BackupManifest = {
        format: 1,
        type: 'signet-backup',
        publicUrl,
        made: now.toISOString(),
        ...parts,
      };
      await writeDurably(join(unfinished, manifestName), `${JSON.stringify(manifest, undefined, 1)}\n`);
      return manifest;
    });
  } finally {
    lock?.release();
  }
}

type Copied = Pick<BackupManifest, 'logs' | 'directories' | 'files'>;

/** @returns nothing when the instance is being served @throws ERR_INSTANCE_BUSY */
async function lockUnlessRunning({ layout }: Instance): Promise<DirectoryLock | undefined> {
  try {
    return lockDirectory(layout.state.lock);
  } catch (error) {
    const busy = error instanceof SignetError && error.code === 'ERR_INSTANCE_BUSY';
    if (busy && (await readIfPresent(layout.state.running)) !== undefined) return undefined;
    throw error;
  }
}

async function copyStopped(instance: Instance, data: string): Promise<Copied> {
  const logs = await checkLogs(instance);
  const { directory } = instance.layout;
  const { directories, files } = await listDirectory(directory);
  await makeDirectory(data, 0o700);
  await makeDirectories(data, directories);
  const copies: BackedUpFile[] = [];
  for (const path of files) copies.push({ path, ...(await copyFile(join(directory, path), join(data, path))) });
  return { logs, directories, files: copies };
}

async function copyLive({ layout }: Instance, data: string): Promise<Copied> {
  await copyRunning(layout, data);
  const logs = await checkLogs(await openInstance(data));
  const { directories, files } = await listDirectory(data);
  const described: BackedUpFile[] = [];
  for (const path of files) described.push({ path, ...(await describeFile(join(data, path))) });
  return { logs, directories, files: described };
}

/** How a backup is put back. */
export interface RestoreOptions {
  /** Signed checkpoints that were seen of the instance's logs, texts of notes in any order. */
  readonly checkpoints?: readonly string[];
  /** The operator knows that nothing was signed or logged after the backup was made. */
  readonly nothingNewer?: boolean;
  /** The logs end where the backup ends, and new ones with new keys go on. */
  readonly newLogs?: boolean;
}

/**
 * Puts a backup where no instance is. A log must not be continued behind what it has promised to anybody, so without proof or
 * the operator's word that the backup is the latest state it is put back only to be continued in new logs.
 *
 * @param source what {@link backUp} made
 * @param directory where the instance shall be; absent or empty
 * @throws ERR_BACKUP when the backup is not whole; ERR_LOG_BEHIND when logs may have gone on after it; ERR_INSTANCE_FORMAT
 */
export async function restoreBackup(
  source: string,
  directory: string,
  options: RestoreOptions = {},
): Promise<{ readonly instance: Instance; readonly manifest: BackupManifest }> {
  const manifest = await readManifest(join(source, manifestName));
  assertNewest(manifest, options);
  const target = resolve(directory);
  await assertAbsent(target);
  await intoPlace(target, async (unfinished) => {
    await makeDirectories(unfinished, manifest.directories);
    for (const file of manifest.files) await putBack(join(source, 'data', file.path), unfinished, file);
    const found = await checkLogs(await openInstance(unfinished));
    if (JSON.stringify(found) === JSON.stringify(manifest.logs)) return;
    throw new SignetError('ERR_BACKUP', `the logs in ${source} are not those that ${manifestName} names`);
  });
  return { instance: await openInstance(target), manifest };
}

/** Fills a directory that gets its name when it is whole, and is not there otherwise. Keys are in it. */
async function intoPlace<Result>(target: string, fill: (unfinished: string) => Promise<Result>): Promise<Result> {
  const unfinished = `${target}.unfinished`;
  try {
    await rm(unfinished, { recursive: true, force: true });
    await makeDirectory(unfinished, 0o700);
    const result = await fill(unfinished);
    await rename(unfinished, target);
    await syncDirectory(dirname(target));
    return result;
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    throw error;
  }
}

/** @throws ERR_BACKUP */
async function putBack(from: string, root: string, { path, mode, size, sha256 }: BackedUpFile): Promise<void> {
  const copied = await copyFile(from, join(root, path), mode).catch((cause: unknown) => {
    throw new SignetError('ERR_BACKUP', `${from} cannot be put back`, { cause });
  });
  if (copied.size === size && copied.sha256 === sha256) return;
  throw new SignetError('ERR_BACKUP', `${from} is not the file that was backed up; take another backup`, {
    expected: `sha256:${sha256}, ${size} bytes`,
    found: `sha256:${copied.sha256}, ${copied.size} bytes`,
  });
}

/** @throws ERR_LOG_BEHIND */
function assertNewest({ logs, made }: BackupManifest, options: RestoreOptions): void {
  if (options.newLogs === true) return;
  const advice = 'restore a newer backup, or let new logs go on from here with --new-logs';
  const texts = options.checkpoints ?? [];
  const contradiction = newerThan(logs, texts);
  if (contradiction !== undefined) {
    throw new SignetError(
      'ERR_LOG_BEHIND',
      `${contradiction.origin} has gone on after this backup of ${made}: ${advice}`,
      {
        expected: describe(contradiction.seen),
        found: describe(contradiction.kept),
      },
    );
  }
  const unproven = options.nothingNewer === true ? undefined : missingProof(logs, texts);
  if (unproven === undefined) return;
  throw new SignetError(
    'ERR_LOG_BEHIND',
    `nothing shows that ${unproven.origin} has not gone on after this backup of ${made}, and to continue it behind what clients have seen would contradict itself: give its last checkpoint with --checkpoint FILE, say --nothing-newer if the instance signed nothing since, or let new logs go on with --new-logs`,
  );
}

function describe({ treeSize, rootHash }: Omit<LogState, 'origin'>): string {
  return `${treeSize} entries, root ${rootHash}`;
}

/** Every log, checked byte for byte. @throws ERR_LOG_CORRUPT */
async function checkLogs({ layout }: Instance): Promise<LogState[]> {
  const logs: LogState[] = [];
  for (const directory of logDirectories(layout, await readGenerations(layout))) {
    if (!isMade(directory)) continue;
    const { origin, treeSize, rootHash, damage } = checkLog(directory);
    if (damage.length > 0) throw new SignetError('ERR_LOG_CORRUPT', `${directory} is damaged: ${damage.join('; ')}`);
    logs.push({ origin, treeSize, rootHash: toHex(rootHash) });
  }
  return logs;
}

/** @throws ERR_BACKUP */
async function assertAbsent(directory: string): Promise<void> {
  const entries = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new SignetError('ERR_BACKUP', `${directory} is not a directory`, { cause: error });
  });
  if (entries.length > 0) {
    throw new SignetError('ERR_BACKUP', `${directory} is there already and not empty; nothing is ever overwritten`);
  }
  await rm(directory, { recursive: true, force: true });
}

/** @throws ERR_BACKUP, ERR_INSTANCE_FORMAT */
async function readManifest(path: string): Promise<BackupManifest> {
  const text = await readIfPresent(path);
  if (text === undefined) throw new SignetError('ERR_BACKUP', `${path} is missing: that is no backup, or half of one`);
  const value = parseJson(text, path) as Partial<Record<keyof BackupManifest, unknown>> | null;
  if (value?.type !== 'signet-backup') throw new SignetError('ERR_BACKUP', `${path} does not describe a backup`);
  if (value.format !== 1) {
    throw new SignetError(
      'ERR_INSTANCE_FORMAT',
      `${path} has a format that this Signet does not know; use a newer one`,
    );
  }
  const manifest = value as unknown as BackupManifest;
  const paths = [...(manifest.directories ?? []), ...(manifest.files ?? [])].map(({ path: one }) => one);
  const stays = paths.every((one) => typeof one === 'string' && isBelow(one));
  const logs = Array.isArray(manifest.logs) && Array.isArray(manifest.files) && Array.isArray(manifest.directories);
  if (!stays || !logs) throw new SignetError('ERR_BACKUP', `${path} is damaged`);
  return manifest;
}

/** A path of a backup must not lead out of it. */
function isBelow(path: string): boolean {
  return path.split('/').every((part) => !['', '.', '..'].includes(part) && !part.includes(sep === '/' ? '\0' : sep));
}

/**
 * The checkpoints in a file, or in all files of a folder, as `signet log consistency --state` keeps them.
 *
 * @throws ERR_CONFIGURATION
 */
export async function readCheckpoints(path: string): Promise<readonly string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [await readFile(path, 'utf8')];
    const names = (await readdir(path)).filter((name) => name.endsWith('.checkpoint'));
    return await Promise.all(names.map((name) => readFile(join(path, name), 'utf8')));
  } catch (cause) {
    throw new SignetError('ERR_CONFIGURATION', `${path} cannot be read`, { cause });
  }
}
