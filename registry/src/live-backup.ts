import { lstat, open, readdir, readFile, rm } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { SignetError } from '@signet/primitives/formats';
import { changingLogFiles, copyLog, growingLogDirectories } from '@signet/services/log';
import { copyFile, listDirectory, makeDirectories } from './backup-files.ts';
import { createDurably, makeDirectory } from './durable-files.ts';
import { readGenerations } from './generations.ts';
import type { InstanceLayout } from './layout.ts';
import { isMade, logDirectories } from './log-directories.ts';

const attempts = 5;
/** A file that was written to more recently may be half-written: not everybody replaces files as a whole. */
const restMilliseconds = 100;
const restAttempts = 300;

/**
 * Copies an instance that runs, as an earlier state of it that could have been:
 *
 * - keys, certificates, trust root and configuration are of one moment: they are copied first, and when one of them has changed by
 *   the end, everything is copied again;
 * - then the packages, each as it was at one moment;
 * - then the logs, the certificate log last, each cut off at a checkpoint that it has released. Whatever a package rests on was logged
 *   before, so it is in the copy.
 *
 * Everything that was acknowledged before this was called is in it.
 *
 * @param data where the copy is to be; a directory that is emptied
 * @throws ERR_BACKUP when something changes all the time; ERR_LOG_CORRUPT, ERR_LOG_STORAGE
 */
export async function copyRunning(layout: InstanceLayout, data: string): Promise<void> {
  let changed: string | undefined;
  for (let attempt = 0; attempt < attempts; attempt++) {
    await rm(data, { recursive: true, force: true });
    await makeDirectory(data, 0o700);
    const logs = logDirectories(layout, await readGenerations(layout)).filter(isMade);
    const before = await settledState(layout, logs);
    try {
      await copySettled(layout.directory, data, logs, [...before.keys()]);
      await copyPackages(layout.registry.directory, join(data, relative(layout.directory, layout.registry.directory)));
      for (const log of logs) await copyLog(log, join(data, relative(layout.directory, log)));
    } catch (error) {
      if (!isGone(error)) throw error;
    }
    changed = difference(before, await settledState(layout, logs));
    if (changed === undefined) return;
  }
  throw new SignetError(
    'ERR_BACKUP',
    `${join(layout.directory, changed ?? '')} was changed in each of ${attempts} attempts to copy the instance; wait until that has ended, keep files of yours elsewhere, or stop the instance for the backup`,
  );
}

type States = ReadonlyMap<string, string>;

/** Everything but what a running instance writes all the time, and how it can be told that it has not changed. */
async function settledState(layout: InstanceLayout, logs: readonly string[]): Promise<States> {
  const root = layout.directory;
  const within = (path: string) => path.split('/').join(sep);
  const names = new Set(logs.map((log) => relative(root, log).split(sep).join('/')));
  const registry = relative(root, layout.registry.directory);
  const skipped = (path: string): boolean => {
    const folder = path.slice(0, Math.max(0, path.lastIndexOf('/')));
    const name = path.slice(path.lastIndexOf('/') + 1);
    if (path === registry) return true;
    return names.has(folder) && (changingLogFiles.test(name) || growingLogDirectories.includes(name));
  };
  const { directories, files } = await listDirectory(root, skipped);
  const states = new Map<string, string>();
  for (const { path, mode } of directories) states.set(`${path}/`, String(mode));
  for (const path of files) {
    if (isDatabase(path)) continue;
    const found = await lstat(join(root, within(path)), { bigint: true }).catch(() => undefined);
    states.set(path, found === undefined ? 'gone' : `${found.ino} ${found.size} ${found.mtimeNs} ${found.mode}`);
  }
  return states;
}

const isDatabase = (path: string): boolean => /\.sqlite(?:-\w+)?$/.test(path);

function difference(before: States, after: States): string | undefined {
  for (const [path, state] of before) if (after.get(path) !== state) return path;
  return [...after.keys()].find((path) => !before.has(path));
}

