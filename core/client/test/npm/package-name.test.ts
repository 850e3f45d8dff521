import assert from 'node:assert/strict';
import { isExactVersion, isInstallableName, isPackageName } from '@signet/client/npm';
import fc from 'fast-check';
import semver from 'semver';

/** npm's own parser, which also takes spellings that are not canonical. */
function canonical(text: string): boolean {
  const parsed = semver.parse(text);
  if (parsed === null) return false;
  return text === (parsed.build.length > 0 ? `${parsed.version}+${parsed.build.join('.')}` : parsed.version);
}

describe('exact versions', () => {
  it('are those that npm’s parser reads and writes alike', () => {
    const piece = fc.constantFrom(
      '0',
      '1',
      '01',
      '10',
      'a',
      '-',
      'rc',
      '.',
      '+',
      '-0',
      'x',
      ' ',
      'v',
      '9007199254740992',
    );
    const text = fc.oneof(
      fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('')),
      fc.array(piece, { maxLength: 6 }).map((pieces) => `1.2.3${pieces.join('')}`),
    );
    fc.assert(
      fc.property(text, (version) => assert.equal(isExactVersion(version), canonical(version), version)),
      { numRuns: 2000 },
    );
  });

  it('are not longer than npm’s parser reads', () => {
    assert.ok(isExactVersion(`1.0.0-${'a'.repeat(250)}`));
    assert.ok(!isExactVersion(`1.0.0-${'a'.repeat(251)}`));
  });
});

describe('package names', () => {
  it('are those that npm accepts, new or old', () => {
    for (const name of ['a', 'left-pad', '@acme/widgets', 'a.b_c', '@a/xb']) assert.ok(isPackageName(name), name);
    for (const name of ['JSONStream', '@Acme/Widgets', "it's"]) {
      assert.ok(!isPackageName(name) && isInstallableName(name), name);
    }
    for (const name of [
      '',
      '.a',
      '_a',
      '@/a',
      '@a/',
      '@a/.b',
      'a/b',
      'a b',
      'ä',
      'node_modules',
      '@.a/b',
      'a'.repeat(215),
      'a\n',
    ]) {
      assert.ok(!isPackageName(name) && !isInstallableName(name), JSON.stringify(name));
    }
  });
});
