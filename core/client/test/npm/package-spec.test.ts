import assert from 'node:assert/strict';
import { isHostedGit, readPackageSpec } from '@signet/client/npm';
import npa from 'npm-package-arg';

const commit = '6a68a43bb43be37b7c378f908609cd7321eb6a44';

describe('where a dependency comes from', () => {
  for (const url of [
    `https://github.com/evil/repo.git#${commit}`,
    'https://github.com/evil/repo',
    'http://github.com/evil/repo.git',
    'HTTPS://WWW.GitHub.com/evil/repo/tree/main',
    'https://user:secret@github.com/evil/repo',
    'https://github.com/evil/repo/',
    'https://gitlab.com/group/evil/repo.git',
    'https://gitlab.com/group/-',
    'https://gitlab.com/archive.tar.gz/repo',
    'https://bitbucket.org/evil/repo',
    'https://gist.github.com/evil/0123',
    'https://gist.github.com/0123',
    'https://git.sr.ht/~evil/repo',
  ]) {
    it(`is a repository, to npm as well: ${url}`, () => {
      assert.equal(npa(`a@${url}`).type, 'git');
      assert.equal(isHostedGit(url), true);
      assert.equal(readPackageSpec(url).kind, 'git');
    });
  }

  for (const url of [
    'https://github.com/evil/repo/archive/v1.tar.gz',
    'https://github.com/evil/repo/releases/download/v1/a.tgz',
    'https://codeload.github.com/evil/repo/tar.gz/main',
    'https://gitlab.com/evil/repo/-/archive/v1/repo.tgz',
    'https://gitlab.com/evil/repo/archive.tar.gz',
    'https://bitbucket.org/evil/repo/get/v1.tar.gz',
    'https://git.sr.ht/~evil/repo/archive/v1.tar.gz',
    'https://npm.example/a/-/a-1.0.0.tgz',
  ]) {
    it(`is a tarball, to npm as well: ${url}`, () => {
      assert.equal(npa(`a@${url}`).type, 'remote');
      assert.equal(isHostedGit(url), false);
      assert.equal(readPackageSpec(url).kind, 'remote');
    });
  }

  it('is a registry only for versions, ranges and tags', () => {
    for (const spec of [
      '',
      '*',
      'x',
      '1',
      '1.2.3',
      '=1.2.3',
      'v1.2.3',
      '^1.2.0',
      '~1',
      '>= 1.0.0 <2',
      '1.x || 2.x',
      '1.0.0 - 2.0.0',
      '1.0.0-rc.1+b',
    ]) {
      assert.equal(readPackageSpec(spec).kind, 'range', spec);
    }
    for (const spec of ['latest', 'next', '1foo', 'v']) assert.equal(readPackageSpec(spec).kind, 'tag', spec);
    for (const spec of ['file:../x', './x', '../x', 'file:x.tgz'])
      assert.equal(readPackageSpec(spec).kind, 'path', spec);
    for (const spec of [
      'evil/repo',
      'github:evil/repo',
      'git+ssh://git@h/x',
      'git@h.example:x',
      'x.tgz',
      '/x',
      '~/x',
      'c:x',
      'https://[',
      'workspace:*',
      ' ./x',
    ]) {
      assert.equal(readPackageSpec(spec).kind, 'git', spec);
    }
    assert.deepEqual(readPackageSpec('npm:@a/b@^1'), { kind: 'alias', name: '@a/b', spec: '^1' });
    assert.deepEqual(readPackageSpec('NPM:b'), { kind: 'alias', name: 'b', spec: '*' });
  });
});
