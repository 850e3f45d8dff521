import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** How a program ended. */
export interface Finished {
  /** Exit code; null after a signal. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly input?: string;
  /** Milliseconds after which the program is killed and the run fails. */
  readonly timeout?: number;
  /** Whether what the program started is killed with it, as a shell's servers. */
  readonly group?: boolean;
}

const repository = fileURLToPath(new URL('../../../', import.meta.url));

/** The command `signet` from its sources, as program and arguments. */
export function signetCommand(args: readonly string[]): readonly [string, readonly string[]] {
  return [process.execPath, ['--conditions=@signet/source', `${repository}cli/src/main.ts`, ...args]];
}

/** Runs a program to its end; a code other than 0 is for the caller to judge. */
export function run(program: string, args: readonly string[], options: RunOptions): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const group = options.group === true && process.platform !== 'win32';
    const child = spawn(program, args, {
      detached: group,
      cwd: options.cwd,
      env: definedOnly(options.env),
      stdio: ['pipe', 'pipe', 'pipe'],
      shell: process.platform === 'win32' && program === 'npm',
    });
    const output = collect(child);
    const kill = () => {
      // A negative number names the group that the child leads (POSIX kill).
      if (group && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      else child.kill('SIGKILL');
    };
    const timer = setTimeout(kill, options.timeout ?? 120_000);
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, ...output() });
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.input ?? '');
  });
}

/** A server that runs beside the test until it is stopped. */
export interface Server {
  /** The one line that it printed when it was ready. */
  readonly ready: string;
  /** Stops it as Ctrl-C does. */
  stop(): Promise<Finished>;
  /** Ends it as a power cut does. */
  kill(): Promise<Finished>;
}

/** Starts a server and waits for its first line on standard output. */
export function startServer(program: string, args: readonly string[], options: RunOptions): Promise<Server> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: definedOnly(options.env),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output = collect(child);
    const ended = new Promise<Finished>((settle) => {
      child.on('close', (code) => settle({ code, ...output() }));
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeout ?? 60_000);
    const end = (signal: NodeJS.Signals) => {
      child.kill(signal);
      return ended;
    };
    child.on('error', reject);
    ended.then(({ code, stdout, stderr }) => {
      clearTimeout(timer);
      reject(new Error(`the server ended with ${code} before it was ready\n${stdout}${stderr}`));
    });
    child.stdout?.on('data', () => {
      const [line, rest] = output().stdout.split('\n', 2);
      if (line === undefined || rest === undefined) return;
      clearTimeout(timer);
      resolve({ ready: line, stop: () => end('SIGINT'), kill: () => end('SIGKILL') });
    });
  });
}

function collect(child: ChildProcess): () => { stdout: string; stderr: string } {
  let [stdout, stderr] = ['', ''];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return () => ({ stdout, stderr });
}

function definedOnly(env: Readonly<Record<string, string | undefined>>): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined));
}
