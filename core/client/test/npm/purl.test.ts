import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { isPackageName, parsePurl, toPurl } from '@signet/client/npm';
import fc from 'fast-check';

const npa = createRequire(import.meta.url)('npm-package-arg') as { toPurl(spec: string): string };

const segment = fc.stringMatching(/^[a-z0-9][a-z0-9\-_.]{0,20}$/).filter((name) => isPackageName(name));
const name = fc.oneof(
  segment,
  fc.tuple(segment, segment).map(([scope, base]) => `@${scope}/${base}`),
);
const number = fc.nat({ max: 99_999 });
const version = fc
  .tuple(number, number, number, fc.constantFrom('', '-rc.1', '-alpha', '-0.x', '+build.5', '-rc.1+b'))
  .map(([major, minor, patch, rest]) => `${major}.${minor}.${patch}${rest}`);

describe('purls of npm packages', () => {
  it('encodes only the leading @, as npm does', () => {
    assert.equal(toPurl('@scope/name', '1.2.3'), 'pkg:npm/%40scope/name@1.2.3');
    assert.equal(toPurl('left-pad', '1.3.0-rc.1'), 'pkg:npm/left-pad@1.3.0-rc.1');
  });

  it('writes what npm itself writes, and reads it back', () => {
    fc.assert(
      fc.property(name, version, (packageName, packageVersion) => {
        const purl = toPurl(packageName, packageVersion);
        assert.equal(purl, npa.toPurl(`${packageName}@${packageVersion}`));
        assert.deepEqual(parsePurl(purl), { name: packageName, version: packageVersion });
      }),
    );
  });

  it('accepts no text that toPurl would not have written', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((tail) => `pkg:npm/${tail}`),
        ),
        (text) => {
          let parsed: { name: string; version: string };
          try {
            parsed = parsePurl(text);
          } catch (error) {
            assert.equal((error as { code: string }).code, 'ERR_PURL');
            return;
          }
          assert.equal(toPurl(parsed.name, parsed.version), text);
        },
      ),
    );
  });

  for (const purl of [
    'pkg:npm/@scope/name@1.2.3',
    'pkg:npm/%40scope%2Fname@1.2.3',
    'pkg:npm/%40scope%2fname@1.2.3',
    'pkg:NPM/name@1.2.3',
    'pkg:npm/name@v1.2.3',
    'pkg:npm/name@^1.2.3',
    'pkg:npm/name@1.2.3?repository_url=https://example.org',
    'pkg:npm/name@1.2.3#sub',
    'pkg:npm/name',
    'pkg:npm/@1.2.3',
    'pkg:npm/../name@1.2.3',
    'pkg:pypi/name@1.2.3',
    ' pkg:npm/name@1.2.3',
  ]) {
    it(`refuses ${purl}`, () => assert.throws(() => parsePurl(purl), { code: 'ERR_PURL' }));
  }

  it('refuses names and versions that npm does not have', () => {
    for (const [badName, badVersion] of [
      ['Name Space', '1.0.0'],
      ['.hidden', '1.0.0'],
      ['@scope', '1.0.0'],
      ['@scope/a/b', '1.0.0'],
      ['node_modules', '1.0.0'],
      ['name', 'latest'],
      ['name', '1.0'],
      ['name', '01.0.0'],
      ['__proto__', '1.0.0'],
    ] as const) {
      assert.throws(() => toPurl(badName, badVersion), { code: 'ERR_PACKAGE_NAME' }, `${badName}@${badVersion}`);
    }
  });
});
