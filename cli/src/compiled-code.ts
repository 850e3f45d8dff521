import { lstatSync, mkdirSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { secretFolder } from '@signet/client/user-folders';

/**
 * Keeps what Node compiled of our code for the next run, which then starts some milliseconds earlier. Whoever can write there runs code as
 * this user: so it lies beside the key of the verdict cache, outside of all folders that people copy, restore and share, and counts only
 * where nobody else can write. Where it can't be kept, everything goes as without it.
 *
 * @param env with `CI` nothing is kept: the next run is on another machine
 */
export function keepCompiledCode(env: Readonly<Record<string, string | undefined>>): void {
  // Node's own variables say otherwise, or it runs from sources that change.
  if (env.NODE_COMPILE_CACHE || env.NODE_DISABLE_COMPILE_CACHE || env.CI || import.meta.url.endsWith('.ts')) return;
  const secrets = secretFolder(env);
  if (secrets === undefined) return;
  const folder = join(secrets, 'compiled');
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (isOurs(folder)) enableCompileCache(folder);
  } catch {
    // A home that is read-only, full or none: nothing but time is lost.
  }
}

function isOurs(folder: string): boolean {
  const state = lstatSync(folder);
  if (!state.isDirectory()) return false;
  if (process.platform === 'win32') return true;
  return state.uid === process.getuid?.() && (state.mode & 0o022) === 0;
}
