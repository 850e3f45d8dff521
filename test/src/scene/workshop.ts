import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Finished, type RunOptions, run, signetCommand } from './processes.ts';

const examples = fileURLToPath(new URL('../../examples/', import.meta.url));

/**
 * A temporary folder with a home of its own, in which `signet` and `npm` run as on a new user's machine: no
 * configuration, cache or credentials of this one can leak in, and nothing stays behind.
 */
export class Workshop {
  readonly directory: string;
  readonly #env: Readonly<Record<string, string | undefined>>;

  private constructor(directory: string) {
    this.directory = directory;
    const kept = Object.entries(process.env).filter(
      ([name]) => !/^(npm_|SIGSTORE_|SIGNET_|ACTIONS_|GITHUB_|NO_COLOR|FORCE_COLOR|CI$)/i.test(name),
    );
    this.#env = {
      ...Object.fromEntries(kept),
      HOME: join(directory, 'home'),
      USERPROFILE: join(directory, 'home'),
      XDG_CONFIG_HOME: join(directory, 'home', '.config'),
      XDG_CACHE_HOME: join(directory, 'home', '.cache'),
      XDG_DATA_HOME: join(directory, 'home', '.local', 'share'),
      npm_config_userconfig: join(directory, 'home', '.npmrc'),
      npm_config_globalconfig: join(directory, 'home', 'global.npmrc'),
      npm_config_cache: join(directory, 'npm-cache'),
      npm_config_update_notifier: 'false',
      npm_config_audit: 'false',
      npm_config_fund: 'false',
      // A laptop's proxy has no business with a server on the loopback address.
      NO_PROXY: ['127.0.0.1', 'localhost', process.env.NO_PROXY].filter(Boolean).join(','),
      PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ''}`,
    };
  }

  static async open(): Promise<Workshop> {
    const workshop = new Workshop(await mkdtemp(join(tmpdir(), 'signet-')));
    await mkdir(join(workshop.directory, 'home'));
    return workshop;
  }

  /** A path inside. */
  path(...parts: readonly string[]): string {
    return join(this.directory, ...parts);
  }

  /** Runs the command `signet` from its sources. */
  signet(args: readonly string[], options: Partial<RunOptions> = {}): Promise<Finished> {
    const [program, programArgs] = signetCommand(args);
    return run(program, programArgs, this.options(options));
  }

  /** Runs the npm of this machine. */
  npm(args: readonly string[], options: Partial<RunOptions> = {}): Promise<Finished> {
    return run('npm', args, this.options(options));
  }

  /** Runs Node. */
  node(args: readonly string[], options: Partial<RunOptions> = {}): Promise<Finished> {
    return run(process.execPath, args, this.options(options));
  }

  options(options: Partial<RunOptions> = {}): RunOptions {
    return { cwd: this.directory, ...options, env: { ...this.#env, ...options.env } };
  }

  /** Copies an example of the repository to a folder of the workshop and changes its package.json. */
  async copyExample(
    example: 'greeting' | 'app',
    folder: string = example,
    change: (manifest: Record<string, unknown>) => Record<string, unknown> = (manifest) => manifest,
  ): Promise<string> {
    const target = this.path(folder);
    await cp(join(examples, example), target, { recursive: true });
    const file = join(target, 'package.json');
    await writeFile(file, `${JSON.stringify(change(JSON.parse(await readFile(file, 'utf8'))), undefined, 2)}\n`);
    return target;
  }

  async close(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true, maxRetries: 3 });
  }
}
