import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';

/** Whether this machine has a program that gives others a terminal (util-linux, script(1)). */
export function hasTerminal(): boolean {
  return process.platform === 'linux' && spawnSync('script', ['--version']).status === 0;
}

/** A program at a pseudo-terminal, with somebody who types. */
export class Terminal {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown[]>;
  /** All that was to be seen so far. */
  screen = '';

  /** Starts a command of the shell. */
  constructor(command: string, options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv }) {
    // -e: the code of the command is the code of script.
    this.#child = spawn('script', ['-qec', command, '/dev/null'], { ...options, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#ended = once(this.#child, 'close');
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.screen += text;
    });
  }

  /** Waits until `prompt` is to be seen after everything that was answered, then types. */
  async answer(prompt: string, keys: string): Promise<void> {
    const from = this.#seen;
    for (let wait = 0; !this.screen.slice(from).includes(prompt); wait += 1) {
      if (wait > 1200 || this.#child.exitCode !== null) throw new Error(`there is no ${prompt} in: ${this.screen}`);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    this.#seen = this.screen.length;
    this.#child.stdin?.write(keys);
  }

  #seen = 0;

  /** The exit code. */
  async end(): Promise<number> {
    const [code] = await this.#ended;
    this.#child.stdin?.end();
    return Number(code);
  }
}
