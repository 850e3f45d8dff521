import { chmod, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SignetError } from '@signet/primitives/formats';
import { createDurably } from './durable-files.ts';
import type { InstanceLayout } from './layout.ts';

/**
 * Keeps other users of the machine out of an instance: keys, state, passwords, packages. Also where a folder or file was there
 * before with a wider mode. Windows has no such modes; there the folder's access list guards it.
 *
 * @returns a sentence for the operator about everything that was open, and about what could not be closed
 */
export async function makePrivate(layout: InstanceLayout): Promise<readonly string[]> {
  if (process.platform === 'win32') return [];
  const { directory, keys, state, registry, development } = layout;
  const folders = [directory, keys.directory, state.directory, registry.directory, registry.storage];
  // Verdaccio's list of packages has the secret in it by which it makes its tokens.
  const files = [registry.users, registry.auditLog, join(registry.storage, '.verdaccio-db.json')];
  const notes: string[] = [];
  for (const path of [...folders, development.directory]) notes.push(...(await close(path, 0o700)));
  for (const path of files) notes.push(...(await close(path, 0o600)));
  return notes;
}

/** Makes the file of passwords, so that Verdaccio, which writes it for everybody to read, finds it with the right mode. */
export async function makePasswordFile(layout: InstanceLayout): Promise<void> {
  await createDurably(layout.registry.users, '', 0o600);
}

async function close(path: string, mode: number): Promise<string[]> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  // What a link leads to is the operator's to guard.
  if (found === undefined || found.isSymbolicLink() || (found.mode & 0o077) === 0) return [];
  const before = (found.mode & 0o777).toString(8).padStart(4, '0');
  const after = mode.toString(8).padStart(4, '0');
  try {
    await chmod(path, mode);
    return [`${path} was open to other users of this machine (mode ${before}); it has mode ${after} now`];
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EPERM' && code !== 'EROFS' && code !== 'ENOTSUP') throw error;
    return [
      `${path} is open to other users of this machine (mode ${before}); its owner should run: chmod ${after} ${path}`,
    ];
  }
}

/**
 * Refuses to make an instance of what somebody else put into its directory: a key that is there already is used as if this
 * instance had made it, and a link leads its writes elsewhere.
 *
 * @throws ERR_INSTANCE
 */
export async function assertNothingPlanted(directory: string): Promise<void> {
  if (process.platform === 'win32') return;
  const own = process.getuid?.();
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    const { uid } = await lstat(path);
    const problem = entry.isSymbolicLink()
      ? 'is a symbolic link'
      : uid !== own && uid !== 0
        ? `belongs to another user (uid ${uid})`
        : entry.isFile() || entry.isDirectory()
          ? undefined
          : 'is neither a file nor a folder';
    if (problem !== undefined) {
      throw new SignetError(
        'ERR_INSTANCE',
        `${path} ${problem}, so somebody else may have put it there; choose an empty --data, or remove it if you know where it is from`,
      );
    }
    if (entry.isDirectory() && entry.name !== 'lost+found') await assertNothingPlanted(path);
  }
}
