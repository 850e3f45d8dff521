import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { inert, SignetError } from '@signet/primitives/basics';

/** Where npm would be called, and how. */
export interface NpmInvocation {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Flags as the user gives them to npm, `--omit=dev`. */
  readonly flags?: readonly string[];
}

/** What npm makes of its flags, environment and files, as far as an installation asks. */
export interface NpmSettings {
  /** The folder whose lockfile npm reads and in which it makes node_modules. */
  readonly directory: string;
  /** Whether npm will put anything into node_modules. */
  readonly installs: boolean;
  /** npm's options as npm's own libraries take them; may hold credentials. */
  readonly options: Readonly<Record<string, unknown>>;
  /** What counts from the project's own `.npmrc`, where neither flags nor environment say otherwise. */
  readonly ofProject: Readonly<Record<string, unknown>>;
  /** The environment that they were read in. */
  readonly env: NpmInvocation['env'];
}

/**
 * Asks npm's own configuration library what npm would do: flags, `npm_config_…` variables and the `.npmrc` of project, user and
 * machine, with workspaces and `--prefix` resolved as npm resolves them. So whatever points npm to another lockfile points Signet
 * to the same one.
 *
 * @throws ERR_CONFIGURATION when a file cannot be read or is invalid, ERR_LOCKFILE_CONFLICT for a global installation
 */
export async function loadNpmSettings({ cwd, env, flags = [] }: NpmInvocation): Promise<NpmSettings> {
  const [{ default: Config }, { default: npm }] = await Promise.all([
    import('@npmcli/config'),
    import('@npmcli/config/lib/definitions/index.js'),
  ]);
  // Where this process runs from a Node of its own, npm still reads the settings beside the machine's Node.
  const execPath = env.npm_node_execpath ?? process.execPath;
  const config = new Config({
    definitions: npm.definitions,
    shorthands: npm.shorthands,
    flatten: npm.flatten,
    npmPath: npmFolder(execPath, env),
    argv: [execPath, 'npm', 'ci', ...flags],
    // A copy: npm writes its findings back into the environment, for scripts.
    env: { ...env } as NodeJS.ProcessEnv,
    execPath,
    cwd,
  });
  try {
    await config.load();
    config.validate();
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new SignetError('ERR_CONFIGURATION', `npm's configuration cannot be used: ${said}`);
  }
  const options: Record<string, unknown> = config.flat;
  if (options.global === true || options.location === 'global') {
    throw new SignetError(
      'ERR_LOCKFILE_CONFLICT',
      'a global installation has no lockfile that could be verified; leave out --global',
    );
  }
  const ofProject = Object.keys(config.data.get('project')?.data ?? {}).filter((key) => config.find(key) === 'project');
  return {
    directory: resolve(cwd, config.localPrefix),
    installs: options.dryRun !== true && options.packageLockOnly !== true,
    options,
    ofProject: Object.fromEntries(ofProject.map((key) => [key, config.get(key)])),
    env,
  };
}

/**
 * Refuses settings under which npm does not compare what it unpacks with the lockfile's hashes. With `install-strategy=linked` npm 11
 * installs whatever the registry or its cache gives it (its isolated nodes carry no integrity), so that what was verified and what
 * is installed have nothing to do with each other.
 *
 * @throws ERR_LOCKFILE_CONFLICT
 */
export function assertHashesCompared({ options }: NpmSettings): void {
  if (options.installStrategy === 'linked') {
    throw new SignetError(
      'ERR_LOCKFILE_CONFLICT',
      'npm is set to install-strategy=linked, with which it does not compare packages with the lockfile’s hashes; choose another',
      { expected: 'hoisted, nested or shallow', found: 'linked' },
    );
  }
}

/**
 * Refuses settings that a project may not make for whoever installs it. A pull request can bring a `.npmrc`: with `dry-run` npm would leave
 * in place whatever is committed as node_modules, and some settings name a program that npm starts.
 *
 * @throws ERR_LOCKFILE_CONFLICT
 */
export function assertProjectSettings({ ofProject }: NpmSettings): void {
  for (const [key, value] of Object.entries(ofProject)) {
    const why = refusals.get(key)?.(value);
    if (why === undefined) continue;
    throw new SignetError(
      'ERR_LOCKFILE_CONFLICT',
      `the project’s .npmrc sets ${key}=${inert(String(value))}: ${why}; take it out, and set it by flag or environment if you want it`,
      { expected: `no ${key} in the project’s .npmrc`, found: inert(String(value)) },
    );
  }
}

type Refusal = (value: unknown) => string | undefined;

const installsNothing: Refusal = (value) =>
  value === true ? 'with it npm installs nothing and leaves node_modules as it is' : undefined;
const startsProgram: Refusal = (value) =>
  typeof value === 'string' && value !== '' ? 'it names a program that npm starts' : undefined;

/** Node's options that say how much, and load no code. */
const harmlessNodeOption =
  /^--(?:(?:max-old-space-size|max-semi-space-size|max-http-header-size|stack-trace-limit)=\d+|dns-result-order=[a-z0-9]+|no-(?:warnings|deprecation)|enable-source-maps|openssl-legacy-provider)$/;

const refusals: ReadonlyMap<string, Refusal> = new Map(
  Object.entries<Refusal>({
    'dry-run': installsNothing,
    'package-lock-only': installsNothing,
    git: startsProgram,
    shell: startsProgram,
    'node-gyp': startsProgram,
    editor: startsProgram,
    viewer: startsProgram,
    // bash or pwsh on the machine is a choice that projects make; a path is a program that they bring.
    'script-shell': (value) => (/^[A-Za-z0-9_+-]+$/.test(String(value)) ? undefined : startsProgram(value)),
    'node-options': (value) =>
      String(value ?? '')
        .split(/\s+/)
        .every((option) => option === '' || harmlessNodeOption.test(option))
        ? undefined
        : 'it can make every program of Node load code',
  }),
);

/** The folder of the npm that belongs to a Node, for the settings that its packager gave it. */
function npmFolder(execPath: string, env: Readonly<Record<string, string | undefined>>): string {
  const candidates = [
    ...(env.npm_execpath === undefined ? [] : [resolve(dirname(env.npm_execpath), '..')]),
    resolve(dirname(execPath), '..', 'lib', 'node_modules', 'npm'),
    join(dirname(execPath), 'node_modules', 'npm'),
  ];
  return candidates.find((path) => existsSync(join(path, 'package.json'))) ?? dirname(execPath);
}
