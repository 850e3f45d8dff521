import assert from 'node:assert/strict';
import { chmod, chown, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, type InitOptions, initInstance } from '../src/index.ts';
import { TestRegistry } from './support/registry.ts';

const posix = process.platform !== 'win32';

async function modeOf(path: string): Promise<number> {
  return (await stat(path)).mode & 0o777;
}

describe('the files of an instance', () => {
  let directory: string;
  let options: InitOptions;

  before(function () {
    // Windows has no modes, and links need rights there.
    if (!posix) this.skip();
  });

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-private-'));
    options = {
      directory: join(directory, 'i'),
      port: await freePort('127.0.0.1'),
      names: ['@example/*'],
      uplink: 'none',
    };
  });

  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('are closed to other users, also in a folder that was open before', async () => {
    await mkdir(options.directory);
    await chmod(options.directory, 0o777);
    const { layout } = await initInstance(options);
    for (const folder of [layout.directory, layout.keys.directory, layout.state.directory]) {
      assert.equal(await modeOf(folder), 0o700, folder);
    }
    for (const key of await readdir(layout.keys.directory)) {
      assert.equal(await modeOf(join(layout.keys.directory, key)), 0o600, key);
    }
  });

  it('are closed again at the next start, which says what was open', async () => {
    const notes: string[] = [];
    const registry = await TestRegistry.start({ onNote: (note) => notes.push(note) });
    try {
      const { layout } = registry.running.instance;
      assert.equal((await registry.put(await registry.parcel('@example/first'))).status, 201);
      const folders = [layout.directory, layout.state.directory, layout.registry.directory, layout.registry.storage];
      const files = [layout.registry.users, layout.registry.auditLog];
      for (const path of folders) assert.equal(await modeOf(path), 0o700, path);
      for (const path of files) assert.equal(await modeOf(path), 0o600, path);
      assert.equal(notes.length, 0, notes.join());
      for (const path of folders) await chmod(path, 0o755);
      for (const path of files) await chmod(path, 0o644);
      await registry.restart();
      for (const path of folders) assert.equal(await modeOf(path), 0o700, path);
      for (const path of files) assert.equal(await modeOf(path), 0o600, path);
      for (const path of [...folders, ...files]) {
        assert.ok(
          notes.some((note) => note.startsWith(`${path} was open to other users`)),
          path,
        );
      }
      // A new account leaves the mode of the file alone.
      await registry.npmToken('somebody');
      assert.equal(await modeOf(layout.registry.users), 0o600);
    } finally {
      await registry.remove();
    }
  });

  /** A creation that was cut off, as somebody could make it look who wants it to be finished with keys of their own. */
  async function unfinished() {
    await mkdir(join(options.directory, 'state'), { recursive: true });
    const format = { format: 1, type: 'signet-instance', state: 'initializing' };
    await writeFile(join(options.directory, 'state', 'format.json'), JSON.stringify(format));
    await mkdir(join(options.directory, 'keys'));
  }

  const refused = { code: 'ERR_INSTANCE', message: /somebody else may have put it there/ };

  it('are not made where links lead elsewhere', async () => {
    const elsewhere = join(directory, 'elsewhere');
    await mkdir(elsewhere);
    await writeFile(join(elsewhere, 'log.key'), 'planted');
    for (const link of ['state', '.hidden', 'keys/log.key', 'keys', 'state/running.json', 'log']) {
      await rm(options.directory, { recursive: true, force: true });
      await unfinished();
      await rm(join(options.directory, link), { recursive: true, force: true });
      await symlink(link.endsWith('.key') ? join(elsewhere, 'log.key') : elsewhere, join(options.directory, link));
      // A state folder that is a link holds no instance that was begun.
      if (link === 'state') await rm(join(options.directory, 'keys'), { recursive: true });
      await assert.rejects(initInstance(options), refused, link);
    }
    assert.deepEqual(await readdir(elsewhere), ['log.key']);
  });

  it('are not made of what another user put there', async function () {
    // Only root can give files away.
    if (process.getuid?.() !== 0) this.skip();
    await unfinished();
    const key = join(options.directory, 'keys', 'log.key');
    await writeFile(key, 'planted');
    await chown(key, 54321, 54321);
    await assert.rejects(initInstance(options), refused);
  });

  it('are refused where there is something that no instance has', async () => {
    await mkdir(join(options.directory, 'keys'), { recursive: true });
    await writeFile(join(options.directory, 'keys', 'log.key'), 'planted');
    await assert.rejects(initInstance(options), {
      code: 'ERR_INSTANCE',
      message: /neither empty nor a Signet instance/,
    });
  });

  it('are finished where a creation of one’s own was cut off', async () => {
    await unfinished();
    await initInstance(options);
  });
});
