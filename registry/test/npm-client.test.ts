import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { bundlesOf, TestRegistry } from './support/registry.ts';

const execute = promisify(execFile);

interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

describe('the npm of this machine', () => {
  let registry: TestRegistry;
  let home: string;

  before(async () => {
    registry = await TestRegistry.start();
    home = await mkdtemp(join(tmpdir(), 'signet-npm-'));
    const { host } = new URL(registry.url);
    const lines = [`registry=${registry.url}`, `//${host}/:_authToken=${await registry.npmToken('alice')}`, ''];
    await writeFile(join(home, '.npmrc'), lines.join('\n'));
  });

  after(async () => {
    await registry.remove();
    await rm(home, { recursive: true });
  });

  async function npm(...args: string[]): Promise<Finished> {
    const kept = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name));
    const env = {
      ...Object.fromEntries(kept),
      HOME: home,
      npm_config_userconfig: join(home, '.npmrc'),
      npm_config_cache: join(home, 'cache'),
      npm_config_update_notifier: 'false',
      npm_config_audit: 'false',
      npm_config_fund: 'false',
    };
    const shell = process.platform === 'win32';
    try {
      return { code: 0, ...(await execute('npm', args, { cwd: join(home, 'work'), env, shell })) };
    } catch (error) {
      const { code, stdout, stderr } = error as Finished;
      assert.equal(typeof code, 'number', String(error));
      return { code, stdout, stderr };
    }
  }

  /** An empty folder to work in, with a package.json. */
  async function work(manifest: object) {
    await rm(join(home, 'work'), { recursive: true, force: true });
    await mkdir(join(home, 'work'));
    await writeFile(join(home, 'work', 'package.json'), JSON.stringify(manifest));
  }

  it('prints in full why an unsigned publish is refused', async () => {
    await work({ name: '@example/plain', version: '1.0.0' });
    const { code, stderr } = await npm('publish');
    assert.notEqual(code, 0);
    assert.match(stderr, /403 Forbidden/);
    assert.match(stderr, /@example\/plain@1\.0\.0 comes without signed evidence, which this registry demands/);
    assert.match(stderr, /publish it with signet publish/);
  });

  it('prints why a name that is not owned is refused', async () => {
    await work({ name: 'plain-name', version: '1.0.0' });
    const { code, stderr } = await npm('publish');
    assert.notEqual(code, 0);
    assert.match(stderr, /403.*this registry owns only @example\/\*, you tried plain-name/);
  });

  it('installs, tags, deprecates and unpublishes signed packages as ever', async () => {
    for (const version of ['1.0.0', '1.1.0']) {
      const { status, text } = await registry.put(await registry.parcel('@example/tool', version));
      assert.equal(status, 201, text);
    }
    await work({ name: 'consumer', version: '1.0.0', dependencies: { '@example/tool': '1.0.0' } });
    const installed = await npm('install');
    assert.equal(installed.code, 0, installed.stderr);
    const manifest = join(home, 'work', 'node_modules', '@example', 'tool', 'package.json');
    assert.equal(JSON.parse(await readFile(manifest, 'utf8')).version, '1.0.0');

    const tagged = await npm('dist-tag', 'add', '@example/tool@1.0.0', 'stable');
    assert.equal(tagged.code, 0, tagged.stderr);
    const deprecated = await npm('deprecate', '@example/tool@1.0.0', 'use 1.1.0');
    assert.equal(deprecated.code, 0, deprecated.stderr);
    // npm 12 gives a list, earlier ones the one version by itself.
    const answer = JSON.parse((await npm('view', '@example/tool@1.0.0', '--json', '--prefer-online')).stdout);
    const [viewed] = [answer].flat();
    assert.equal(viewed.deprecated, 'use 1.1.0');
    assert.equal(viewed['dist-tags'].stable, '1.0.0');

    const unpublished = await npm('unpublish', '@example/tool@1.1.0');
    assert.equal(unpublished.code, 0, unpublished.stderr);
    assert.equal(await bundlesOf(registry, '@example/tool@1.1.0'), 0);
    assert.equal(await bundlesOf(registry, '@example/tool@1.0.0'), 1);
    const gone = await npm('unpublish', '@example/tool', '--force');
    assert.equal(gone.code, 0, gone.stderr);
    assert.equal((await registry.fetch('/@example/tool')).status, 404);
  }).timeout(60_000);
});
