import assert from 'node:assert/strict';
import { type LockedPackage, readAnyLockfile, sha512Integrity } from '@signet/client/npm';
import { utf8 } from '@signet/primitives/formats';

const integrity = sha512Integrity(utf8('a'));
const read = (name: string, text: string) => readAnyLockfile(name, utf8(text)).packages.map(brief);
const brief = ({ name, alias, version, source, integrity: hash, patched }: LockedPackage) =>
  [name, alias ?? '', version, source, hash === undefined ? 'no hash' : 'sha512', patched ? 'patched' : '']
    .join(' ')
    .trim();

const pnpm = (packages: string, version = '9.0') => `lockfileVersion: '${version}'\npackages:\n${packages}`;
const yarn = (entry: string) => `# yarn lockfile v1\n\n\n${entry}`;
const bun = (packages: string) =>
  `{ "lockfileVersion": 1, "workspaces": { "": { "name": "x", }, }, "packages": { ${packages} }, }`;

describe('lockfiles of other package managers', () => {
  const table: [file: string, what: string, text: string, expected: string[]][] = [
    [
      'pnpm-lock.yaml',
      'version 9',
      pnpm(
        `  '@a/b@1.2.3':\n    resolution: {integrity: ${integrity}}\n  c@1.0.0:\n    resolution: {integrity: ${integrity}}\n`,
      ),
      ['@a/b  1.2.3 registry sha512', 'c  1.0.0 registry sha512'],
    ],
    [
      'pnpm-lock.yaml',
      'version 6 with peers',
      pnpm(`  /@a/b@1.2.3(c@1.0.0):\n    resolution: {integrity: ${integrity}}\n`, '6.0'),
      ['@a/b  1.2.3 registry sha512'],
    ],
    [
      'pnpm-lock.yaml',
      'a clone, a weak hash and a patch',
      `${pnpm(`  g@https://codeload.github.com/x/g/tar.gz/abc:\n    resolution: {tarball: 'https://codeload.github.com/x/g/tar.gz/abc'}\n    version: 1.0.0\n  w@1.0.0:\n    resolution: {integrity: sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=}\n`)}patchedDependencies:\n  w@1.0.0: {path: x}\n`,
      ['g  1.0.0 git no hash', 'w  1.0.0 registry no hash patched'],
    ],
    [
      'yarn.lock',
      'several ranges and an alias',
      yarn(
        `"@a/b@^1.0.0", "@a/b@^1.2.0":\n  version "1.2.3"\n  resolved "https://r.example/@a/b/-/b-1.2.3.tgz#abc"\n  integrity ${integrity}\n  dependencies:\n    c "^1.0.0"\n\n"x@npm:c@1":\n  version "1.0.0"\n  resolved "https://r.example/c/-/c-1.0.0.tgz"\n  integrity ${integrity}\n`,
      ),
      ['@a/b  1.2.3 registry sha512', 'c x 1.0.0 registry sha512'],
    ],
    [
      'yarn.lock',
      'a clone and no integrity',
      yarn(
        'g@x/g:\n  version "1.0.0"\n  resolved "https://codeload.github.com/x/g/tar.gz/abc"\n\nc@1:\n  version "1.0.0"\n  resolved "https://r.example/c.tgz"\n',
      ),
      ['g  1.0.0 git no hash', 'c  1.0.0 registry no hash'],
    ],
    [
      'bun.lock',
      'nested, aliased, from git and of the workspace',
      bun(
        `"@a/b": ["@a/b@1.2.3", "", { "dependencies": { "c": "1, }" } }, "${integrity}"], "p/c": ["c@1.0.0", "", {}, "${integrity}"], "x": ["c@2.0.0", "", {}, "${integrity}"], "g": ["g@github:x/g#abc", {}, "x-g-abc"], "w": ["w@workspace:packages/w"],`,
      ),
      [
        '@a/b  1.2.3 registry sha512',
        'c  1.0.0 registry sha512',
        'c x 2.0.0 registry sha512',
        'g  github:x/g#abc git no hash',
        'w  workspace:packages/w link no hash',
      ],
    ],
  ];
  it('are read whatever was read before: bun.lock', () => {
    // After the first document, V8's JSON.parse takes the escaped member of the second for another.
    JSON.parse('{"lockfileVersion":1,"package\\\\":{}}');
    const packages = `{"a": ["a@1.0.0", "", {}, "${integrity}"]}`;
    assert.deepEqual(read('bun.lock', `{"lockfileVersion":1,"package\\u0073":${packages}}`), [
      'a  1.0.0 registry sha512',
    ]);
  });

  for (const [file, what, text, expected] of table) {
    it(`are read: ${file}, ${what}`, () => {
      assert.deepEqual(read(file, text), expected);
    });
  }

  const refused: [file: string, what: string, text: string, code: string][] = [
    ['pnpm-lock.yaml', 'version 5', pnpm('  {}', '5.4'), 'ERR_LOCKFILE'],
    ['pnpm-lock.yaml', 'an entry without a resolution', pnpm('  a@1.0.0: {}\n'), 'ERR_LOCKFILE'],
    [
      'pnpm-lock.yaml',
      'a range as version',
      pnpm(`  a@^1.0.0:\n    resolution: {integrity: ${integrity}}\n`),
      'ERR_LOCKFILE',
    ],
    [
      'pnpm-lock.yaml',
      'two hashes',
      pnpm(`  a@1.0.0:\n    resolution: {integrity: '${integrity} ${integrity}'}\n`),
      'ERR_INTEGRITY_FORMAT',
    ],
    [
      'pnpm-lock.yaml',
      'a key twice',
      pnpm('  a@1.0.0: {resolution: {}}\n  a@1.0.0: {resolution: {}}\n'),
      'ERR_LOCKFILE',
    ],
    ['pnpm-lock.yaml', 'merge conflicts', '<<<<<<< HEAD\n', 'ERR_LOCKFILE'],
    ['yarn.lock', 'the format of yarn 4', '__metadata:\n  version: 8\n', 'ERR_LOCKFILE'],
    ['yarn.lock', 'no header', 'a@1:\n  version "1.0.0"\n', 'ERR_LOCKFILE'],
    ['yarn.lock', 'no version', yarn('a@1:\n  resolved "https://r.example/a.tgz"\n'), 'ERR_LOCKFILE'],
    ['yarn.lock', 'a member twice', yarn('a@1:\n  version "1.0.0"\n  version "2.0.0"\n'), 'ERR_LOCKFILE'],
    ['yarn.lock', 'two packages in one entry', yarn('a@1, "x@npm:b@1":\n  version "1.0.0"\n'), 'ERR_LOCKFILE'],
    [
      'yarn.lock',
      'two hashes',
      yarn(`a@1:\n  version "1.0.0"\n  resolved "https://r.example/a.tgz"\n  integrity "${integrity} ${integrity}"\n`),
      'ERR_INTEGRITY_FORMAT',
    ],
    ['bun.lock', 'a later version', '{ "lockfileVersion": 2, "packages": {} }', 'ERR_LOCKFILE'],
    ['bun.lock', 'an entry that is no list', bun('"a": "a@1.0.0"'), 'ERR_LOCKFILE'],
    ['bun.lock', 'a key twice', '{ "lockfileVersion": 1, "packages": {}, "packages": {} }', 'ERR_LOCKFILE'],
    ['bun.lock', 'merge conflicts', '<<<<<<< HEAD', 'ERR_LOCKFILE'],
    ['Cargo.lock', 'another kind of lockfile', '', 'ERR_LOCKFILE'],
  ];
  for (const [file, what, text, code] of refused) {
    it(`are refused: ${file}, ${what}`, () => {
      assert.throws(() => read(file, text), { code });
    });
  }
});
