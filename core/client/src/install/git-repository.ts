import { existsSync } from 'node:fs';
import { readFile, realpath, stat } from 'node:fs/promises';
import { delimiter, dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { fromUtf8, inert, SignetError } from '@signet/primitives/basics';

/**
 * A git repository that is read without trusting what lies in its working tree.
 *
 * git, left to itself, looks in each folder on its way up not only for `.git` but for the files of a bare repository as well, and those
 * can be committed: the objects that it then reads, and the programs that its configuration names, would be those of the change
 * under test. So it is told where the repository is; it fetches nothing, and of its environment only what is not about a repository remains.
 */
export interface GitRepository {
  /** The real path of the folder that has `.git`. */
  readonly toplevel: string;
  /** What git prints for a command that only reads. @throws ERR_CONFIGURATION when git says no */
  readonly read: (args: readonly string[]) => Promise<Uint8Array>;
}

type Environment = Readonly<Record<string, string | undefined>>;

const maxBytes = 64 * 1024 * 1024;

/** Nothing is fetched and no program started, whatever a configuration says. Set on the command line, they win over every file. */
const restrictions = [
  'safe.bareRepository=explicit',
  'core.fsmonitor=false',
  'core.hooksPath=/dev/null',
  'core.alternateRefsCommand=',
  'protocol.allow=never',
  'log.showSignature=false',
].flatMap((setting) => ['-c', setting]);

/**
 * Opens the repository of a folder: the first one upwards with `.git`, which git never lets anybody commit.
 *
 * @throws ERR_CONFIGURATION when there is none, when git takes another one, or for a submodule, which the commit of the repository around
 * it may have put there
 */
export async function openRepository(folder: string, env: Environment): Promise<GitRepository> {
  const toplevel = await folderWithGit(await realpath(folder));
  if (toplevel === undefined) throw failure(`${inert(folder)} is in no git repository`);
  const gitDir = await gitDirOf(toplevel);
  await assertNoSubmodule(toplevel, gitDir);
  const program = findGit(env, toplevel);
  const clean = cleanEnvironment(env);
  const run = (args: readonly string[]) => git(program, toplevel, clean, [...restrictions, ...args]);
  // git looks into `.git` of the folder where it is before anywhere else; asked once, so that it refuses what belongs to another user.
  const said = fromUtf8(await run(['rev-parse', '--absolute-git-dir']), 'what git says').trim();
  if ((await realpath(said).catch(() => undefined)) !== gitDir) {
    throw failure(`git takes ${inert(said)} for the repository of ${inert(toplevel)}, and not ${inert(gitDir)}`);
  }
  return { toplevel, read: (args) => run([`--git-dir=${gitDir}`, ...args]) };
}

async function folderWithGit(start: string): Promise<string | undefined> {
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, '.git'))) return folder;
    if (dirname(folder) === folder) return undefined;
  }
}

/** `.git` itself, or where the file of that name leads: `gitdir: path` (gitrepository-layout(5)). */
async function gitDirOf(toplevel: string): Promise<string> {
  const path = join(toplevel, '.git');
  if ((await stat(path)).isDirectory()) return await realpath(path);
  const [, target] = /^gitdir: ([^\0\r\n]+)\r?\n*$/.exec(await readFile(path, 'utf8')) ?? [];
  const real = target === undefined ? undefined : await realpath(resolve(toplevel, target)).catch(() => undefined);
  if (real === undefined) throw failure(`${inert(path)} leads to no git repository`);
  return real;
}

/** A worktree shares the refs of its repository, which `commondir` names; a submodule has its own. */
async function assertNoSubmodule(toplevel: string, gitDir: string): Promise<void> {
  if (gitDir === join(toplevel, '.git') || existsSync(join(gitDir, 'commondir'))) return;
  const outer = dirname(toplevel) === toplevel ? undefined : await folderWithGit(dirname(toplevel));
  if (outer === undefined || !isInside(gitDir, await gitDirOf(outer))) return;
  throw failure(
    `${inert(toplevel)} is a submodule of ${inert(outer)}: a change there can put any repository here, with refs of its own; ` +
      'run signet in a clone of the submodule',
  );
}

/** git from outside of the working tree: what lies there may be part of the change under test, as node_modules/.bin. */
function findGit({ PATH, Path }: Environment, toplevel: string): string {
  const name = process.platform === 'win32' ? 'git.exe' : 'git';
  for (const folder of (PATH ?? Path ?? '').split(delimiter)) {
    if (isAbsolute(folder) && !isInside(folder, toplevel) && existsSync(join(folder, name))) return join(folder, name);
  }
  throw failure('there is no git on the PATH');
}

function cleanEnvironment(env: Environment): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !/^GIT_/i.test(name) || name === 'GIT_CONFIG_NOSYSTEM');
  return {
    ...Object.fromEntries(kept),
    GIT_NO_LAZY_FETCH: '1',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_TERMINAL_PROMPT: '0',
  };
}

function git(program: string, cwd: string, env: NodeJS.ProcessEnv, args: readonly string[]): Promise<Uint8Array> {
  const { execFile } = process.getBuiltinModule('node:child_process');
  return new Promise((resolve, reject) => {
    execFile(program, [...args], { cwd, env, encoding: 'buffer', maxBuffer: maxBytes }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(failure(`git says: ${inert(stderr.toString('utf8').trim() || error.message).slice(0, 1000)}`, error));
    });
  });
}

function isInside(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === '' || (way !== '..' && !/^\.\.[\\/]/.test(way) && !isAbsolute(way));
}

function failure(message: string, cause?: unknown): SignetError {
  return new SignetError('ERR_CONFIGURATION', `--trust-from: ${message}`, cause === undefined ? {} : { cause });
}