async function copySettled(root: string, data: string, logs: readonly string[], paths: readonly string[]) {
  const folders = paths.filter((path) => path.endsWith('/')).map((path) => path.slice(0, -1));
  const modes = await Promise.all(
    folders.map(async (path) => ({ path, mode: (await lstat(join(root, path))).mode & 0o777 })),
  );
  await makeDirectories(data, modes);
  for (const path of paths) if (!path.endsWith('/')) await copyFile(join(root, path), join(data, path));
  for (const log of logs) await makeDirectory(join(data, relative(root, log)), 0o755);
  for (const name of await readdir(join(root, 'state'))) {
    if (name.endsWith('.sqlite') && name !== 'lock.sqlite') {
      copyDatabase(join(root, 'state', name), join(data, 'state', name));
      await syncFile(join(data, 'state', name));
    }
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** One transaction reads all of it, whoever writes meanwhile. */
function copyDatabase(source: string, target: string): void {
  const database = new DatabaseSync(source, { readOnly: true });
  try {
    database.exec('PRAGMA busy_timeout = 10000');
    database.prepare('VACUUM INTO ?').run(target);
  } finally {
    database.close();
  }
}

/**
 * Copies a folder of packages: the files of each folder as they were at one moment, and folders after what stands beside them, so that
 * a list names nothing that is not there yet.
 */
async function copyPackages(source: string, target: string): Promise<void> {
  await makeDirectory(target, (await lstat(source)).mode & 0o777);
  for (let attempt = 0; ; attempt++) {
    const before = await filesAtRest(source);
    if (before !== undefined) {
      try {
        for (const name of before.keys()) await copyLoose(join(source, name), join(target, name));
        const after = await filesAtRest(source);
        if (after !== undefined && difference(before, after) === undefined) break;
      } catch (error) {
        if (!isGone(error)) throw error;
      }
      for (const name of await readdir(target)) await rm(join(target, name), { recursive: true, force: true });
    }
    if (attempt === restAttempts) {
      throw new SignetError('ERR_BACKUP', `${source} is changed all the time; stop the instance for the backup`);
    }
    await sleep(restMilliseconds / 2);
  }
  for (const entry of await readdir(source, { withFileTypes: true })) {
    if (entry.isDirectory()) {
      await copyPackages(join(source, entry.name), join(target, entry.name)).catch(async (error: unknown) => {
        if (!isGone(error)) throw error;
        // Removed meanwhile, as a whole.
        await rm(join(target, entry.name), { recursive: true, force: true });
      });
    } else if (!entry.isFile()) {
      throw new SignetError('ERR_BACKUP', `${join(source, entry.name)} is neither a file nor a directory`);
    }
  }
}

/** What is appended to for ever, a line at a time. */
const isJournal = (name: string): boolean => name.endsWith('.jsonl');
/** Verdaccio's lock of a package and what it has not finished; see storage-sweep.ts. */
const isUnfinished = (name: string): boolean => /^(?:.*\.lock|.+\.tmp-?\d*|\..+\.tmp)$/.test(name);

/** The files of a folder that can be copied now; undefined while one has just been written to. */
async function filesAtRest(folder: string): Promise<States | undefined> {
  const states = new Map<string, string>();
  const now = Date.now();
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isFile() || isUnfinished(entry.name)) continue;
    const found = await lstat(join(folder, entry.name), { bigint: true }).catch(() => undefined);
    if (found === undefined) return undefined;
    if (isJournal(entry.name)) states.set(entry.name, 'journal');
    else {
      const age = now - Number(found.mtimeMs);
      if (age >= 0 && age < restMilliseconds) return undefined;
      states.set(entry.name, `${found.ino} ${found.size} ${found.mtimeNs} ${found.mode}`);
    }
  }
  return states;
}

async function copyLoose(source: string, target: string): Promise<void> {
  if (!isJournal(source)) {
    await copyFile(source, target);
    return;
  }
  const { mode } = await lstat(source);
  const bytes = await readFile(source);
  await createDurably(target, bytes.subarray(0, bytes.lastIndexOf(10) + 1), mode & 0o777);
}

function isGone(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'ENOENT';
}
