import assert from 'node:assert/strict';
import { cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Finished, root, run, withTemporaryFolder } from './repository.ts';

const configuration = [
  'package.json',
  'biome.json',
  'biome.imports.json',
  '.gitignore',
  'tsconfig.base.json',
  'tsconfig.json',
];
const clean = 'export const one = 1;\n';

/** Runs the check over a tree that has the project's configuration and these files alone. */
async function check(files: Record<string, string>): Promise<Finished> {
  return await withTemporaryFolder(async (folder) => {
    for (const name of configuration) await cp(path.join(root, name), path.join(folder, name));
    await symlink(path.join(root, 'node_modules'), path.join(folder, 'node_modules'), 'junction');
    for (const [name, text] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
      await writeFile(path.join(folder, name), text);
    }
    return await run(process.execPath, [path.join(root, 'scripts/check.mjs'), folder], root);
  });
}

describe('npm run check', () => {
  it('passes a clean tree and says how many files it looked at', async () => {
    const { code, stdout, stderr } = await check({ 'core/client/src/verify/one.ts': clean });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^ok {4} types \(1 files\)$/m);
  });

  const offences: readonly [what: string, files: Record<string, string>, word: RegExp, part: RegExp][] = [
    [
      'a forbidden import',
      {
        'core/client/src/verify/one.ts': "export * from '../policy/index.ts';\n",
        'core/client/src/policy/index.ts': clean,
      },
      /verify may import trust/,
      /^FAILED format, lint and imports/m,
    ],
    [
      'a type taken by import() where Biome cannot see it',
      {
        'core/client/src/verify/one.ts': "export type One = import('../policy/index.ts').One;\n",
        'core/client/src/policy/index.ts': 'export type One = 1;\n',
      },
      /write import\('..\/policy\/index.ts'\).One as a plain import/,
      /^FAILED import table/m,
    ],
    [
      'a path that leaves the room by a detour',
      {
        'core/client/src/verify/one.ts': "export * from './inner/../../policy/index.ts';\n",
        'core/client/src/policy/index.ts': clean,
      },
      /'.\/inner\/..\/..\/policy\/index.ts'/,
      /^FAILED import table/m,
    ],
    ['a wrong type', { 'cli/src/one.ts': "export const one: number = 'one';\n" }, /TS2322/, /^FAILED types/m],
    ['other formatting', { 'cli/src/one.ts': 'export const one = 1\n' }, /Formatter/, /^FAILED format/m],
    ['a tree without sources', { 'docs/one.md': '# One\n' }, /0 sources/, /^FAILED types \(0 files\)/m],
  ];
  for (const [what, files, word, part] of offences) {
    it(`fails on ${what}`, async () => {
      const { code, stdout, stderr } = await check(files);
      assert.equal(code, 1);
      assert.match(stderr, word);
      assert.match(stdout, part);
    });
  }
});
