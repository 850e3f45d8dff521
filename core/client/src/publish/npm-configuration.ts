import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { SignetError } from '@signet/primitives/formats';

/** npm's options as npm's own libraries take them: registry, tokens, proxies, TLS roots, timeouts, scripts. */
export type NpmOptions = Readonly<Record<string, unknown>>;

/** npm's configuration for one folder. */
export interface NpmConfiguration {
  readonly options: NpmOptions;
  /** The `npm_config_…` variables that lifecycle scripts see. */
  readonly scriptEnvironment: Readonly<Record<string, string | undefined>>;
  /** Whether the tag comes from a flag or a file, and not from npm's default. */
  readonly tagIsChosen: boolean;
}

/** Where npm's configuration is looked for. */
export interface NpmSurroundings {
  /** The folder that npm would be called in. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Flags as they would stand on npm's command line, by npm's names. */
  readonly flags?: Readonly<Record<string, string>>;
}

/**
 * Reads npm's configuration exactly as npm does: flags, `npm_config_…` variables, the `.npmrc` of project, user and machine
 * and npm's own, with variables replaced and tokens by registry. It is npm's library and npm's definitions, because every
 * shorter way (reading `.npmrc` ourselves, asking `npm config`) loses one of these layers or prints secrets.
 *
 * @throws ERR_CONFIGURATION when a file of npm's cannot be read or has invalid credentials
 */
export async function loadNpmConfiguration(surroundings: NpmSurroundings): Promise<NpmConfiguration> {
  const { cwd, flags = {} } = surroundings;
  const [{ default: Config }, { default: npm }] = await Promise.all([
    import('@npmcli/config'),
    import('@npmcli/config/lib/definitions/index.js'),
  ]);
  // A copy: npm writes its findings back into the environment, for scripts.
  const env: NodeJS.ProcessEnv = { ...surroundings.env };
  // Where this process runs from a Node of its own, npm still reads the settings beside the machine's Node.
  const execPath = env.npm_node_execpath ?? process.execPath;
  const configuration = new Config({
    definitions: npm.definitions,
    shorthands: npm.shorthands,
    flatten: npm.flatten,
    npmPath: npmFolder(execPath, env),
    argv: [execPath, 'npm', ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`)],
    env,
    execPath,
    cwd,
  });
  try {
    await configuration.load();
    configuration.validate();
  } catch (cause) {
    // npm's error may quote the setting; its message names the file and the key.
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new SignetError('ERR_CONFIGURATION', `npm's configuration cannot be used: ${said}`);
  }
  return {
    options: configuration.flat,
    scriptEnvironment: configuration.env,
    tagIsChosen: !configuration.isDefault('tag'),
  };
}

/** The folder of the npm that belongs to a Node, for the settings that its packager gave it. */
function npmFolder(execPath: string, env: NodeJS.ProcessEnv): string {
  const candidates = [
    ...(env.npm_execpath === undefined ? [] : [resolve(dirname(env.npm_execpath), '..')]),
    resolve(dirname(execPath), '..', 'lib', 'node_modules', 'npm'),
    join(dirname(execPath), 'node_modules', 'npm'),
  ];
  return candidates.find((path) => existsSync(join(path, 'package.json'))) ?? dirname(execPath);
}
