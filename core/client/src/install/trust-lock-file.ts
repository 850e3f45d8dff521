import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { fromUtf8, SignetError } from '@signet/primitives/basics';
import { emptyTrustLock, formatTrustLock, type Pin, parseTrustLock, type TrustLock } from '../policy/index.ts';

/**
 * Reads the pins of a project.
 *
 * @returns an empty lock, created now, when there is no file
 * @throws ERR_TRUST_LOCK, ERR_ENCODING
 */
export async function readTrustLock(path: string, now = new Date()): Promise<TrustLock> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return emptyTrustLock(now);
    throw new SignetError('ERR_TRUST_LOCK', `${path} cannot be read`, { cause });
  }
  return parseTrustLock(fromUtf8(bytes, path), path);
}

/** A lock with pins added or replaced. */
export function withPins(lock: TrustLock, pins: Iterable<readonly [name: string, pin: Pin]>): TrustLock {
  return { ...lock, packages: new Map([...lock.packages, ...pins]) };
}

/**
 * Writes the pins of a project, renamed into place.
 *
 * @throws ERR_TRUST_LOCK
 */
export async function writeTrustLock(path: string, lock: TrustLock): Promise<void> {
  const temporary = `${path}.${randomUUID()}`;
  try {
    await writeFile(temporary, formatTrustLock(lock), { flag: 'wx' });
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new SignetError('ERR_TRUST_LOCK', `${path} cannot be written`, { cause });
  }
}
