import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assertUnchanged, compareInstalledTree, findNpm, readProjectLockfile } from '@signet/client/install';
import { readPackageLock, sha512Integrity } from '@signet/client/npm';
import { utf8 } from '@signet/primitives/formats';

const integrity = sha512Integrity(utf8('a'));
const evil = sha512Integrity(utf8('evil'));
const lock = (packages: Record<string, object>): string => JSON.stringify({ lockfileVersion: 3, packages });

describe('the lockfile of a project', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'signet-project-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const write = (name: string, text: string) => writeFile(join(folder, name), text);

  it('is package-lock.json or npm-shrinkwrap.json', async () => {
    await write('npm-shrinkwrap.json', lock({}));
    assert.match((await readProjectLockfile(folder)).path, /npm-shrinkwrap\.json$/);
    await write('package-lock.json', lock({}));
    assert.match((await readProjectLockfile(folder)).path, /package-lock\.json$/);
  });

  it('is uncertain when both are there and differ, because npm’s versions prefer different ones', async () => {
    await write('package-lock.json', lock({}));
    await write('npm-shrinkwrap.json', lock({ 'node_modules/a': { version: '1.0.0', integrity } }));
    await assert.rejects(readProjectLockfile(folder), { code: 'ERR_LOCKFILE_CONFLICT' });
  });

  it('must be there', async () => {
    await assert.rejects(readProjectLockfile(folder), { code: 'ERR_LOCKFILE', message: /package-lock-only/ });
  });

  it('must not change while it is used', async () => {
    await write('package-lock.json', lock({}));
    const read = await readProjectLockfile(folder);
    await assertUnchanged(read);
    await write('package-lock.json', lock({ 'node_modules/a': { version: '1.0.0', integrity } }));
    await assert.rejects(assertUnchanged(read), { code: 'ERR_LOCKFILE_CONFLICT' });
  });

  const verified = {
    'node_modules/a': { version: '1.0.0', integrity },
    'node_modules/optional': { version: '1.0.0', integrity, optional: true },
    'node_modules/nick': { name: 'a', version: '1.0.0', integrity },
    'node_modules/unhashed': { version: '1.0.0' },
    'node_modules/tool': { resolved: 'packages/tool', link: true },
    'node_modules/clone': { version: '1.0.0', resolved: 'git+ssh://git@host.example/x.git#abc' },
    'node_modules/a/node_modules/inner': { version: '1.0.0', inBundle: true },
  };

  async function compare(installed: Record<string, object>): Promise<number> {
    await mkdir(join(folder, 'node_modules'), { recursive: true });
    await mkdir(join(folder, 'packages', 'tool'), { recursive: true });
    await rm(join(folder, 'node_modules', 'tool'), { force: true });
    await symlink('../packages/tool', join(folder, 'node_modules', 'tool'));
    await write(join('node_modules', '.package-lock.json'), lock(installed));
    return (await compareInstalledTree(folder, readPackageLock(lock(verified)))).length;
  }

  it('is a superset of what npm installed', async () => {
    assert.equal(await compare(verified), 7);
    const { 'node_modules/optional': _left, ...rest } = verified;
    assert.equal(await compare(rest), 6);
    assert.equal(await compare({ ...rest, 'node_modules/unhashed': { version: '1.0.0', integrity } }), 6);
    assert.equal(await compare({ 'node_modules/b/node_modules/a': { version: '1.0.0', integrity } }), 1);
  });

  const strangers: Record<string, object> = {
    'another package': { 'node_modules/b': { version: '1.0.0', integrity } },
    'another version': { 'node_modules/a': { version: '1.0.1', integrity } },
    'other bytes': { 'node_modules/a': { version: '1.0.0', integrity: evil } },
    'bytes without a hash': { 'node_modules/a': { version: '1.0.0' } },
    'another package under the name': { 'node_modules/a': { name: 'b', version: '1.0.0', integrity } },
    'a link elsewhere': { 'node_modules/tool': { resolved: '../evil', link: true } },
    'another commit': { 'node_modules/clone': { version: '1.0.0', resolved: 'git+ssh://git@host.example/x.git#def' } },
    'a bundled package that was fetched after all': {
      'node_modules/a/node_modules/inner': { version: '1.0.0', integrity },
    },
  };
  for (const [what, installed] of Object.entries(strangers)) {
    it(`is no excuse for ${what}`, () =>
      assert.rejects(compare(installed as Record<string, object>), { code: 'ERR_INSTALLED_TREE' }));
  }

  it('is not compared with a record that is missing', async () => {
    await assert.rejects(compareInstalledTree(folder, readPackageLock(lock(verified))), { code: 'ERR_INSTALLED_TREE' });
    assert.deepEqual(await compareInstalledTree(folder, readPackageLock(lock({}))), []);
  });
});

describe('the npm of the machine', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'signet-npm-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('is not one that lies in the project, or among the commands of packages further up', async () => {
    const inside = join(folder, 'app', 'node_modules', '.bin');
    const above = join(folder, 'node_modules', '.bin');
    const outside = join(folder, 'bin');
    for (const place of [inside, above, outside]) {
      await mkdir(place, { recursive: true });
      await writeFile(join(place, 'npm'), '');
    }
    const path = [inside, above, 'relative', outside].join(process.platform === 'win32' ? ';' : ':');
    assert.deepEqual(findNpm({ PATH: path }, join(folder, 'app'), 'linux'), { file: join(outside, 'npm'), args: [] });
    assert.throws(() => findNpm({ PATH: inside }, join(folder, 'app'), 'linux'), { code: 'ERR_NOT_INSTALLED' });
  });

  it('is on Windows the script behind npm.cmd, so that no shell reads the flags', async () => {
    const script = join(folder, 'node_modules', 'npm', 'bin', 'npm-cli.js');
    await mkdir(join(script, '..'), { recursive: true });
    await writeFile(script, '');
    await writeFile(join(folder, 'npm.cmd'), '');
    assert.deepEqual(findNpm({ PATH: folder }, '/app', 'win32'), { file: process.execPath, args: [script] });
  });
});
