import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { dirname, relative, resolve } from 'node:path';
import { fromUtf8, inert, SignetError } from '@signet/primitives/basics';
import { describeChanges, type Policy, readPolicyText } from '../policy/index.ts';

export interface TrustedRefOptions {
  /** A commit, branch or tag that the change under test cannot have touched: the base of a pull request. */
  readonly ref: string;
  readonly policyPath: string;
  readonly policy: Policy;
  readonly trustLockPath: string;
}

const maxBytes = 64 * 1024 * 1024;

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
}: TrustedRefOptions): Promise<void> {
  const folder = dirname(policyPath);
  await assertCommit(folder, ref);
  const rootFiles = policy.trustRoots.flatMap(({ source }) =>
    source.kind === 'file' ? [source.path] : source.kind === 'tuf' ? [source.root] : [],
  );
  const files = [policyPath, trustLockPath, ...rootFiles.map((path) => resolve(folder, path))];
  const sentences: string[] = [];
  for (const path of new Set(files)) {
    const [before, after] = await Promise.all([readAt(folder, ref, path), readNow(path)]);
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

/** A file as it stands in a commit: the stored bytes, without filters. */
async function readAt(folder: string, ref: string, path: string): Promise<string | undefined> {
  const inside = relative(folder, path).split('\\').join('/');
  const object = `${ref}:./${inside}`;
  if ((await git(folder, ['cat-file', '-e', object])) === undefined) return undefined;
  const bytes = await git(folder, ['cat-file', 'blob', object]);
  if (bytes === undefined) throw new SignetError('ERR_CONFIGURATION', `git cannot read ${inert(object)}`);
  return normal(bytes, path);
}

function normal(bytes: Uint8Array, path: string): string {
  return fromUtf8(bytes, path).replaceAll('\r\n', '\n');
}

async function assertCommit(folder: string, ref: string): Promise<void> {
  // A name that begins with a dash would be an option to git.
  const known = !ref.startsWith('-') && !ref.includes(':') && ref !== '';
  if (known && (await git(folder, ['rev-parse', '--verify', '--quiet', `${ref}^{commit}`])) !== undefined) return;
  throw new SignetError(
    'ERR_CONFIGURATION',
    `--trust-from: git knows no commit ${inert(ref)} here; fetch it first, for example with git fetch origin main`,
  );
}

/** What git prints; undefined when it says no. */
function git(cwd: string, args: readonly string[]): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    execFile('git', [...args], { cwd, encoding: 'buffer', maxBuffer: maxBytes }, (error, stdout) => {
      if (error === null) resolve(stdout);
      else if (typeof error.code === 'number') resolve(undefined);
      else reject(new SignetError('ERR_CONFIGURATION', `git cannot be run: ${error.message}`, { cause: error }));
    });
  });
}
