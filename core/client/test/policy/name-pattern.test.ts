import assert from 'node:assert/strict';
import { matchesName, type NamePattern, parseNamePattern } from '@signet/client/policy';
import fc from 'fast-check';

function patterns(...texts: string[]): NamePattern[] {
  return texts.map((text) => {
    const pattern = parseNamePattern(text);
    assert.notEqual(typeof pattern, 'string', `${text}: ${String(pattern)}`);
    return pattern as NamePattern;
  });
}

const table: [patterns: string[], matching: string[], others: string[]][] = [
  [['left-pad'], ['left-pad@1.0.0', 'Left-Pad@1.0.0'], ['left-pads@1.0.0', 'xleft-pad@1.0.0', '@a/left-pad@1.0.0']],
  [['@acme/*'], ['@acme/widgets@1.0.0', '@ACME/Widgets@1.0.0'], ['@acme2/widgets@1.0.0', 'acme@1.0.0', '@acm/e@1.0.0']],
  [['@acme/lib-*'], ['@acme/lib-a@1.0.0', '@acme/lib-@1.0.0'], ['@acme/lib@1.0.0', '@acme/xlib-a@1.0.0']],
  [['*'], ['express@1.0.0'], ['@acme/widgets@1.0.0']],
  [['**'], ['express@1.0.0', '@acme/widgets@1.0.0'], []],
  [['@*/widgets'], ['@acme/widgets@1.0.0'], ['widgets@1.0.0', '@acme/widgets2@1.0.0']],
  [['@acme/*', '!@acme/legacy-*'], ['@acme/widgets@1.0.0'], ['@acme/legacy-widgets@1.0.0']],
  [['!@acme/legacy-*', '@acme/*'], ['@acme/widgets@1.0.0'], ['@acme/legacy-widgets@1.0.0']],
  [['@acme/core@>=2'], ['@acme/core@2.0.0', '@acme/core@3.1.0-rc.1'], ['@acme/core@1.9.9', '@acme/other@2.0.0']],
  [
    ['@acme/*', '!@acme/core@<2'],
    ['@acme/core@2.0.0', '@acme/a@1.0.0'],
    ['@acme/core@1.0.0', '@acme/core@1.0.0-rc.1'],
  ],
  [['react@18'], ['react@18.3.1'], ['react@19.0.0']],
];

describe('name patterns', () => {
  for (const [texts, matching, others] of table) {
    it(texts.join(' '), () => {
      const split = (text: string): [string, string] => [
        text.slice(0, text.lastIndexOf('@')),
        text.slice(text.lastIndexOf('@') + 1),
      ];
      for (const text of matching) assert.ok(matchesName(patterns(...texts), ...split(text)), text);
      for (const text of others) assert.ok(!matchesName(patterns(...texts), ...split(text)), text);
    });
  }

  it('match whatever order they stand in', () => {
    const text = fc.constantFrom('@a/*', '!@a/b', '**', 'b', '!b@>=2', '@a/b@^1', '*');
    const name = fc.constantFrom('@a/b', '@a/c', 'b', 'c');
    const version = fc.constantFrom('1.0.0', '2.0.0', '2.0.0-rc.1');
    fc.assert(
      fc.property(fc.array(text), name, version, (texts, packageName, packageVersion) => {
        const forwards = matchesName(patterns(...texts), packageName, packageVersion);
        assert.equal(matchesName(patterns(...texts.toReversed()), packageName, packageVersion), forwards);
      }),
    );
  });

  it('do what the regular expression of the same meaning does', () => {
    const glob = fc
      .array(fc.constantFrom('a', 'b', '*', '**', '-'), { minLength: 1, maxLength: 8 })
      .map((parts) => parts.join(''));
    const name = fc.tuple(fc.stringMatching(/^[ab-]{1,6}$/), fc.stringMatching(/^[ab-]{1,6}$/), fc.boolean());
    fc.assert(
      fc.property(glob, name, (text, [first, second, scoped]) => {
        fc.pre(!/\*{3}/.test(text));
        const packageName = scoped ? `@${first}/${second}` : first;
        const regex = new RegExp(`^${text.replace(/\*\*|\*/g, (star) => (star === '*' ? '[^/]*' : '.*'))}$`);
        assert.equal(matchesName(patterns(text), packageName, '1.0.0'), regex.test(packageName));
      }),
    );
  });

  it('take linear time on names that make backtracking matchers slow', () => {
    assert.equal(matchesName(patterns(`${'a*'.repeat(30)}b`), 'a'.repeat(214), '1.0.0'), false);
  });

  for (const text of [
    '',
    '!',
    '@acme',
    'a b',
    '/x',
    '@a/b/c',
    'a***',
    'name@',
    'name@latest',
    '(a|b)',
    '@acme/*@>=2 || evil?',
  ]) {
    it(`cannot be ${JSON.stringify(text)}`, () => assert.equal(typeof parseNamePattern(text), 'string'));
  }
});
