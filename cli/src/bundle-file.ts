import { writeFile } from 'node:fs/promises';
import { inert, SignetError } from '@signet/primitives/formats';

/**
 * Writes a bundle beside what it is about.
 *
 * @throws ERR_USAGE when there is one already and `force` does not say to replace it
 */
export async function writeBundle(
  path: string,
  bundle: Readonly<Record<string, unknown>>,
  force: boolean,
): Promise<void> {
  try {
    await writeFile(path, `${JSON.stringify(bundle)}\n`, { flag: force ? 'w' : 'wx' });
  } catch (cause) {
    throw new SignetError('ERR_USAGE', `${inert(path)} cannot be written; --force overwrites a bundle that is there`, {
      cause,
    });
  }
}
