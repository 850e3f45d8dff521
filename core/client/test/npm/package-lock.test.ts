import assert from 'node:assert/strict';
import { readPackageLock, sha512Integrity } from '@signet/client/npm';
import { utf8 } from '@signet/primitives/formats';
import fc from 'fast-check';

const integrity = sha512Integrity(utf8('tarball'));

function lock(packages: Record<string, object>, lockfileVersion: unknown = 3): string {
  return JSON.stringify({ name: 'app', version: '1.0.0', lockfileVersion, requires: true, packages });
}

const one = (entry: object, location = 'node_modules/a') =>
  readPackageLock(lock({ '': {}, [location]: entry })).packages;

describe('lockfiles', () => {
  it('tell every package that npm may install, however it gets there', () => {
    const { packages, lockfileVersion } = readPackageLock(
      lock({
        '': { name: 'app', workspaces: ['packages/*'] },
        'packages/tool': { name: '@app/tool', version: '0.1.0' },
        'packages/tool/node_modules/deep': { version: '2.0.0', integrity, dev: true },
        'node_modules/@app/tool': { resolved: 'packages/tool', link: true },
        'node_modules/@acme/widgets': { version: '1.2.3', resolved: 'https://npm.acme.example/w.tgz', integrity },
        'node_modules/@acme/widgets/node_modules/inner': { version: '1.0.0', inBundle: true },
        'node_modules/nick': { name: 'nicholas', version: '3.0.0', integrity, optional: true },
        'node_modules/from-git': { version: '1.0.0', resolved: 'git+ssh://git@github.com/a/b.git#0123abc' },
        'node_modules/from-file': { version: '1.0.0', resolved: 'file:vendor/x.tgz', integrity },
        'node_modules/changed': { version: '1.0.0', integrity, patched: { path: 'p.patch', integrity } },
      }),
    );
    assert.equal(lockfileVersion, 3);
    const table = packages.map((p) => [p.location, p.name, p.alias ?? '', p.version ?? '', p.source].join(' '));
    assert.deepEqual(table, [
      'packages/tool/node_modules/deep deep  2.0.0 registry',
      'node_modules/@app/tool @app/tool   link',
      'node_modules/@acme/widgets @acme/widgets  1.2.3 registry',
      'node_modules/@acme/widgets/node_modules/inner inner  1.0.0 bundled',
      'node_modules/nick nicholas nick 3.0.0 registry',
      'node_modules/from-git from-git  1.0.0 git',
      'node_modules/from-file from-file  1.0.0 file',
      'node_modules/changed changed  1.0.0 registry',
    ]);
    assert.deepEqual(
      packages.filter((p) => p.dev || p.optional || p.patched).map((p) => p.name),
      ['deep', 'nicholas', 'changed'],
    );
  });

  it('need no resolved, which npm can be told to omit', () => {
    const [entry] = one({ version: '1.0.0', integrity });
    assert.deepEqual([entry?.source, entry?.integrity], ['registry', integrity]);
  });

  it('give no integrity where there is none or only a weak one', () => {
    assert.equal(one({ version: '1.0.0' })[0]?.integrity, undefined);
    assert.equal(one({ version: '1.0.0', integrity: 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=' })[0]?.integrity, undefined);
  });

  it('count a package marked as bundled as fetched when npm could fetch it', () => {
    assert.equal(one({ version: '1.0.0', inBundle: true, integrity })[0]?.source, 'registry');
    assert.equal(
      one({ version: '1.0.0', inBundle: true, resolved: 'https://evil.example/a.tgz' })[0]?.source,
      'registry',
    );
  });

  it('tell a package that brings its own, in either spelling that npm follows', () => {
    assert.equal(one({ version: '1.0.0', integrity })[0]?.hasShrinkwrap, false);
    assert.equal(one({ version: '1.0.0', integrity, hasShrinkwrap: true })[0]?.hasShrinkwrap, true);
    assert.equal(one({ version: '1.0.0', integrity, _hasShrinkwrap: true })[0]?.hasShrinkwrap, true);
  });

  it('are refused with a second hash, which npm would accept as well', () => {
    const evil = sha512Integrity(utf8('evil'));
    for (const two of [
      `${integrity} ${evil}`,
      `${evil} ${integrity}`,
      `sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk= ${integrity}`,
    ]) {
      assert.throws(() => one({ version: '1.0.0', integrity: two }), { code: 'ERR_INTEGRITY_FORMAT' });
    }
  });

  for (const version of [1, 5, '3', null, undefined]) {
    it(`are refused with lockfileVersion ${JSON.stringify(version)}`, () =>
      assert.throws(() => readPackageLock(JSON.stringify({ lockfileVersion: version, packages: {} })), {
        code: 'ERR_LOCKFILE',
      }));
  }

  for (const location of [
    'node_modules/./a',
    './node_modules/a',
    'node_modules//a',
    'node_modules/a/',
    'node_modules/a/../b',
    'packages/../node_modules/a',
    'node_modules\\a',
    'Node_Modules/a',
    'node_modules/a/lib',
    'node_modules/@scope',
    'node_modules/__proto__',
    'node_modules/.hidden',
    '/node_modules/a',
  ]) {
    it(`are refused with the location ${location}`, () =>
      assert.throws(() => one({ version: '1.0.0', integrity }, location), { code: 'ERR_LOCKFILE' }));
  }

  for (const [what, entry] of Object.entries({
    'a range as version': { version: '^1.0.0', integrity },
    'no version': { integrity },
    'a name that is none': { version: '1.0.0', name: '../x', integrity },
    'an unknown protocol': { version: '1.0.0', resolved: 'ftp://x.example/a.tgz', integrity },
    'a number as resolved': { version: '1.0.0', resolved: 7 },
    'a link that is true in another way': { version: '1.0.0', integrity, link: 1 },
    'a bundle that is true in another way': { version: '1.0.0', inBundle: 'yes' },
    'a list as entry': [],
    'a place that npm would take it from': { version: '1.0.0', integrity, _resolved: 'git+https://evil.example/x.git' },
    'a hash that npm would take': { version: '1.0.0', _integrity: integrity },
    'scripts, which npm would run': { version: '1.0.0', integrity, scripts: { install: 'node evil.js' } },
    'a URL that is none': { version: '1.0.0', resolved: 'https://[', integrity },
    'a link that leads nowhere': { link: true },
    'a link by an absolute path': { resolved: '/elsewhere', link: true },
    'a link by the path of another system': { resolved: 'c:\\elsewhere', link: true },
    'a link that climbs on its way': { resolved: 'packages/../evil', link: true },
    'a link by a detour': { resolved: './packages/a', link: true },
    'a link into node_modules': { resolved: 'node_modules/evil', link: true },
    'a link into node_modules in other letters': { resolved: '../x/Node_Modules/evil', link: true },
    'a link by a URL': { resolved: 'file:packages/a', link: true },
    'a link with the name of another': { resolved: 'packages/a', link: true, name: 'b' },
  })) {
    it(`are refused with ${what}`, () => assert.throws(() => one(entry), { code: 'ERR_LOCKFILE' }));
  }

  it('are refused with merge conflict markers, a missing list, or a size beyond reason', () => {
    assert.throws(() => readPackageLock(`<<<<<<< ours\n${lock({})}`), { code: 'ERR_LOCKFILE' });
    for (const marker of ['<<<<<<<', '=======', '>>>>>>>', '|||||||']) {
      assert.throws(() => one({ version: '1.0.0', integrity, license: `x${marker}` }), {
        code: 'ERR_LOCKFILE',
        message: /merge conflicts/,
      });
    }
    assert.equal(one({ version: '1.0.0', integrity, license: '<<<<<<' }).length, 1);
    assert.throws(() => readPackageLock('{"lockfileVersion":3}'), { code: 'ERR_LOCKFILE' });
    assert.throws(() => readPackageLock('null'), { code: 'ERR_LOCKFILE' });
    assert.throws(() => readPackageLock(' '.repeat(128 * 1024 * 1024 + 1)), { code: 'ERR_INPUT_TOO_LARGE' });
  });

  it('are refused with a key twice, of which readers take different ones', () => {
    const compact = lock({ 'node_modules/a': { version: '1.0.0', integrity } });
    for (const text of [compact, `${JSON.stringify(JSON.parse(compact), undefined, 2)}\n`]) {
      assert.equal(readPackageLock(text).packages.length, 1);
      const twice = text.replace(/"integrity"/, '"version": "9.0.0",\n      "integrity"');
      assert.throws(() => readPackageLock(twice), { code: 'ERR_LOCKFILE', message: /version.*twice|twice.*version/ });
      assert.throws(() => readPackageLock(text.slice(0, -3)), { code: 'ERR_LOCKFILE' });
    }
  });

  for (const [what, entry] of Object.entries({
    'from elsewhere': { version: '1.0.0', resolved: 'https://evil.example/a.tgz' },
    'with a hash': { version: '1.0.0', integrity },
    'that is a link': { link: true, resolved: 'elsewhere' },
  })) {
    it(`are refused with a folder of the project ${what}`, () => {
      for (const location of ['', 'packages/tool']) {
        assert.throws(() => readPackageLock(lock({ [location]: entry })), { code: 'ERR_LOCKFILE' });
      }
    });
  }

  it('take nothing from prototypes', () => {
    const text = lock({}).replace('"packages":{}', '"packages":{"node_modules/a":{"__proto__":{"version":"1.0.0"}}}');
    assert.throws(() => readPackageLock(text), { code: 'ERR_LOCKFILE' });
  });

  it('never fail in another way than with a Signet error', () => {
    const key = fc.oneof(
      fc.string(),
      fc.string().map((tail) => `node_modules/${tail}`),
    );
    fc.assert(
      fc.property(fc.dictionary(key, fc.jsonValue()), (packages) => {
        try {
          readPackageLock(JSON.stringify({ lockfileVersion: 3, packages }));
        } catch (error) {
          assert.equal((error as Error).name, 'SignetError');
        }
      }),
    );
  });
});
