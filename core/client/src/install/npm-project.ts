import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import {
  assertHashesCompared,
  assertProjectSettings,
  loadNpmSettings,
  type NpmInvocation,
  type NpmSettings,
} from './npm-settings.ts';

/** Where npm is going to install. What else npm is set to is read when somebody asks. */
export interface NpmProject {
  /** The folder whose lockfile npm reads and in which it makes node_modules. */
  readonly directory: string;
  /** Whether npm will put anything into node_modules. */
  readonly installs: boolean;
  /** Everything that npm's configuration says. */
  readonly settings: () => Promise<NpmSettings>;
}

/**
 * Finds out where npm would install, and that it would compare what it installs with the lockfile, and start
 * no program that the project's settings name.
 *
 * npm's own configuration library says so (see {@link loadNpmSettings}). Loading it takes longer than a run in which everything is known
 * already, so it is left out where nothing is configured that could lead npm anywhere else: only settings of a list of harmless
 * ones, in files of a shape that leaves no doubt, in a folder above which there is no other project.
 *
 * @throws what loadNpmSettings, assertHashesCompared and assertProjectSettings throw
 */
export async function openNpmProject(invocation: NpmInvocation): Promise<NpmProject> {
  let loading: Promise<NpmSettings> | undefined;
  const settings = (): Promise<NpmSettings> => {
    loading ??= loadNpmSettings(invocation).then((loaded) => {
      assertHashesCompared(loaded);
      assertProjectSettings(loaded);
      return loaded;
    });
    return loading;
  };
  if (isPlain(invocation)) return { directory: resolve(invocation.cwd), installs: true, settings };
  const { directory, installs } = await settings();
  return { directory, installs, settings };
}

/** Settings that change neither the folder, nor the lockfile, nor whether and how npm installs from it. */
const harmless = new Set([
  'audit',
  'audit-level',
  'ca',
  'cache',
  'cafile',
  'color',
  'email',
  'engine-strict',
  'fetch-retries',
  'fetch-retry-maxtimeout',
  'fetch-retry-mintimeout',
  'fetch-timeout',
  'foreground-scripts',
  'fund',
  'https-proxy',
  'ignore-scripts',
  'include',
  'legacy-peer-deps',
  'loglevel',
  'maxsockets',
  'min-release-age',
  'nodedir',
  'noproxy',
  'offline',
  'omit',
  'omit-lockfile-registry-resolved',
  'prefer-offline',
  'prefer-online',
  'progress',
  'provenance',
  'proxy',
  'registry',
  'save-exact',
  'save-prefix',
  'strict-peer-deps',
  'strict-ssl',
  'update-notifier',
  'yes',
]);

/** Registries of scopes, and credentials of registries. */
const harmlessPatterns = [
  /^@[a-z0-9\-_.~]+:registry$/i,
  /^\/\/[^\s=;#]+:(?:_authToken|_auth|username|_password|email|always-auth)$/,
];

function isHarmless(key: string): boolean {
  return harmless.has(key) || harmlessPatterns.some((pattern) => pattern.test(key));
}

function isPlain({ cwd, env, flags = [] }: NpmInvocation): boolean {
  if (process.platform === 'win32' || env.PREFIX !== undefined || env.DESTDIR !== undefined) return false;
  if (!flags.every(isHarmlessFlag)) return false;
  const directory = resolve(cwd);
  if (!isOnlyProject(directory)) return false;
  for (const [name, value] of Object.entries(env)) {
    if (!/^npm_config_/i.test(name) || value === undefined || value === '') continue;
    const key = name.slice('npm_config_'.length).toLowerCase().replaceAll('_', '-');
    if (!isHarmless(key) && key !== 'userconfig' && key !== 'globalconfig') return false;
  }
  return [join(directory, '.npmrc'), ...configurationFiles(env)].every(hasHarmlessContent);
}

/** `--audit`, `--no-audit` or `--omit=dev`: one word, so that it cannot swallow the next. */
function isHarmlessFlag(flag: string): boolean {
  const [, , key] = /^--(no-)?([a-z-]+)(?:=.*)?$/s.exec(flag) ?? [];
  return key !== undefined && isHarmless(key) && (flag.includes('=') || !takesValue.has(key));
}

const takesValue = new Set(['audit-level', 'cache', 'include', 'loglevel', 'min-release-age', 'omit', 'registry']);

/** npm walks up from where it is called, past projects that a project further up has as workspaces. */
function isOnlyProject(directory: string): boolean {
  if (directory.split('/').includes('node_modules') || !existsSync(join(directory, 'package.json'))) return false;
  for (let folder = dirname(directory); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return false;
    if (dirname(folder) === folder) return true;
  }
}

/** The user's file, the machine's, and that of the npm in use, wherever the two kinds of the latter may lie. */
function configurationFiles(env: NpmInvocation['env']): string[] {
  const setting = (name: string): string | undefined =>
    env[`npm_config_${name}`] ?? env[`NPM_CONFIG_${name.toUpperCase()}`];
  const user = setting('userconfig') ?? (env.HOME === undefined ? undefined : join(env.HOME, '.npmrc'));
  const nodes = [process.execPath, env.npm_node_execpath, ...programs(env, ['node', 'npm'])].filter(
    (path) => path !== undefined,
  );
  const prefixes = new Set(nodes.flatMap((path) => [dirname(dirname(path)), dirname(dirname(real(path)))]));
  return [
    ...(user === undefined ? [] : [user]),
    ...(setting('globalconfig') === undefined ? [] : [String(setting('globalconfig'))]),
    // npm-cli.js lies in npm's bin folder, so that its "prefix" is npm itself, whose packager's settings are beside its package.json.
    ...[...prefixes].flatMap((prefix) => [
      join(prefix, 'etc', 'npmrc'),
      join(prefix, 'npmrc'),
      join(prefix, 'lib', 'node_modules', 'npm', 'npmrc'),
      join(prefix, '..', '..', '..', 'etc', 'npmrc'),
    ]),
  ];
}

function programs(env: NpmInvocation['env'], names: readonly string[]): string[] {
  const folders = (env.PATH ?? '').split(':').filter((folder) => folder.startsWith('/'));
  return names.flatMap((name) => folders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? []);
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** No file, or one whose every line is empty, a comment, or a harmless setting. */
function hasHarmlessContent(path: string): boolean {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    // A file that cannot be read is npm's to complain about.
    return (error as NodeJS.ErrnoException).code === 'ENOENT' || (error as NodeJS.ErrnoException).code === 'ENOTDIR';
  }
  // npm's reader ends lines at either character.
  return text.split(/[\r\n]+/).every((line) => {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith(';') || trimmed.startsWith('#')) return true;
    const [, key] = /^([^\s=[\]"'$]+)[ \t]*=/.exec(trimmed) ?? [];
    return key !== undefined && isHarmless(key);
  });
}
