import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { SignetError } from '@signet/primitives/basics';

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
  return {
    directory: resolve(cwd, config.localPrefix),
    installs: options.dryRun !== true && options.packageLockOnly !== true,
    options,
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

/** The folder of the npm that belongs to a Node, for the settings that its packager gave it. */
function npmFolder(execPath: string, env: Readonly<Record<string, string | undefined>>): string {
  const candidates = [
    ...(env.npm_execpath === undefined ? [] : [resolve(dirname(env.npm_execpath), '..')]),
    resolve(dirname(execPath), '..', 'lib', 'node_modules', 'npm'),
    join(dirname(execPath), 'node_modules', 'npm'),
  ];
  return candidates.find((path) => existsSync(join(path, 'package.json'))) ?? dirname(execPath);
}
