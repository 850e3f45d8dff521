import { spawn } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fetchClient } from './clients.ts';

/** How a program ended, and all it printed. */
export interface Finished {
  readonly code: number | null;
  readonly output: string;
}

/** A package manager, and how one does with it what authors and consumers do. */
export interface PackageManager {
  readonly name: string;
  readonly version: string;
  /** The package, and the file in it to run; relative paths lead to packages beside it. */
  readonly from: string;
  readonly file: string;
  /** Packs the project in the working folder into `package.tgz`. Not for those that can be given any tarball. */
  readonly pack?: readonly string[];
  /** Publishes `package.tgz`, or where {@link pack} is given the project. */
  readonly publish: readonly string[];
  /** Installs what package.json names. */
  readonly install: readonly string[];
  /** Installs by the lockfile alone. */
  readonly frozen: readonly string[];
  readonly lockfile: string;
  /** Files that lead it to a registry with a token. */
  configure(registry: string, token: string): Readonly<Record<string, string>>;
}

/** npm's configuration, which all but Yarn 4 read. */
function npmrc(registry: string, token: string): Readonly<Record<string, string>> {
  const { host, pathname } = new URL(registry);
  return { '.npmrc': `registry=${registry}\n//${host}${pathname}:_authToken=${token}\n` };
}

const npm = (version: string): PackageManager => ({
  name: 'npm',
  version,
  from: 'npm',
  file: 'bin/npm-cli.js',
  publish: ['publish', './package.tgz', '--no-provenance'],
  install: ['install', '--no-audit', '--no-fund'],
  frozen: ['ci', '--no-audit', '--no-fund'],
  lockfile: 'package-lock.json',
  configure: npmrc,
});

const platform = `${process.platform}-${process.arch}`;

/** All that are tried; each comes from npm's registry. */
export const packageManagers: readonly PackageManager[] = [
  npm('10.9.9'),
  npm('11.21.2'),
  npm('12.2.0'),
  {
    name: 'pnpm',
    version: '12.21.0',
    from: 'pnpm',
    file: `../@pnpm/exe.${platform}/pnpm${process.platform === 'win32' ? '.exe' : ''}`,
    publish: ['publish', './package.tgz', '--no-git-checks'],
    install: ['install', '--no-frozen-lockfile'],
    frozen: ['install', '--frozen-lockfile'],
    lockfile: 'pnpm-lock.yaml',
    // What is younger than a day it does not install by default.
    configure: (registry, token) => ({ ...npmrc(registry, token), 'pnpm-workspace.yaml': 'minimumReleaseAge: 0\n' }),
  },
  {
    name: 'yarn',
    version: '1.22.22',
    from: 'yarn',
    file: 'bin/yarn.js',
    publish: ['publish', './package.tgz', '--non-interactive'],
    install: ['install', '--non-interactive'],
    frozen: ['install', '--non-interactive', '--frozen-lockfile'],
    lockfile: 'yarn.lock',
    configure: (registry, token) => ({
      ...npmrc(registry, token),
      '.yarnrc': `registry "${registry}"\n`,
    }),
  },
  {
    name: 'yarn',
    version: '4.18.1',
    from: '@yarnpkg/cli-dist',
    file: 'bin/yarn.js',
    pack: ['pack', '--out', 'package.tgz'],
    publish: ['npm', 'publish'],
    install: ['install', '--no-immutable'],
    frozen: ['install', '--immutable'],
    lockfile: 'yarn.lock',
    configure: (registry, token) => ({
      '.yarnrc.yml': [
        `npmRegistryServer: ${JSON.stringify(registry)}`,
        `npmAuthToken: ${JSON.stringify(token)}`,
        'npmAlwaysAuth: true',
        'unsafeHttpWhitelist: ["127.0.0.1"]',
        'nodeLinker: node-modules',
        'enableTelemetry: false',
        'enableGlobalCache: false',
        // What is younger than a day it does not install by default.
        'npmMinimalAgeGate: 0',
        '',
      ].join('\n'),
      'yarn.lock': '',
    }),
  },
  {
    name: 'bun',
    version: '1.4.5',
    from: 'bun',
    file: `../@oven/bun-${platform}/bin/bun${process.platform === 'win32' ? '.exe' : ''}`,
    publish: ['publish', './package.tgz'],
    install: ['install'],
    frozen: ['install', '--frozen-lockfile'],
    lockfile: 'bun.lock',
    configure: npmrc,
  },
];

/** A package manager in a home of its own: nothing of this machine's configuration, caches or credentials is seen. */
export class Workplace {
  readonly #program: string;
  readonly #home: string;

  private constructor(program: string, home: string) {
    this.#program = program;
    this.#home = home;
  }

  /** @returns why it cannot be had, as a text */
  static async open(manager: PackageManager, home: string): Promise<Workplace | string> {
    const client = await fetchClient(manager.from, manager.version);
    if ('missing' in client) return client.missing;
    await mkdir(home, { recursive: true });
    return new Workplace(join(client.folder, manager.file), home);
  }

  path(...parts: readonly string[]): string {
    return join(this.#home, 'work', ...parts);
  }

  /** An empty folder to work in, and nothing remembered from before but what `keep` names. */
  async begin(files: Readonly<Record<string, string | Uint8Array>>, keep: readonly string[] = []): Promise<void> {
    const kept = await Promise.all(keep.map(async (file) => [file, await readFile(this.path(file))] as const));
    await rm(this.#home, { recursive: true, force: true });
    await mkdir(this.path(), { recursive: true });
    for (const [file, content] of [...Object.entries(files), ...kept]) await writeFile(this.path(file), content);
  }

  run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Finished> {
    const script = this.#program.endsWith('.js');
    const own = Object.entries(process.env).filter(
      ([name]) => !/^(npm_|YARN_|BUN_|PNPM_|XDG_|CI$|GITHUB_|NODE_OPTIONS$)|proxy$/i.test(name),
    );
    return new Promise((resolve, reject) => {
      const child = spawn(script ? process.execPath : this.#program, [...(script ? [this.#program] : []), ...args], {
        cwd: this.path(),
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          ...Object.fromEntries(own),
          PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
          HOME: this.#home,
          USERPROFILE: this.#home,
          npm_config_cache: join(this.#home, 'npm-cache'),
          npm_config_userconfig: join(this.#home, 'user.npmrc'),
          npm_config_update_notifier: 'false',
          npm_config_fetch_retries: '0',
          YARN_CACHE_FOLDER: join(this.#home, 'yarn-cache'),
          BUN_INSTALL_CACHE_DIR: join(this.#home, 'bun-cache'),
          NO_COLOR: '1',
          ...env,
        },
      });
      let output = '';
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (text: string) => {
          output += text;
        });
      }
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, output }));
    });
  }
}
