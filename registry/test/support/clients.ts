import { execFile } from 'node:child_process';
import { access, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const store = fileURLToPath(new URL('../../../node_modules/.cache/signet-clients/', import.meta.url));

/**
 * A package manager of an exact version, fetched once by this machine's npm and kept. They are no dependencies of the workspace:
 * their commands would hide the npm that everything else runs with.
 *
 * @returns the folder of the package, or why it cannot be had
 */
export async function fetchClient(name: string, version: string): Promise<{ folder: string } | { missing: string }> {
  const place = join(store, `${name.replace(/[@/]/g, '_')}-${version}`);
  const folder = join(place, 'node_modules', ...name.split('/'));
  const marker = join(folder, 'package.json');
  if (await exists(marker)) return { folder };
  const temporary = `${place}.${process.pid}`;
  await mkdir(temporary, { recursive: true });
  const options = ['--no-save', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'];
  try {
    await execute('npm', ['install', '--prefix', temporary, ...options, `${name}@${version}`], {
      cwd: temporary,
      env: { ...process.env, npm_config_ignore_scripts: 'true' },
      shell: process.platform === 'win32',
      timeout: 120_000,
    });
    await rename(temporary, place);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    if (!(await exists(marker)))
      return { missing: `${name}@${version} cannot be fetched: ${String(error).slice(0, 200)}` };
  }
  return { folder };
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
