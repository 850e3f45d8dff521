import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { CommandContext } from './command.ts';

/** Settings of npm under which its client goes another way than Node's fetch. */
const special = /^\s*(?:http-proxy|https-proxy|proxy|cafile|ca|ca\[\]|cert|key|strict-ssl|local-address)\s*=/m;
const variables =
  /^(?:https?_proxy|proxy|npm_config_(?:https?_proxy|proxy|cafile|ca|cert|key|strict_ssl|local_address|globalconfig|prefix))$/i;

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

/** Where npm looks: the project, the user, and the folder of the Node that it belongs to. */
function configurationFiles(cwd: string, env: CommandContext['env']): readonly string[] {
  const files = [env.npm_config_userconfig || join(env.HOME || env.USERPROFILE || homedir(), '.npmrc')];
  for (let folder = cwd; ; folder = dirname(folder)) {
    files.push(join(folder, '.npmrc'));
    if (dirname(folder) === folder) break;
  }
  const node = dirname(env.npm_node_execpath || process.execPath);
  return [
    ...files,
    join(node, '..', 'etc', 'npmrc'),
    join(node, 'etc', 'npmrc'),
    '/etc/npmrc',
    '/usr/etc/npmrc',
    '/usr/local/etc/npmrc',
  ];
}

function isSpecial(path: string): boolean {
  try {
    return existsSync(path) && special.test(readFileSync(path, 'utf8'));
  } catch {
    // What cannot be read here npm's own reader will complain about.
    return true;
  }
}
