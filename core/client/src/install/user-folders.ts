import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Where what can be made again is kept: `SIGNET_CACHE`, else the platform's folder for it.
 *
 * @returns undefined when there is no home to keep anything in
 */
export function cacheFolder(env: Environment, platform: NodeJS.Platform = process.platform): string | undefined {
  const given = absolute(env.SIGNET_CACHE);
  if (given !== undefined) return given;
  if (platform === 'win32') return below(absolute(env.LOCALAPPDATA), 'signet', 'cache');
  if (platform === 'darwin') return below(home(env), 'Library', 'Caches', 'signet');
  return below(absolute(env.XDG_CACHE_HOME) ?? below(home(env), '.cache'), 'signet');
}

/** Where what only this user may know is kept; never inside the cache, which people copy, restore and share. */
export function secretFolder(env: Environment, platform: NodeJS.Platform = process.platform): string | undefined {
  if (platform === 'win32') return below(absolute(env.APPDATA), 'signet');
  if (platform === 'darwin') return below(home(env), 'Library', 'Application Support', 'signet');
  return below(absolute(env.XDG_CONFIG_HOME) ?? below(home(env), '.config'), 'signet');
}

function home(env: Environment): string | undefined {
  return absolute(env.HOME) ?? absolute(homedir());
}

/** XDG Base Directory Specification: relative paths in these variables count as not set. */
function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined;
}

function below(folder: string | undefined, ...names: readonly string[]): string | undefined {
  return folder === undefined ? undefined : join(folder, ...names);
}
