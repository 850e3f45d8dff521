import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { TestRegistry } from './registry.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The instance of a {@link TestRegistry}, which must be stopped, served by a process of its own. */
export class ServerProcess {
  readonly #child: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  #errors = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text;
    });
    this.ended = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
  }

  /** @param imports modules to load before the server, beside this file */
  static async start(
    registry: TestRegistry,
    options: { readonly imports?: readonly string[]; readonly env?: Readonly<Record<string, string>> } = {},
  ): Promise<ServerProcess> {
    const imports = (options.imports ?? []).flatMap((path) => ['--import', here(path)]);
    const child = spawn(
      process.execPath,
      ['--conditions=@signet/source', ...imports, here('./serve.ts'), join(registry.directory, 'instance')],
      { env: { ...process.env, ...options.env }, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const server = new ServerProcess(child);
    const { stdout } = child;
    if (stdout === null) throw new Error('the server has no output');
    const ready = once(createInterface({ input: stdout }), 'line');
    const early = server.ended.then(({ code }) => {
      throw new Error(`the server ended with ${code} before it was ready\n${server.errors}`);
    });
    await Promise.race([ready, early]);
    early.catch(() => undefined);
    return server;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What it wrote to standard error so far. */
  get errors(): string {
    return this.#errors;
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.isRunning) this.#child.kill(signal);
    await this.ended;
  }
}
