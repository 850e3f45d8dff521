import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Creates or replaces a file: after a crash at any moment it holds all of the old or all of the new bytes. */
export async function writeDurably(path: string, content: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const file = await open(temporary, 'wx', 0o644);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Files of a directory with their content; none when there is no directory. */
export async function readDirectory(directory: string): Promise<Map<string, Uint8Array>> {
  let entries: string[];
  try {
    const found = await readdir(directory, { withFileTypes: true });
    entries = found.filter((entry) => entry.isFile() && !entry.name.startsWith('.')).map(({ name }) => name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw error;
  }
  const files = await Promise.all(
    entries.map(async (name) => [name, new Uint8Array(await readFile(join(directory, name)))] as const),
  );
  return new Map(files);
}

/** Makes renames in `directory` durable. Windows cannot open directories, and journals the rename itself. */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The file name of a target whose name may hold slashes and, with the port of a host, a colon: all targets lie in one folder. */
export function targetFileName(name: string): string {
  return name.replaceAll('/', '%2F').replaceAll(':', '%3A');
}

/** The name of the target in a file. */
export function targetName(fileName: string): string {
  return fileName.replaceAll('%2F', '/').replaceAll('%3A', ':');
}
