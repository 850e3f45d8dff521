import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { CommandContext } from './command.ts';

/** Settings of npm under which its client goes another way than Node by itself, or reads other files. */
const special =
  /^\s*(?:http-proxy|https-proxy|proxy|cafile|ca|ca\[\]|cert|key|strict-ssl|local-address|prefix|userconfig|globalconfig)\s*=/m;
const variables =
  /^(?:https?_proxy|proxy|prefix|destdir|npm_config_(?:https?_proxy|proxy|cafile|ca|cert|key|strict_ssl|local_address))$/i;

/**
 * npm's proxy and TLS roots serve the signing services as well, without its tokens. Reading npm's configuration as npm does takes
 * longer than signing, so it is read only where something in the environment or in one of its files may say so.
 */
export async function signingTransport(
  context: Pick<CommandContext, 'cwd' | 'env'>,
): Promise<{ readonly transport?: typeof fetch }> {
  const { cwd, env } = context;
  const named = Object.entries(env).some(([name, value]) => value && variables.test(name));
  if (!named && !configurationFiles(cwd, env).some(isSpecial)) return {};
  const { loadNpmSettings, transportFor } = await import('@signet/client/install');
  const transport = await transportFor(await loadNpmSettings({ cwd, env }), { credentials: false });
  return transport === undefined ? {} : { transport };
}

/** Where npm looks: the project, the user, and the machine, in the folder of the Node that it belongs to or wherever it is told. */
function configurationFiles(cwd: string, env: CommandContext['env']): readonly string[] {
  const lowerCase = new Map(Object.entries(env).map(([name, value]) => [name.toLowerCase(), value]));
  const setting = (name: string) => lowerCase.get(`npm_config_${name}`);
  const files = [setting('userconfig') || join(env.HOME || env.USERPROFILE || homedir(), '.npmrc')];
  for (let folder = cwd; ; folder = dirname(folder)) {
    files.push(join(folder, '.npmrc'));
    if (dirname(folder) === folder) break;
  }
  const node = dirname(env.npm_node_execpath || process.execPath);
  // What npm's packager set for it; then the machine's file, of which there is one.
  files.push(join(node, '..', 'lib', 'node_modules', 'npm', 'npmrc'), join(node, 'node_modules', 'npm', 'npmrc'));
  const [machine, prefix] = [setting('globalconfig'), setting('prefix')];
  if (machine) return [...files, machine];
  if (prefix) return [...files, join(prefix, 'etc', 'npmrc')];
  const prefixes = [dirname(node), node, '/', '/usr', '/usr/local'];
  return [...files, ...prefixes.map((folder) => join(folder, 'etc', 'npmrc'))];
}

function isSpecial(path: string): boolean {
  try {
    return existsSync(path) && special.test(readFileSync(path, 'utf8'));
  } catch {
    // What cannot be read here npm's own reader will complain about.
    return true;
  }
}
