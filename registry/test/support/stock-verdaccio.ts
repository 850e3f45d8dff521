import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from '../../src/index.ts';
import type { Answer, Parcel } from './registry.ts';

const require = createRequire(import.meta.url);
const program = join(dirname(require.resolve('verdaccio/package.json')), 'bin', 'verdaccio');

/** Verdaccio's own command with the plugin, as somebody runs it who has no instance. */
export class StockVerdaccio {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly output: string }>;
  #output = '';

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
      });
    }
    this.ended = once(child, 'exit').then(([code]) => ({ code, output: this.#output }));
  }

  /**
   * Writes a configuration.
   *
   * @param signet the plugin's section
   * @param packages Verdaccio's rules of access
   */
  static async configure(
    folder: string,
    signet: Readonly<Record<string, unknown>>,
    packages: Readonly<Record<string, unknown>>,
  ): Promise<string> {
    await mkdir(folder, { recursive: true });
    const file = join(folder, 'config.yaml');
    const configuration = {
      storage: './storage',
      auth: { htpasswd: { file: './htpasswd' } },
      uplinks: {},
      packages,
      middlewares: { signet },
      max_body_size: '2mb',
      log: { type: 'stdout', format: 'json', level: 'warn' },
    };
    // JSON is YAML.
    await writeFile(file, JSON.stringify(configuration));
    return file;
  }

  /** Starts it; {@link ready} says when it answers. */
  static async start(configuration: string): Promise<StockVerdaccio> {
    const port = await freePort('127.0.0.1');
    const child = spawn(
      process.execPath,
      ['--conditions=@signet/source', program, '--config', configuration, '--listen', `127.0.0.1:${port}`],
      { cwd: dirname(configuration), stdio: ['ignore', 'pipe', 'pipe'] },
    );
    return new StockVerdaccio(`http://127.0.0.1:${port}`, child);
  }

  async ready(): Promise<this> {
    const early = this.ended.then(({ code, output }) => {
      throw new Error(`Verdaccio ended with ${code}\n${output}`);
    });
    early.catch(() => undefined);
    for (;;) {
      const answer = await Promise.race([fetch(`${this.url}/-/ping`).catch(() => undefined), early]);
      if (answer?.ok) return this;
      await Promise.race([wait(100), early]);
    }
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL');
    await this.ended;
  }

  async fetch(path: string, init: RequestInit = {}): Promise<Answer> {
    const answer = await fetch(`${this.url}${path}`, init);
    const text = await answer.text();
    return { status: answer.status, text, json: () => JSON.parse(text) };
  }

  /** Makes an account. @returns its token */
  async account(name: string): Promise<string> {
    const answer = await this.fetch(`/-/user/org.couchdb.user:${name}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ _id: `org.couchdb.user:${name}`, name, password: `password of ${name}`, type: 'user' }),
    });
    return answer.json<{ token: string }>().token;
  }

  async put({ name, document }: Pick<Parcel, 'name' | 'document'>, token?: string): Promise<Answer> {
    return this.fetch(`/${name.replace('/', '%2f')}`, {
      method: 'PUT',
      headers: {
        'content-type': 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(document),
    });
  }
}
