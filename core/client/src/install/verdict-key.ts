import { randomBytes } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { SignetError } from '@signet/primitives/basics';

const length = 32;

/**
 * The key that authenticates this user's verdict cache, made when it is first asked for. It lies outside the cache folder, so that
 * whoever can write a cache (a CI service that restores one, another job, an archive) cannot write verdicts.
 *
 * @throws ERR_VERDICT_CACHE when the file is not this user's alone, or lies inside the cache folder
 */
export async function verdictKey(folder: string, cacheFolder: string): Promise<Uint8Array> {
  const way = relative(cacheFolder, folder);
  if (way === '' || way.split(sep)[0] !== '..') {
    throw new SignetError('ERR_VERDICT_CACHE', `the key of the verdict cache would lie in the cache itself, ${folder}`);
  }
  const path = join(folder, 'verdict-key');
  return (await read(path)) ?? (await create(folder, path));
}

async function read(path: string): Promise<Uint8Array | undefined> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new SignetError('ERR_VERDICT_CACHE', `${path} cannot be read`, { cause: error });
  });
  if (file === undefined) return undefined;
  try {
    const { mode, uid, size } = await file.stat();
    const mine = process.getuid === undefined || uid === process.getuid();
    const shared = process.platform !== 'win32' && (mode & 0o077) !== 0;
    if (!mine || shared || size !== length) {
      throw new SignetError('ERR_VERDICT_CACHE', `${path} is not a key that only you can read; delete it`, {
        expected: `${length} bytes, mode 0600, yours`,
        found: `${size} bytes, mode ${(mode & 0o777).toString(8).padStart(4, '0')}${mine ? '' : ', another user’s'}`,
      });
    }
    const key = new Uint8Array(length);
    const { bytesRead } = await file.read(key, 0, length, 0);
    if (bytesRead !== length) throw new SignetError('ERR_VERDICT_CACHE', `${path} is cut off; delete it`);
    return key;
  } finally {
    await file.close();
  }
}

async function create(folder: string, path: string): Promise<Uint8Array> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const file = await open(path, 'wx', 0o600);
    const key = randomBytes(length);
    try {
      await file.writeFile(key);
    } finally {
      await file.close();
    }
    return key;
  } catch (error) {
    // Two first runs at once: the other one's key is as good. Should it be half written still, this run does without.
    const other = (error as NodeJS.ErrnoException).code === 'EEXIST' ? await read(path) : undefined;
    if (other !== undefined) return other;
    throw new SignetError('ERR_VERDICT_CACHE', `${path} cannot be written`, { cause: error });
  }
}
