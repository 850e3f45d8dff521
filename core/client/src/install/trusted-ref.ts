import { readFile, realpath } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { fromUtf8, inert, SignetError } from '@signet/primitives/basics';
import { describeChanges, type Policy, readPolicyText } from '../policy/index.ts';
import { type GitRepository, openRepository } from './git-repository.ts';

export interface TrustedRefOptions {
  /** A commit, branch or tag that the change under test cannot have touched: the base of a pull request. */
  readonly ref: string;
  readonly policyPath: string;
  readonly policy: Policy;
  readonly trustLockPath: string;
  /** For git, of which it gets what is not about a repository. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Checks that policy, trust roots and pins are those of a trusted ref, byte for byte but for the ends of lines. Who may not change trust
 * cannot change it by a pull request that brings its own (ARCHITECTURE 14).
 *
 * @throws ERR_TRUST_CHANGED with every difference in plain words; ERR_CONFIGURATION when git cannot say what the ref holds
 */
export async function assertTrustUnchanged({
  ref,
  policyPath,
  policy,
  trustLockPath,
  env,
}: TrustedRefOptions): Promise<void> {
  const folder = dirname(policyPath);
  const trusted = await openTrustedTree(folder, ref, env);
  const rootFiles = policy.trustRoots.flatMap(({ source }) =>
    source.kind === 'file' ? [source.path] : source.kind === 'tuf' ? [source.root] : [],
  );
  const files = [policyPath, trustLockPath, ...rootFiles.map((path) => resolve(folder, path))];
  const sentences: string[] = [];
  for (const path of new Set(files)) {
    const [before, after] = await Promise.all([trusted.read(path), readNow(path)]);
    if (before === after) continue;
    const name = relative(folder, path) || path;
    if (before === undefined) sentences.push(`${name}: is new, ${ref} does not have it`);
    else if (after === undefined) sentences.push(`${name}: is gone`);
    else sentences.push(...differences(name, before, after));
  }
  if (sentences.length === 0) return;
  throw new SignetError(
    'ERR_TRUST_CHANGED',
    `what is trusted is not what ${inert(ref)} trusts, and a change under test cannot change that; somebody who may must look at it:\n` +
      sentences.map((sentence) => `  - ${inert(sentence)}`).join('\n'),
    { expected: `policy, trust roots and pins of ${ref}`, found: `${sentences.length} differences` },
  );
}

function differences(name: string, before: string, after: string): string[] {
  let changes: readonly string[] = [];
  try {
    changes = describeChanges(readPolicyText(before, name), readPolicyText(after, name));
  } catch (error) {
    if (!(error instanceof SignetError)) throw error;
    return [`${name}: is another file, and cannot be read as YAML or JSON: ${error.message}`];
  }
  // Comments and order say nothing to Signet, but they do to people: it is another file all the same.
  if (changes.length === 0) return [`${name}: says the same in other words`];
  return changes.map((change) => `${name}: ${change}`);
}

async function readNow(path: string): Promise<string | undefined> {
  try {
    return normal(await readFile(path), path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The files of a commit. */
export interface TrustedTree {
  /** A file as it stands there, the stored bytes without filters; undefined when the commit does not have it. */
  readonly read: (path: string) => Promise<string | undefined>;
  /**
   * Paths of files that git's index has, and the commit has not or otherwise, relative to the folder; a link or a submodule is one path.
   *
   * @param patterns as gitglossary(7) has them for `glob`, from the top of the repository, in upper or lower case
   */
  readonly changed: (patterns: readonly string[]) => Promise<readonly string[]>;
}

/**
 * Opens the commit that a ref names, for reading files by the path that they have now.
 *
 * @param folder of the project; paths are taken relative to its real path, through no links but those on the way to it
 * @throws ERR_CONFIGURATION when git cannot say what the ref holds
 */
export async function openTrustedTree(
  folder: string,
  ref: string,
  env: TrustedRefOptions['env'],
): Promise<TrustedTree> {
  const repository = await openRepository(folder, env);
  const commit = await commitOf(repository, ref);
  const base = await realpath(folder);
  const read = async (path: string): Promise<string | undefined> => {
    const inside = relative(repository.toplevel, join(base, relative(folder, path))).replaceAll('\\', '/');
    if (inside.startsWith('../')) return undefined;
    const entry = fromUtf8(
      await repository.read(['--literal-pathspecs', 'ls-tree', '-z', '--full-tree', commit, '--', inside]),
      inside,
    );
    if (entry === '') return undefined;
    const [, object] = /^100(?:644|755|664) blob ([0-9a-f]{40,64})\t[^\0]*\0$/.exec(entry) ?? [];
    if (object === undefined) {
      throw new SignetError('ERR_CONFIGURATION', `--trust-from: ${inert(inside)} of ${inert(ref)} is not a plain file`);
    }
    return normal(await repository.read(['cat-file', 'blob', object]), path);
  };
  const changed = async (patterns: readonly string[]): Promise<readonly string[]> => {
    const options = [
      '--cached',
      '--name-only',
      '--no-renames',
      '--no-ext-diff',
      '--no-textconv',
      '--diff-filter=d',
      '-z',
    ];
    const pathspecs = patterns.map((pattern) => `:(top,glob,icase)${pattern}`);
    const printed = await repository.read(['diff-index', ...options, commit, '--', ...pathspecs]);
    const paths = fromUtf8(printed, 'paths in git')
      .split('\0')
      .filter((path) => path !== '');
    return paths.map((path) => relative(base, join(repository.toplevel, path)).replaceAll('\\', '/'));
  };
  return { read, changed };
}

function normal(bytes: Uint8Array, path: string): string {
  return fromUtf8(bytes, path).replaceAll('\r\n', '\n');
}

/** The object id of a commit. */
async function commitOf({ read }: GitRepository, ref: string): Promise<string> {
  const refuse = (why: string, cause?: unknown): never => {
    throw new SignetError('ERR_CONFIGURATION', `--trust-from: ${why}`, cause === undefined ? {} : { cause });
  };
  // A name that begins with a dash would be an option to git.
  const isName = !ref.startsWith('-') && !ref.includes(':') && ref !== '';
  const unknown = `git knows no commit ${inert(ref)} here; fetch it first, for example with git fetch origin main`;
  if (!isName) refuse(unknown);
  const printed = await read(['rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`]).catch(
    (cause: unknown) => refuse(unknown, cause),
  );
  const [commit] = /^[0-9a-f]{40,64}(?=\n$)/.exec(fromUtf8(printed, 'what git says')) ?? [];
  // git takes a tag before a branch of the same name, and who may push a tag need not be who may push the branch (gitrevisions(7)).
  const [name = ref] = ref.split(/~|\^|@\{/, 1);
  const places = ['', 'tags/', 'heads/', 'remotes/'].map((place) => `refs/${place}${name}`);
  const listed = fromUtf8(await read(['for-each-ref', '--format=%(refname)', ...places]), 'refs').split('\n');
  const same = listed.filter((one) => places.includes(one));
  if (same.length > 1) refuse(`${inert(ref)} may be any of ${inert(same.join(', '))}; give one of them in full`);
  return commit ?? refuse(unknown);
}
