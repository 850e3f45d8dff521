import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { freePort } from '../../src/index.ts';
import type { Answer } from './registry.ts';

const program = join(dirname(createRequire(import.meta.url).resolve('verdaccio/package.json')), 'bin', 'verdaccio');

/** What a Verdaccio is started with. Paths in it are relative to `folder`. */
export interface VerdaccioOptions {
  readonly folder: string;
  /** `config.yaml`, of which JSON is a part. */
  readonly configuration: Readonly<Record<string, unknown>>;
  readonly port?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Name of the file with the configuration. Default `config.yaml`. */
  readonly file?: string;
}

/** A Verdaccio as an operator runs it: its own command, in a process of its own, with a file for its configuration. */
export class VerdaccioProcess {
  readonly port: number;
  readonly options: VerdaccioOptions;
  #child: ChildProcess;
  #output = '';

  private constructor(port: number, options: VerdaccioOptions) {
    this.port = port;
    this.options = options;
    const { folder, env = {}, file = 'config.yaml' } = options;
    const args = ['--conditions=@signet/source', program, '--config', join(folder, file)];
    this.#child = spawn(process.execPath, [...args, '--listen', `127.0.0.1:${port}`], {
      cwd: folder,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
      });
    }
  }

  /** @throws with all it printed when it ends instead of answering */
  static async start(options: VerdaccioOptions): Promise<VerdaccioProcess> {
    const { folder, configuration, file = 'config.yaml' } = options;
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, file), JSON.stringify(configuration, undefined, 2));
    const running = new VerdaccioProcess(options.port ?? (await freePort('127.0.0.1')), options);
    await running.#answers();
    return running;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/`;
  }

  /** Everything it printed so far. */
  get output(): string {
    return this.#output;
  }

  async fetch(path: string, init: RequestInit = {}): Promise<Answer & { readonly bytes: Uint8Array }> {
    const answer = await fetch(`${this.url.slice(0, -1)}${path}`, init);
    const bytes = new Uint8Array(await answer.arrayBuffer());
    const text = Buffer.from(bytes).toString('utf8');
    return { status: answer.status, bytes, text, json: () => JSON.parse(text) };
  }

  /** A token for a new user. */
  async addUser(name: string, password = 'a-long-password'): Promise<string> {
    const answer = await this.fetch(`/-/user/org.couchdb.user:${name}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name, password }),
    });
    if (answer.status !== 201) throw new Error(`no user ${name}: ${answer.status} ${answer.text}`);
    return answer.json<{ token: string }>().token;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill(signal);
    await ended;
  }

  /** The same again on the same port, perhaps with another configuration. */
  async restart(configuration = this.options.configuration): Promise<VerdaccioProcess> {
    await this.stop();
    return VerdaccioProcess.start({ ...this.options, configuration, port: this.port });
  }

  async #answers(): Promise<void> {
    for (;;) {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
        throw new Error(`Verdaccio ended with ${this.#child.exitCode}: ${this.#output}`);
      }
      try {
        if ((await fetch(`${this.url}-/ping`)).ok) return;
      } catch {
        // Not yet.
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
