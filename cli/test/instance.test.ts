import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));

interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

describe('signet init, up and dev', function () {
  // Each test starts several processes, one after another.
  this.timeout(240_000);
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-cli-instance-'));
  });

  afterEach(() => rm(directory, { recursive: true }));

  function start(...words: string[]): ChildProcess {
    return spawn(process.execPath, ['--conditions=@signet/source', main, ...words], { cwd: directory });
  }

  async function signet(...words: string[]): Promise<Finished> {
    const child = start(...words);
    const streams = [child.stdout, child.stderr].map(async (stream) => {
      let text = '';
      for await (const chunk of stream ?? []) text += chunk;
      return text;
    });
    const [code] = await once(child, 'close');
    const [stdout = '', stderr = ''] = await Promise.all(streams);
    return { code, stdout, stderr };
  }

  /** Starts a server, waits for its line, and stops it when `use` is done. */
  async function up(words: readonly string[], use: (urls: Record<string, string>) => Promise<void>): Promise<string> {
    const child = start('up', '--json', ...words);
    assert.ok(child.stdout && child.stderr);
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    const lines = createInterface({ input: child.stdout });
    const [line] = await Promise.race([
      once(lines, 'line'),
      once(child, 'close').then(() => assert.fail(`up ended: ${stderr}`)),
    ]);
    try {
      await use(JSON.parse(line));
    } finally {
      child.kill('SIGTERM');
    }
    const [code, signal] = await once(child, 'exit');
    assert.deepEqual([code, signal], [0, null], stderr);
    return stderr;
  }

  it('makes an instance on the first up, keeps it on the second, and stops cleanly on SIGTERM', async () => {
    const words = ['--data', 'i', '--port', '0', '--names', '@example/*', '--dev-identity', '--uplink', 'none'];
    let first: Record<string, string> = {};
    const stderr = await up([...words, '--request-log'], async (urls) => {
      first = urls;
      for (const key of ['registry', 'ca', 'ct', 'log', 'tsa', 'oidc', 'trustedRoot', 'data'])
        assert.ok(urls[key], key);
      assert.equal(urls.format, 1);
      assert.equal((await fetch(`${urls.registry}-/ping`)).status, 200);
      JSON.parse(await readFile(urls.trustedRoot ?? '', 'utf8'));

      const token = await signet('dev', 'token', '--data', 'i', '--email', 'alice@example.com');
      assert.equal(token.code, 0, token.stderr);
      assert.match(token.stdout, /^eyJ[\w-]+\.[\w-]+\.[\w-]+\n$/);
      await writeFile(join(directory, 'claims.json'), '{"repository":"acme/tools"}');
      const job = await signet('dev', 'token', '--data', 'i', '--ci', 'github', '--claims', 'claims.json', '--json');
      const [, claims = ''] = JSON.parse(job.stdout).token.split('.');
      assert.equal(JSON.parse(Buffer.from(claims, 'base64url').toString()).repository, 'acme/tools');
      for (const _ of [1, 2]) {
        const npm = await signet('dev', 'npm-token', '--data', 'i', '--user', 'alice');
        assert.equal(npm.code, 0, npm.stderr);
        const whoami = await fetch(`${urls.registry}-/whoami`, {
          headers: { authorization: `Bearer ${npm.stdout.trim()}` },
        });
        assert.deepEqual(await whoami.json(), { username: 'alice' });
      }
    });
    const lines = stderr
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    for (const line of lines) assert.equal(line.format, 1);
    assert.ok(lines.some(({ kind, path, status }) => kind === 'request' && path === '/-/ping' && status === 200));
    assert.equal(lines.at(-1).kind, 'stopped');
    await up(['--data', 'i', '--dev-identity'], async (urls) => assert.deepEqual(urls, first));
  });

  it('makes an instance with init and says what it is', async () => {
    const words = [
      'init',
      '--data',
      'i',
      '--port',
      '0',
      '--names',
      '@acme/*',
      '--public-url',
      'https://npm.acme.example',
    ];
    const made = await signet(...words, '--json');
    assert.equal(made.code, 0, made.stderr);
    const document = JSON.parse(made.stdout);
    assert.equal(document.created, true);
    assert.equal(document.publicUrl, 'https://npm.acme.example');
    assert.deepEqual(document.names, ['@acme/*']);
    const again = await signet(...words);
    assert.equal(again.code, 0, again.stderr);
    assert.match(again.stdout, /was there already/);
    const other = await signet('init', '--data', 'i', '--public-url', 'https://elsewhere.example');
    assert.notEqual(other.code, 0);
    assert.match(other.stderr, /ERR_INSTANCE_URL/);
    const names = await signet('init', '--data', 'i', '--names', '@other/*');
    assert.equal(names.code, 2);
    assert.match(names.stderr, /edit names there.*\n {2}expected: @acme\/\*\n {2}found: {4}@other\/\*\n/);
    const publisher = await signet('init', '--data', 'i', '--publisher', 'https://login.acme.example bob');
    assert.equal(publisher.code, 0, publisher.stderr);
    assert.match(publisher.stderr, /--publisher did nothing: edit .*trust-policy\.yaml/);
  });

  it('says what an instance for trying out lacks', async () => {
    const made = await signet('init', '--data', 'i', '--port', '0');
    assert.equal(made.code, 0, made.stderr);
    assert.match(made.stdout, /owns: @example\/\* \(an example: no --names were given\)/);
    assert.match(made.stderr, /issuers\.yaml \(nobody’s yet: edit it first\)/);
    const started = await signet('up', '--data', 'i');
    assert.equal(started.code, 2);
    assert.match(started.stderr, /issuers\.yaml names no issuer/);
    const nobody = await signet('init', '--data', 'other', '--publisher', 'alice@acme.example');
    assert.equal(nobody.code, 2);
    assert.match(nobody.stderr, /--dev-identity[\s\S]*expected: --publisher 'https:.* alice@acme\.example'/);
  });

  it('says on a first start without an identity provider that the instance is made, and what it lacks', async () => {
    const first = await signet('up', '--data', 'i', '--port', '0');
    assert.equal(first.code, 2);
    assert.match(first.stderr, /made .*issuers\.yaml\. To try Signet out, .*--dev-identity in another --data/);
    assert.match(first.stderr, /ERR_ISSUER_CONFIG/);
  });

  it('refuses a second start of an instance that is up, by its directory', async () => {
    const words = ['--data', 'i', '--port', '0', '--dev-identity', '--uplink', 'none'];
    await up(words, async () => {
      const second = await signet('up', '--data', 'i', '--dev-identity');
      assert.equal(second.code, 2);
      assert.match(second.stderr, /is up already.*\[ERR_INSTANCE_BUSY\]/);
    });
  });

  it('refuses with the exit code of a wrong usage', async () => {
    for (const words of [
      ['init', '--port', 'x'],
      ['init', '--uplink', 'ftp://x'],
      ['init', '--publisher', 'a b c'],
      ['up', 'here'],
      ['dev', 'token', '--data', 'i'],
      ['dev', 'token', '--data', 'i', '--email', 'x', '--ci', 'github'],
      ['dev', 'token', '--data', 'i', '--ci', 'gitlab'],
      ['dev', 'npm-token'],
      ['dev'],
    ]) {
      const { code, stderr } = await signet(...words);
      assert.equal(code, 2, `${words.join(' ')}: ${stderr}`);
    }
  });

  it('makes up no identity where there is no development instance', async () => {
    await signet(
      'init',
      '--data',
      'i',
      '--port',
      '0',
      '--names',
      '@acme/*',
      '--public-url',
      'https://npm.acme.example',
    );
    for (const words of [
      ['dev', 'token', '--data', 'i', '--email', 'alice@example.com'],
      ['dev', 'npm-token', '--data', 'i', '--user', 'alice'],
      ['up', '--data', 'i', '--dev-identity'],
    ]) {
      const { code, stdout, stderr } = await signet(...words);
      assert.notEqual(code, 0);
      assert.equal(stdout, '');
      assert.match(stderr, /ERR_DEVELOPMENT_ONLY/, words.join(' '));
    }
  });
});
