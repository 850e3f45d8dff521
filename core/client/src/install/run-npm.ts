import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, isAbsolute, join, relative } from 'node:path';
import type { Writable } from 'node:stream';
import { SignetError } from '@signet/primitives/basics';

/** npm as it can be started without a shell. */
export interface NpmProgram {
  readonly file: string;
  /** What stands before npm's own arguments. */
  readonly args: readonly string[];
}

/**
 * Finds the machine's npm on the PATH. Folders inside the project's node_modules, and commands of packages anywhere, do not
 * count: what lies there is what is about to be replaced, or can be committed, and has not been verified.
 *
 * @throws ERR_NOT_INSTALLED
 */
export function findNpm(
  env: Readonly<Record<string, string | undefined>>,
  directory: string,
  platform: NodeJS.Platform = process.platform,
): NpmProgram {
  const path = env.PATH ?? env.Path ?? '';
  for (const folder of path.split(delimiter)) {
    if (!isAbsolute(folder) || isBelow(folder, join(directory, 'node_modules'))) continue;
    // npm's scripts put those of every folder further up first.
    if (/[\\/]node_modules[\\/]+\.bin[\\/]*$/.test(folder)) continue;
    if (platform !== 'win32') {
      if (existsSync(join(folder, 'npm'))) return { file: join(folder, 'npm'), args: [] };
      continue;
    }
    // npm.cmd needs a shell, which would interpret arguments; the program behind it does not.
    const script = join(folder, 'node_modules', 'npm', 'bin', 'npm-cli.js');
    if (!existsSync(join(folder, 'npm.cmd')) || !existsSync(script)) continue;
    const node = join(folder, 'node.exe');
    return { file: existsSync(node) ? node : process.execPath, args: [script] };
  }
  throw new SignetError('ERR_NOT_INSTALLED', 'there is no npm on the PATH; install Node.js with npm');
}

export interface RunNpmOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Ends npm when it is aborted. */
  readonly signal?: AbortSignal;
}

/**
 * Runs npm to its end, with this process's input and the given outputs.
 *
 * @returns npm's exit code, or 128 plus the signal that ended it, as shells have it
 */
export function runNpm(program: NpmProgram, args: readonly string[], options: RunNpmOptions): Promise<number> {
  const { cwd, env, stdout, stderr, signal } = options;
  // Loaded where a program is started, which a run that only checks never does.
  const { spawn } = process.getBuiltinModule('node:child_process');
  return new Promise((resolve, reject) => {
    const child = spawn(program.file, [...program.args, ...args], {
      cwd,
      env: { ...env },
      stdio: ['inherit', descriptor(stdout), descriptor(stderr)],
      shell: false,
    });
    const end = (): void => {
      child.kill('SIGTERM');
    };
    signal?.addEventListener('abort', end, { once: true });
    child.stdout?.pipe(stdout, { end: false });
    child.stderr?.pipe(stderr, { end: false });
    child.on('error', (cause) => {
      reject(new SignetError('ERR_NOT_INSTALLED', `npm cannot be started: ${cause.message}`, { cause }));
    });
    child.on('close', (code, killedBy) => {
      signal?.removeEventListener('abort', end);
      resolve(code ?? 128 + (killedBy === null ? 0 : constants.signals[killedBy]));
    });
  });
}

/** npm gets the terminal itself where there is one, for its colours and progress bar. */
function descriptor(stream: Writable): number | 'pipe' {
  return 'fd' in stream && typeof stream.fd === 'number' ? stream.fd : 'pipe';
}

function isBelow(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === '' || (!way.startsWith('..') && !isAbsolute(way));
}
