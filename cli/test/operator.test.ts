import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));

describe('the trust root of an instance, by commands', () => {
  let directory: string;
  let server: ChildProcess | undefined;
  let urls: Record<string, string> = {};

  function start(words: readonly string[], cache = 'cache'): ChildProcess {
    const env = { PATH: process.env.PATH, HOME: directory, SIGNET_CACHE: join(directory, cache) };
    return spawn(process.execPath, ['--conditions=@signet/source', main, ...words], { cwd: directory, env });
  }

  async function signet(words: readonly string[], expected = 0, cache?: string): Promise<string> {
    const child = start(words, cache);
    assert.ok(child.stdout && child.stderr);
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    assert.equal(code, expected, `${words.join(' ')}\n${stdout}${stderr}`);
    return expected === 0 ? stdout : `${stdout}${stderr}`;
  }

  const json = async (words: readonly string[], expected = 0) =>
    JSON.parse(await signet([...words, '--json'], expected));

  async function serve(...words: string[]): Promise<Record<string, string>> {
    server = start([...words, '--json']);
    assert.ok(server.stdout && server.stderr);
    let stderr = '';
    server.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    const lines = createInterface({ input: server.stdout });
    const [line] = await Promise.race([
      once(lines, 'line'),
      once(server, 'close').then(() => assert.fail(`the server ended: ${stderr}`)),
    ]);
    return JSON.parse(line);
  }

  async function stop(): Promise<void> {
    server?.kill('SIGTERM');
    if (server !== undefined) await once(server, 'exit');
    server = undefined;
  }

  before(async function () {
    this.timeout(60_000);
    directory = await mkdtemp(join(tmpdir(), 'signet-cli-trust-'));
    const names = ['--names', '@example/*', '--dev-identity', '--uplink', 'none', '--port', '0'];
    await signet(['init', '--data', 'i', ...names, '--offline-keys', 'vault', '--holders', '2', '--threshold', '2']);
    urls = await serve('up', '--data', 'i', '--dev-identity');
  });

  after(async () => {
    await stop();
    await rm(directory, { recursive: true });
  });

  it('is pinned by its fingerprint or its file, and never just so', async () => {
    const registry = urls.registry ?? '';
    const shown = await signet(['trust', 'init', registry], 12);
    const [fingerprint = ''] = /\b[0-9a-f]{64}\b/.exec(shown) ?? assert.fail(shown);
    await assert.rejects(readFile(join(directory, 'trust-policy.yaml')));
    await signet(['trust', 'init', registry, '--fingerprint', 'ab'.repeat(32)], 12);
    const made = await json(['trust', 'init', registry, '--fingerprint', fingerprint, '--name', 'acme']);
    assert.deepEqual([made.fingerprint, made.packages], [fingerprint, ['@example/*']]);
    assert.deepEqual(await readFile(made.root), await readFile(urls.tufRoot ?? ''));
    assert.match(await readFile(join(directory, 'trust-policy.yaml'), 'utf8'), /root: \.\/trust\/acme\.root\.json/);
    await signet(['trust', 'add', registry, '--fingerprint', fingerprint, '--name', 'acme'], 2);
    await signet(
      ['trust', 'add', registry, '--root', urls.tufRoot ?? '', '--name', 'b', '--packages', '@b/*', '--policy', 'p'],
      2,
    );
  }).timeout(60_000);

  it('is listed, refreshed, and carried to where there is no network', async () => {
    const { roots } = await json(['trust', 'list']);
    assert.deepEqual(
      roots.map(({ name, kind, source }: Record<string, string>) => [name, kind, source]),
      [
        ['public-good', 'builtin', 'shipped'],
        ['acme', 'tuf', 'cache'],
      ],
    );
    await signet(['trust', 'refresh', 'acme']);
    await signet(['trust', 'refresh', 'nobody'], 2);
    assert.match(await signet(['trust', 'export', 'archive.json']), /acme/);
    assert.match(await signet(['trust', 'import', 'archive.json', '--offline'], 0, 'elsewhere'), /acme: taken/);
    assert.match(await signet(['trust', 'list', '--offline'], 0, 'elsewhere'), /usable until/);
    await writeFile(join(directory, 'none.json'), '{"format":1,"type":"signet-trust-archive","roots":[]}');
    await signet(['trust', 'import', 'none.json'], 12);
    await signet(['trust', 'refresh', '--offline'], 13);
  }).timeout(60_000);

  it('changes under way, signed by holders on copies of a proposal', async () => {
    await signet(['ca', 'rotate', '--data', 'i'], 2);
    const { generation } = await json(['ca', 'rotate', '--data', 'i', '--lead', '0', '--offline-keys', 'vault']);
    assert.equal(generation, 2);
    await signet(['ca', 'rotate', '--data', 'i', '--offline-keys', 'vault'], 2);
    const proposal = join(directory, 'i', 'tuf', 'proposal');
    for (;;) {
      const there = await readFile(join(proposal, 'proposal.json')).catch(() => undefined);
      if (there !== undefined) break;
    }
    assert.match(await signet(['doctor', '--data', 'i']), /rotation: ca 2 is not trusted yet/);
    await signet(['tuf', 'publish', '--data', 'i'], 12);
    await cp(proposal, join(directory, 'copy'), { recursive: true });
    assert.match(
      await signet(['tuf', 'sign', '--data', 'i', '--key', 'vault/tuf-1.key']),
      /changed: trusted_root\.json/,
    );
    await signet(['tuf', 'sign', '--proposal', 'copy', '--key', 'vault/tuf-2.key']);
    await signet(['tuf', 'sign', '--proposal', 'copy', '--key', 'vault/ca-root.key'], 12);
    const published = await json(['tuf', 'publish', '--data', 'i', '--merge', 'copy']);
    assert.equal(published.root, 1);
    await signet(['trust', 'refresh', 'acme']);
  }).timeout(120_000);

  it('is examined together with everything around it', async () => {
    const { healthy, findings } = await json(['doctor', '--data', 'i']);
    assert.equal(healthy, true, JSON.stringify(findings));
    const checks = new Set(findings.map(({ check }: Record<string, string>) => check));
    for (const check of ['keys', 'certificates', 'trust', 'disk', 'network', 'logs'])
      assert.ok(checks.has(check), check);
    await chmod(join(directory, 'i/keys/log.key'), 0o644);
    if (process.platform !== 'win32') assert.match(await signet(['doctor', '--data', 'i'], 1), /chmod 600/);
    await chmod(join(directory, 'i/keys/log.key'), 0o600);
    await signet(['doctor', '--data', 'nowhere'], 2);
  }).timeout(60_000);

  it('comes with an audit of who may get certificates, and why a token does not', async () => {
    const audit = await json(['ca', 'audit', '--data', 'i']);
    assert.equal(audit.issuers.length, 2);
    await writeFile(
      join(directory, 'issuers.yaml'),
      'oidc-issuers: { "https://token.actions.githubusercontent.com": { type: github-workflow } }\n',
    );
    assert.match(await signet(['ca', 'audit', '--issuers', 'issuers.yaml']), /! any workflow of any GitHub repository/);
    assert.match(await signet(['ca', 'config', 'test', '--issuers', 'issuers.yaml']), /valid, with 1 issuers/);
    await writeFile(join(directory, 'wrong.yaml'), 'oidc-issuers: { "x": { typ: email } }\n');
    await signet(['ca', 'config', 'test', '--issuers', 'wrong.yaml'], 2);
    const token = await signet(['dev', 'token', '--data', 'i', '--email', 'alice@example.com']);
    await writeFile(join(directory, 'token.jwt'), token);
    const explained = await signet(['ca', 'token', 'explain', '--data', 'i', '--token', 'token.jwt']);
    assert.match(explained, /accepted\n.*a certificate would be for email alice@example\.com/s);
    assert.ok(!explained.includes(token.trim().split('.')[2] ?? ''));
    await signet(['ca', 'config', 'test', '--issuers', 'issuers.yaml', '--token', 'token.jwt'], 10);
    await signet(['ca', 'token', 'explain', '--data', 'i'], 2);
  }).timeout(60_000);

  it('is served alone, like each authority', async () => {
    await stop();
    for (const [verb, path] of [
      ['tuf', 'timestamp.json'],
      ['tsa', 'api/v1/timestamp/certchain'],
      ['ca', 'api/v2/trustBundle'],
    ] as const) {
      const served = await serve(verb, 'serve', '--data', 'i', ...(verb === 'ca' ? ['--dev-identity'] : []));
      assert.equal((await fetch(`${served[verb]}/${path}`)).status, 200, verb);
      assert.equal((await fetch(urls.log ?? '')).status, 404);
      await stop();
    }
  }).timeout(120_000);

  it('is made by the first start of one service alone, which serves that one', async () => {
    for (const [verb, path, other] of [
      ['tsa', 'api/v1/timestamp/certchain', 'ca/healthz'],
      ['tuf', 'timestamp.json', 'tsa/healthz'],
      ['ca', 'api/v2/trustBundle', 'tsa/healthz'],
    ] as const) {
      const words = [
        '--data',
        `alone-${verb}`,
        '--port',
        '0',
        '--names',
        '@alone/*',
        '--uplink',
        'none',
        '--dev-identity',
      ];
      const served = await serve(verb, 'serve', ...words);
      const url = served[verb] ?? '';
      assert.equal((await fetch(`${url}/${path}`)).status, 200, verb);
      assert.equal((await fetch(`${new URL(url).origin}/-/signet/${other}`)).status, 404, verb);
      await stop();
    }
  }).timeout(120_000);

  it('is refused when the flags of a new one contradict each other', async () => {
    for (const words of [
      ['--holders', '3'],
      ['--offline-keys', 'v', '--holders', '1', '--threshold', '2'],
      ['--offline-keys', 'v', '--holders', 'x'],
      ['--key', 'ca-intermediate'],
      ['--key', 'nobody=wrong.yaml'],
      ['--key', 'tsa=missing.json'],
    ]) {
      await signet(['init', '--data', 'n', '--names', '@n/*', ...words], 2);
      await rm(join(directory, 'n'), { recursive: true, force: true });
    }
  }).timeout(60_000);
});
