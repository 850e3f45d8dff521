import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { root, run } from './repository.ts';

/** The text of every file that is committed or about to be, except the lockfile; binary files are left out. */
async function committedTexts(): Promise<{ file: string; text: string }[]> {
  const { code, stdout } = await run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], root);
  assert.equal(code, 0, 'git lists the files of the repository');
  const files = stdout.split('\0').filter((file) => file !== '' && path.basename(file) !== 'package-lock.json');
  const read = files.map(async (file) => {
    // A file that was just removed is still listed.
    const text = await readFile(path.join(root, file), 'utf8').catch(() => '');
    return { file, text: text.includes('\0') ? '' : text };
  });
  return await Promise.all(read);
}

describe('no file of the repository', () => {
  // Spelled in parts, or this file would be the first to be found.
  const spell = (...parts: readonly string[]) => parts.join('');
  const host = spell('registry\\.', 'npmjs', '\\.org');
  const later = `\\b(?:${spell('TO', 'DO')}|${spell('FIX', 'ME')}|${spell('X', 'XX')})\\b`;
  const forbidden: readonly [what: string, pattern: RegExp, files: RegExp][] = [
    ['names the host of npm’s registry', new RegExp(host, 'i'), /./],
    ['names a folder of somebody’s machine', /(?:^|[^\w.-])\/(?:work|farm|root|home|Users)\/\w/m, /./],
    [
      'narrows or switches off a test',
      /\b(?:describe|it|context)\.(?:only|skip)\(|\bxit\(|\bxdescribe\(/,
      /\.[cm]?[jt]s$/,
    ],
    ['leaves something to do', new RegExp(later), /\.(?:[cm]?[jt]s|md|ya?ml)$/],
    ['tells users to run a package of another name', new RegExp(spell('npx', ' signet\\b')), /./],
  ];

  for (const [what, pattern, files] of forbidden) {
    it(what, async () => {
      const texts = await committedTexts();
      assert.ok(texts.length > 0);
      const found = texts.filter(({ file, text }) => files.test(file) && pattern.test(text));
      assert.deepEqual(
        found.map(({ file }) => file),
        [],
      );
    });
  }
});
