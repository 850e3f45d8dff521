import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { loadPolicy, type ProjectRules, projectViolations } from '@signet/client/install';
import { readPackageLock, sha512Integrity } from '@signet/client/npm';
import type { TrustLock } from '@signet/client/policy';
import { utf8 } from '@signet/primitives/formats';

const integrity = sha512Integrity(utf8('a'));

describe('what a project asks for beside its lockfile', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'signet-project-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const write = async (file: string, content: unknown) => {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), typeof content === 'string' ? content : JSON.stringify(content));
  };

  async function judge(
    packages: Record<string, object>,
    { policy = '', lock }: { policy?: string; lock?: TrustLock } = {},
  ): Promise<string[] | undefined> {
    await write(
      'trust-policy.yaml',
      `version: 1
trustRoots: { acme: { file: root.json, packages: ['@acme/*'] } }
publishers: { ci: { oidc: { issuer: 'https://login.acme.example', san: [ci] } } }
rules:
  - { id: warned, match: [warned], mode: warn, require: [ { signature: { by: [ci] } } ] }
  - { id: named, match: [named], require: [ { signature: { by: [ci] } } ] }
${policy}`,
    );
    const rules: ProjectRules = { policy: (await loadPolicy(join(folder, 'trust-policy.yaml'))).policy, lock };
    const text = JSON.stringify({ lockfileVersion: 3, packages: { '': {}, ...packages } });
    const violations = await projectViolations(rules, folder, readPackageLock(text));
    return violations?.map(
      ({ code, severity, package: name, evidence }) => `${code} ${severity} ${name}: ${evidence ?? ''}`,
    );
  }

  it('is unknown where there is no package.json', async () => {
    assert.equal(await judge({}), undefined);
  });

  it('may be the folder of a workspace under its own name', async () => {
    await write('package.json', { name: '@acme/all', workspaces: ['packages/*', '!packages/fake'] });
    await write('packages/tool/package.json', { name: '@acme/tool', dependencies: { '@acme/lib': 'file:../lib' } });
    await write('packages/lib/package.json', { name: '@acme/lib' });
    const links = {
      'node_modules/@acme/tool': { resolved: 'packages/tool', link: true },
      'node_modules/@acme/lib': { resolved: 'packages/lib', link: true },
      'node_modules/@acme/all': { resolved: '', link: true },
      'node_modules/somebodys': { resolved: '../elsewhere', link: true },
      'packages/tool': { version: '1.0.0', dependencies: { '@acme/lib': 'file:../lib' } },
    };
    assert.deepEqual(await judge(links), []);
  });

  describe('is refused as a folder under a name of the policy', () => {
    const link = (resolved: string) => ({ 'node_modules/@acme/lib': { resolved, link: true } });
    const refused = ['TP105 error @acme/lib: node_modules/@acme/lib'];
    beforeEach(async () => {
      await write('package.json', { name: '@acme/all', workspaces: ['packages/*', '!packages/fake', '../outside'] });
      await write('packages/tool/package.json', { name: '@acme/tool' });
      await write('packages/fake/package.json', { name: '@acme/lib' });
      await write('elsewhere/package.json', { name: '@acme/lib' });
    });

    it('that no workspace pattern names, or a pattern takes away', async () => {
      assert.deepEqual(await judge(link('elsewhere')), refused);
      assert.deepEqual(await judge(link('packages/fake')), refused);
    });

    it('that is a workspace of another name', async () => {
      assert.deepEqual(await judge(link('packages/tool')), refused);
    });

    it('that is the project itself under another name', async () => {
      assert.deepEqual(await judge(link('')), refused);
    });

    it('that is not there', async () => {
      assert.deepEqual(await judge(link('packages/none')), refused);
    });

    it('that lies outside of the project', async () => {
      assert.deepEqual(await judge(link('../outside')), refused);
    });

    it('that a symbolic link in the place of a workspace leads to', async () => {
      await symlink(join(folder, 'elsewhere'), join(folder, 'packages', 'lib'));
      assert.deepEqual(await judge(link('packages/lib')), refused);
    });

    it('that was proven before', async () => {
      const pin = { level: 'provenance', identity: {}, since: { version: '1.0.0' } };
      const lock = { created: new Date(0).toISOString(), packages: new Map([['pinned', pin]]) } as unknown as TrustLock;
      const pinned = { 'node_modules/pinned': { resolved: 'elsewhere', link: true } };
      assert.deepEqual(await judge(pinned), []);
      assert.deepEqual(await judge(pinned, { lock }), ['TP105 error pinned: node_modules/pinned']);
    });
  });

  const specs: Record<string, [spec: string, expected: string]> = {
    'a repository': ['github:evil/lib', 'TP105'],
    'the page of a repository': ['https://github.com/evil/lib', 'TP105'],
    'a URL': ['https://evil.example/lib.tgz', 'TP105'],
    'a file': ['file:../lib.tgz', 'TP105'],
    'a folder': ['./elsewhere', 'TP105'],
    'another package': ['npm:evil@1', 'TP106'],
  };
  for (const [what, [spec, code]] of Object.entries(specs)) {
    const wishes = { '@acme/lib': spec, named: spec, warned: spec, other: spec };
    const found = (where: string) => [
      `${code} error @acme/lib: ${where}`,
      `${code} error named: ${where}`,
      `${code} ${code === 'TP106' ? 'error' : 'warning'} warned: ${where}`,
    ];

    it(`may not be ${what} for a name of the policy`, async () => {
      for (const member of ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies']) {
        await write('package.json', { name: 'app', [member]: wishes });
        assert.deepEqual(await judge({}), found(`package.json ${member}`));
      }
      await write('package.json', { name: 'app', overrides: wishes });
      assert.deepEqual(await judge({}), found('package.json overrides'));
      await write('package.json', { name: 'app', packageExtensions: { 'x@1': { dependencies: wishes } } });
      assert.deepEqual(await judge({}), found('package.json packageExtensions x@1 dependencies'));
      await write('package.json', { name: 'app' });
      await write('packages/tool/package.json', { name: 'tool', dependencies: wishes });
      const tool = { 'node_modules/tool': { resolved: 'packages/tool', link: true } };
      assert.deepEqual(await judge(tool), found('packages/tool/package.json dependencies'));
      const entry = { version: '1.0.0', integrity, dependencies: wishes };
      assert.deepEqual(await judge({ 'node_modules/x': entry }), found('the lockfile, node_modules/x, dependencies'));
    });
  }

  it('may not be anything else by an override in an override, for a range, or of a reference', async () => {
    const evil = 'https://evil.example/x.tgz';
    await write('package.json', {
      name: 'app',
      dependencies: { evil },
      overrides: {
        x: { '@acme/a@^1': evil },
        '@acme/b@2': { '.': evil, other: evil },
        '@acme/c': '$evil',
        '@acme/d': '^1.0.0',
      },
    });
    assert.deepEqual(
      (await judge({}))?.map((line) => line.split(':')[0]),
      ['a', 'b', 'c'].map((name) => `TP105 error @acme/${name}`),
    );
  });

  it('may be a version, a range, a tag, or an alias of itself', async () => {
    const wishes = { '@acme/a': '^1 || 2.x', '@acme/b': 'latest', '@acme/c': 'npm:@acme/c@1', '@acme/d': '' };
    await write('package.json', { name: 'app', dependencies: wishes, overrides: { '@acme/a': '1.0.0' } });
    assert.deepEqual(await judge({}), []);
  });

  it('cannot be told where files of the project are not in order', async () => {
    for (const content of [
      '{',
      '[]',
      '{"dependencies":{},"dependencies":{"a":"1"}}',
      { dependencies: [] },
      { dependencies: { a: 1 } },
    ]) {
      await write('package.json', content);
      await assert.rejects(judge({}), { code: 'ERR_LOCKFILE' }, JSON.stringify(content));
    }
    const target = { 'node_modules/a': { resolved: 'a', link: true } };
    await write('package.json', {});
    assert.deepEqual(await judge(target), [], 'a folder that is not there');
    await write('a/package.json', '{');
    await assert.rejects(judge(target), { code: 'ERR_LOCKFILE' });
    // Read by npm all the same, with another character in its place.
    const text = '{"description":"\xff","dependencies":{"@acme/a":"file:../mallory"}}';
    await writeFile(join(folder, 'a', 'package.json'), Buffer.from(text, 'latin1'));
    await assert.rejects(judge(target), { code: 'ERR_ENCODING' });
    await write('package.json', { workspaces: 'packages' });
    await assert.rejects(judge({ 'node_modules/@acme/b': { resolved: 'b', link: true } }), { code: 'ERR_LOCKFILE' });
  });
});
