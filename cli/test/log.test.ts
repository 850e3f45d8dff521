import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { toPem, utf8 } from '@signet/primitives/formats';
import { generateSigner } from '@signet/primitives/keys';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));

interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

describe('signet log', () => {
  let directory: string;
  let server: ChildProcess;
  let ready: { log: string; trustedRoot: string; signingConfig: string; data: string; readers: string };
  const signer = generateSigner();

  const preloaded: string[] = [];

  function start(...words: string[]): ChildProcess {
    return spawn(process.execPath, ['--conditions=@signet/source', ...preloaded, main, 'log', ...words], {
      cwd: directory,
      env: {
        ...process.env,
        SIGNET_CACHE: join(directory, 'cache'),
        SIGNET_TEST_DISK_FAILS: join(directory, 'broken'),
      },
    });
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

  /** What a verb prints with --json; it must succeed. */
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it knows to be there
  async function json(...words: string[]): Promise<any> {
    const { code, stdout, stderr } = await signet(...words, '--json');
    assert.equal(code, 0, `${words.join(' ')}: ${stderr}`);
    const [line = ''] = stdout.split('\n');
    const document = JSON.parse(line);
    assert.equal(document.format, 1);
    return document;
  }

  async function serve(...words: string[]): Promise<ChildProcess> {
    const child = start('serve', '--json', ...words);
    assert.ok(child.stdout && child.stderr);
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    const [line] = await Promise.race([
      once(createInterface({ input: child.stdout }), 'line'),
      once(child, 'close').then(() => assert.fail(`serve ended: ${stderr}`)),
    ]);
    ready = JSON.parse(line);
    return child;
  }

  async function stop(child: ChildProcess): Promise<void> {
    if (child.exitCode === null) child.kill('SIGTERM');
    if (child.exitCode === null) await once(child, 'exit');
    assert.equal(child.exitCode, 0);
  }

  async function submit(artifact: string, base = ready.log, headers: Record<string, string> = {}): Promise<Response> {
    const digest = createHash('sha256').update(artifact).digest('base64');
    const content = Buffer.from(await signer.sign(utf8(artifact))).toString('base64');
    const rawBytes = Buffer.from(signer.publicKey.spki).toString('base64');
    const verifier = { keyDetails: signer.keyDetails, publicKey: { rawBytes } };
    const request = { hashedRekordRequestV002: { digest, signature: { content, verifier } } };
    return fetch(`${base}/api/v2/log/entries`, { method: 'POST', headers, body: JSON.stringify(request) });
  }

  const trust = (): string[] => ['--trusted-root', ready.trustedRoot];

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-cli-log-'));
    await writeFile(join(directory, 'a.txt'), 'a');
    await writeFile(join(directory, 'other.txt'), 'nobody signed this');
    await writeFile(join(directory, 'key.pem'), toPem('PUBLIC KEY', signer.publicKey.spki));
    server = await serve('--data', 'd', '--port', '0');
    for (const artifact of ['a', 'b', 'c']) assert.equal((await submit(artifact)).status, 201);
    const named = await submit('d', ready.log, { 'signet-package-url': 'pkg:npm/d@1.0.0' });
    assert.equal(named.status, 201);
  });

  after(async () => {
    await stop(server);
    await rm(directory, { recursive: true, force: true });
  });

  async function submitV1(artifact: string): Promise<{ logIndex: number; logID: string }> {
    const value = createHash('sha256').update(artifact).digest('hex');
    const content = Buffer.from(await signer.sign(utf8(artifact))).toString('base64');
    const publicKey = { content: Buffer.from(toPem('PUBLIC KEY', signer.publicKey.spki)).toString('base64') };
    const spec = { data: { hash: { algorithm: 'sha256', value } }, signature: { content, publicKey } };
    const body = JSON.stringify({ apiVersion: '0.0.1', kind: 'hashedrekord', spec });
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${ready.log}/log-v1/api/v1/log/entries`, { method: 'POST', headers, body });
    assert.equal(answer.status, 201);
    const [entry] = Object.values((await answer.json()) as Record<string, { logIndex: number; logID: string }>);
    assert.ok(entry !== undefined);
    return entry;
  }

  it('serve makes a public log with keys that only its owner reads, and says what clients need', async () => {
    assert.equal(ready.readers, 'public');
    assert.match(ready.log, /^http:\/\/127\.0\.0\.1:\d+$/);
    const root = JSON.parse(await readFile(ready.trustedRoot, 'utf8'));
    assert.equal(root.tlogs[0].baseUrl, ready.log);
    const config = JSON.parse(await readFile(ready.signingConfig, 'utf8'));
    assert.equal(config.rekorTlogUrls[0].url, ready.log);
    assert.deepEqual(await (await fetch(`${ready.log}/trusted_root.json`)).json(), root);
    if (process.platform !== 'win32') {
      for (const file of ['keys/log.key', 'running.json']) {
        assert.equal((await stat(join(ready.data, file))).mode & 0o077, 0, file);
      }
    }
    assert.equal((await fetch(`${ready.log}/control/rotate`, { method: 'POST' })).status, 401);
    const stranger = await fetch(`${ready.log}/control/rotate`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"overlapSeconds":0}',
    });
    assert.equal(stranger.status, 401);
  });

  it('serve names the port that another program has, and what to do', async () => {
    const port = new URL(ready.log).port;
    const { code, stderr } = await signet('serve', '--data', 'other', '--port', port);
    assert.equal(code, 2);
    assert.match(stderr, /ERR_LISTEN/);
    assert.match(stderr, new RegExp(`Port ${port} of 127.0.0.1 is taken by another program; stop that program, or`));
    assert.match(stderr, /choose another with --port/);
    assert.doesNotMatch(stderr, /\n {4}at /);
  });

  it('serve ends when the disk fails a sync, and what it had acknowledged is there afterwards', async () => {
    const first = ready;
    preloaded.push(`--import=${new URL('failing-sync.mjs', import.meta.url).href}`);
    let failing: ChildProcess;
    try {
      failing = await serve('--data', 'failing', '--port', '0');
    } finally {
      preloaded.pop();
    }
    const { log } = ready;
    assert.equal((await submit('kept')).status, 201);
    let stderr = '';
    failing.stderr?.on('data', (chunk) => {
      stderr += chunk;
    });
    await writeFile(join(directory, 'broken'), '');
    const ended = once(failing, 'close');
    // An answer that says no, or none: the process may be gone before it is written.
    const status = await submit('lost', log).then(
      (answer) => answer.status,
      () => 'no answer',
    );
    assert.ok(status !== 201, `${status}`);
    const [code, signal] = await ended;
    assert.ok(code !== 0 && signal === null, `ended with ${code} ${signal}`);
    assert.match(stderr, /ERR_LOG_STORAGE/);
    await rm(join(directory, 'broken'));
    const again = await serve('--data', 'failing');
    const { entries } = await json('search', '--key', 'key.pem', '--log', ready.log, ...trust());
    assert.ok(entries.length >= 1);
    await stop(again);
    ready = first;
  });

  it('info shows the verified checkpoint', async () => {
    const { shards, readers } = await json('info', ...trust());
    assert.equal(readers, 'public');
    assert.equal(shards.length, 1);
    assert.equal(shards[0].treeSize, '4');
    const { stdout } = await signet('info', ...trust());
    assert.match(stdout, /entries +4\n/);
  });

  it('get and verify prove entries, by index and by artifact', async () => {
    const { index, entry, digests } = await json('get', '0', ...trust());
    assert.equal(index, '0');
    assert.equal(entry.logIndex, '0');
    assert.deepEqual(digests, [`sha256:${createHash('sha256').update('a').digest('hex')}`]);
    const verified = await json('verify', '--artifact', 'a.txt', ...trust());
    assert.deepEqual(
      verified.entries.map((one: { index: string }) => one.index),
      ['0'],
    );
    assert.equal((await json('verify', '3', ...trust())).entries[0].index, '3');
    const missing = await signet('verify', '--artifact', 'other.txt', ...trust());
    assert.equal(missing.code, 11);
    assert.match(missing.stderr, /ERR_LOG_MISSING/);
    const beyond = await signet('get', '99', ...trust());
    assert.equal(beyond.code, 2);
    assert.match(beyond.stderr, /ERR_LOG_RANGE/);
  });

  it('search finds by key, digest and package', async () => {
    const indices = async (...words: string[]): Promise<string[]> =>
      (await json('search', ...words, ...trust())).entries.map((one: { index: string }) => one.index);
    assert.deepEqual(await indices('--key', 'key.pem'), ['0', '1', '2', '3']);
    assert.deepEqual(await indices('--key', 'key.pem', '--limit', '2'), ['0', '1']);
    assert.deepEqual(await indices('--purl', 'pkg:npm/d@1.0.0'), ['3']);
    const hash = createHash('sha256').update('b').digest('hex');
    assert.deepEqual(await indices('--hash', hash), ['1']);
    assert.deepEqual(await indices('--all', '--hash', hash, '--purl', 'pkg:npm/d@1.0.0'), []);
    assert.deepEqual(await indices('--email', 'nobody@example.com'), []);
  });

  it('tail shows the last entries, and those that come', async () => {
    const { stdout } = await signet('tail', '--entries', '2', ...trust());
    assert.deepEqual(
      [...stdout.matchAll(/^ +(\d+) /gm)].map((match) => match[1]),
      ['2', '3'],
    );
    const child = start('tail', '--entries', '0', '--follow', '--json', ...trust());
    assert.ok(child.stdout);
    const lines = createInterface({ input: child.stdout });
    const line = once(lines, 'line');
    const waiting = setInterval(() => void submit(`late ${randomBytes(4).toString('hex')}`), 1500);
    const [text] = await line;
    clearInterval(waiting);
    assert.ok(Number(JSON.parse(text).index) >= 4);
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');
    assert.equal(code, 0);
  });

  it('consistency remembers what it saw, and names a log that contradicts it', async () => {
    const first = await json('consistency', ...trust());
    assert.equal(first.shards[0].from, null);
    await submit('more');
    const second = await json('consistency', ...trust());
    assert.equal(second.shards[0].from, first.shards[0].to);
    assert.equal(BigInt(second.shards[0].to), BigInt(first.shards[0].to) + 1n);

    // The same key over another history: a copy of the directory that went another way.
    const fork = join(directory, 'fork');
    await stop(server);
    await cp(ready.data, fork, { recursive: true });
    server = await serve('--data', 'd');
    await submit('on the one branch');
    await json('consistency', ...trust());
    await stop(server);
    server = await serve('--data', 'fork');
    await submit('on the other branch');
    const forked = await signet('consistency', ...trust());
    assert.equal(forked.code, 20, forked.stderr);
    assert.match(forked.stderr, /ERR_CONSISTENCY_PROOF/);
    const kept = await readdir(join(directory, 'cache', 'checkpoints'));
    assert.ok(kept.some((name) => name.endsWith('.contradiction')));
    await stop(server);
    server = await serve('--data', 'd');
    await json('consistency', ...trust());
  });

  it('rotate opens a shard in a running log; the old one is frozen and stays readable', async () => {
    const before = (await json('info', ...trust())).shards[0].treeSize;
    const { number, url } = await json('rotate', '--data', 'd', '--overlap', '0');
    assert.equal(number, 2);
    assert.equal(url, `${ready.log}/2`);
    assert.equal((await submit('too late')).status, 405);
    assert.equal((await submit('in the new shard', url)).status, 201);
    const config = JSON.parse(await readFile(ready.signingConfig, 'utf8'));
    assert.deepEqual(
      config.rekorTlogUrls.map((service: { url: string }) => service.url),
      [url, `${ready.log}/log-v1`],
    );
    const { shards } = await json('info', ...trust());
    assert.deepEqual(
      shards.map(({ treeSize, frozenAt }: Record<string, unknown>) => [treeSize, frozenAt === null]),
      [
        [before, false],
        ['1', true],
      ],
    );
    assert.equal((await json('get', '0', '--shard', '1', ...trust())).index, '0');
    assert.match((await json('get', '0', ...trust())).origin, /\/2$/);
    assert.equal((await json('search', '--key', 'key.pem', ...trust())).entries.length, Number(before) + 1);
    assert.equal((await json('consistency', ...trust())).shards.length, 2);
  });

  it('rotate --v1 continues the v1 log at the same address, with indices that go on', async () => {
    const first = await submitV1('v1');
    const { url, number } = await json('rotate', '--data', 'd', '--v1');
    assert.deepEqual([url, number], [`${ready.log}/log-v1`, 2]);
    const second = await submitV1('v1 again');
    assert.deepEqual([first.logIndex, second.logIndex], [0, 1]);
    assert.notEqual(first.logID, second.logID);
    const { tlogs } = JSON.parse(await readFile(ready.trustedRoot, 'utf8'));
    const ids = tlogs
      .filter(({ baseUrl }: { baseUrl: string }) => baseUrl.endsWith('/log-v1'))
      .map(({ logId }: { logId: { keyId: string } }) => Buffer.from(logId.keyId, 'base64').toString('hex'));
    assert.deepEqual(ids, [first.logID, second.logID]);
  });

  it('reads and checks a v1 log through all its shards', async () => {
    const v1 = ['--log', `${ready.log}/log-v1`, ...trust()];
    const { shards, readers } = await json('info', ...v1);
    assert.equal(readers, 'public');
    assert.deepEqual(
      shards.map(({ treeSize, frozenAt }: Record<string, unknown>) => [treeSize, frozenAt === null]),
      [
        ['1', false],
        ['1', true],
      ],
    );
    for (const [index, artifact] of ['v1', 'v1 again'].entries()) {
      const found = await json('get', String(index), ...v1);
      const digest = createHash('sha256').update(artifact).digest('hex');
      assert.deepEqual([found.index, found.digests], [String(index), [`sha256:${digest}`]]);
      assert.equal(found.origin, shards[index].origin);
      assert.equal(found.entry.logIndex, String(index));
      assert.equal((await json('verify', String(index), ...v1)).entries[0].index, String(index));
      await writeFile(join(directory, `artifact-${index}`), artifact);
      const verified = await json('verify', '--artifact', `artifact-${index}`, ...v1);
      assert.deepEqual([verified.entries.length, verified.entries[0].index], [1, String(index)]);
    }
    const byKey = await json('search', '--key', 'key.pem', ...v1);
    assert.deepEqual(
      byKey.entries.map(({ index }: { index: string }) => index),
      ['0', '1'],
    );
    assert.equal((await json('search', '--key', 'key.pem', '--limit', '1', ...v1)).more, true);
    const { stdout } = await signet('tail', ...v1);
    assert.deepEqual(
      [...stdout.matchAll(/^ +(\d+) /gm)].map((match) => match[1]),
      ['0', '1'],
    );
    assert.equal((await signet('get', '0', '--shard', '1', ...v1)).code, 2);
    assert.equal((await signet('get', '99', ...v1)).code, 2);
    assert.equal((await signet('verify', '--artifact', 'key.pem', ...v1)).code, 11);

    const first = await json('consistency', '--state', 'seen-v1', ...v1);
    assert.deepEqual(
      first.shards.map(({ from }: { from: unknown }) => from),
      [null, null],
    );
    await submitV1('one more');
    const second = await json('consistency', '--state', 'seen-v1', ...v1);
    assert.deepEqual(
      second.shards.map(({ from, to }: Record<string, string>) => [from, to]),
      [
        ['1', '1'],
        ['1', '2'],
      ],
    );
  });

  it('believes no v1 log that lies', async () => {
    const answers = new Map<string, string>();
    const url = `${ready.log}/log-v1`;
    const root = JSON.parse(await readFile(ready.trustedRoot, 'utf8'));
    const liar = createServer((request, response) => {
      void (async () => {
        const path = `${request.url}`;
        const honest = await (await fetch(`${url}${path}`)).text();
        response.end((answers.get(path) ?? '').length > 0 ? answers.get(path) : honest);
      })();
    }).listen(0, '127.0.0.1');
    await once(liar, 'listening');
    const address = `http://127.0.0.1:${(liar.address() as AddressInfo).port}`;
    const host = new URL(ready.log).host;
    try {
      for (const log of root.tlogs) if (log.baseUrl === url) log.baseUrl = address;
      await writeFile(join(directory, 'v1-liar.json'), JSON.stringify(root));
      const v1 = ['--log', address, '--trusted-root', 'v1-liar.json'];
      // The name of the host is signed: the same log at another address is another log.
      const moved = await signet('info', ...v1);
      assert.equal(moved.code, 11, moved.stderr);
      assert.match(moved.stderr, /ERR_CHECKPOINT_MISMATCH/);
      assert.ok(moved.stderr.includes(host));
      const path = '/api/v1/log/entries?logIndex=0';
      const honest = await (await fetch(`${url}${path}`)).text();
      for (const [what, lie] of [
        ['another body', honest.replace(/"body":"[^"]{20}/, (text) => `${text.slice(0, -4)}AAAA`)],
        ['another index', honest.replace(/"logIndex":0,"verification/, '"logIndex":5,"verification')],
        ['another time', honest.replace(/"integratedTime":\d/, '"integratedTime":9')],
        ['nothing', '{}'],
        ['a list', '[]'],
        ['two entries', `${honest.slice(0, -1)},"00":{}}`],
      ] as const) {
        assert.notEqual(lie, honest, what);
        answers.set(path, lie);
        const { code, stderr } = await signet('get', '0', ...v1);
        assert.ok(code === 11 || code === 13, `${what}: ${stderr}`);
      }
    } finally {
      liar.close();
      liar.closeAllConnections();
    }
  });

  it('export writes every shard as files, beside the running server and without it', async () => {
    const online = await json('export', '--data', 'd', '--static', 'public');
    assert.equal(online.shards.length, 2);
    for (const shard of ['', '2/']) {
      const file = await readFile(join(directory, 'public', shard, 'checkpoint'), 'utf8');
      assert.equal(file, await (await fetch(`${ready.log}/${shard}checkpoint`)).text());
    }
    await stop(server);
    await json('export', '--data', 'd', '--static', 'offline');
    for (const file of ['checkpoint', '2/checkpoint', '2/tile/0/000.p/1', '2/tile/entries/000.p/1']) {
      const [a, b] = await Promise.all(['public', 'offline'].map((folder) => readFile(join(directory, folder, file))));
      assert.ok(a && b && a.equals(b), file);
    }
    server = await serve('--data', 'd');
  });

  it('fsck and reindex work while nothing serves the log, and say so otherwise', async () => {
    for (const verb of ['fsck', 'reindex']) {
      const busy = await signet(verb, '--data', 'd');
      assert.equal(busy.code, 2);
      assert.match(busy.stderr, /ERR_LOG_LOCKED/);
    }
    await stop(server);
    assert.deepEqual(
      (await json('fsck', '--data', 'd')).shards.map(({ number, sound }: Record<string, unknown>) => [number, sound]),
      [
        [1, true],
        [2, true],
      ],
    );
    assert.equal((await json('reindex', '--data', 'd')).shards.length, 2);
    const entries = join(directory, 'fork', 'log', 'entries.dat');
    const bytes = await readFile(entries);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    await writeFile(entries, bytes);
    const damaged = await signet('fsck', '--data', 'fork', '--json');
    assert.equal(damaged.code, 20);
    assert.equal(JSON.parse(damaged.stdout).sound, false);
    const rotated = await json('rotate', '--data', 'd', '--overlap', '1d');
    assert.equal(rotated.number, 3);
    server = await serve('--data', 'd');
    const config = JSON.parse(await readFile(ready.signingConfig, 'utf8'));
    assert.deepEqual(
      config.rekorTlogUrls.map((service: { url: string }) => service.url),
      [`${ready.log}/3`, `${ready.log}/2`, `${ready.log}/log-v1`],
    );
  });

  it('rotate begins a rotation of an instance, which the instance carries through', async () => {
    const signetIn = async (expected: number, ...words: string[]): Promise<string> => {
      const child = spawn(process.execPath, ['--conditions=@signet/source', main, ...words], { cwd: directory });
      let text = '';
      for await (const chunk of child.stdout) text += chunk;
      assert.equal(await new Promise((resolve) => child.once('close', resolve)), expected, words.join(' '));
      return text;
    };
    await signetIn(0, 'init', '--data', 'instance', '--names', '@example/*', '--port', '4873');
    const v2 = await json('rotate', '--data', 'instance', '--overlap', '2h');
    assert.deepEqual([v2.service, v2.number, v2.leadSeconds, v2.overlapSeconds], ['log', 2, 8 * 86_400, 7200]);
    const v1 = await json('rotate', '--data', 'instance', '--v1', '--lead', '12h');
    assert.deepEqual([v1.service, v1.number, v1.leadSeconds, v1.overlapSeconds], ['log-v1', 2, 43_200, undefined]);
    const again = await signet('rotate', '--data', 'instance');
    assert.equal(again.code, 2);
    assert.match(again.stderr, /rotation of the transparency log is under way already.*\[ERR_ROTATION\]/);
    assert.equal((await signet('rotate', '--data', 'instance', '--v1', '--overlap', '1h')).code, 2);
    // It has no issuers yet, which doctor calls a problem.
    const examined = await signetIn(1, 'doctor', '--data', 'instance', '--offline');
    assert.match(examined, /log 2 is not trusted yet.*log-v1 2 is not trusted yet/s);
  });

  it('reads a private log with a token', async () => {
    await stop(server);
    const file = join(ready.data, 'log.yaml');
    const settings = await readFile(file, 'utf8');
    await writeFile(file, settings.replace('readTokens: []', 'readTokens: ["a-token-for-readers"]'));
    server = await serve('--data', 'd');
    assert.equal(ready.readers, 'token');
    const refused = await signet('info', ...trust());
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /--token-file FILE \[ERR_LOG_READER\]/);
    await writeFile(join(directory, 'token'), 'a-token-for-readers\n');
    assert.equal((await json('info', ...trust(), '--token-file', 'token')).readers, 'token');
    assert.equal((await json('export', '--data', 'd', '--static', 'private')).shards.length, 3);
    await writeFile(file, settings);
  });

  it('believes no log that the trust root does not name, and no answer that does not verify', async () => {
    const unknown = await signet('info', '--log', 'http://127.0.0.1:9', ...trust());
    assert.equal(unknown.code, 12);
    assert.match(unknown.stderr, /has no key of the log/);
    const root = JSON.parse(await readFile(ready.trustedRoot, 'utf8'));
    const { checkpoint } = (await json('info', ...trust(), '--token-file', 'token')).shards[0];
    const liar = createServer((request, response) => {
      const text = checkpoint.replace(/\n\d+\n/, '\n1000\n').replaceAll(ready.log.slice(7), address);
      response.end(request.url?.endsWith('/checkpoint') ? text : '{"entries":[],"readers":"public"}');
    }).listen(0, '127.0.0.1');
    await once(liar, 'listening');
    const address = `127.0.0.1:${(liar.address() as AddressInfo).port}`;
    root.tlogs = [{ ...root.tlogs[0], baseUrl: `http://${address}` }];
    await writeFile(join(directory, 'liar.json'), JSON.stringify(root));
    const lied = await signet('info', '--trusted-root', 'liar.json');
    liar.close();
    assert.equal(lied.code, 11, lied.stderr);
    assert.match(lied.stderr, /ERR_CHECKPOINT_SIGNATURE/);
  });

  for (const [words, problem] of [
    [['get'], /takes the INDEX/],
    [['get', '01'], /takes the INDEX/],
    [['verify'], /either an INDEX or --artifact/],
    [['search'], /say what to look for/],
    [['search', '--claim', 'x'], /NAME=VALUE/],
    [['search', '--email', 'a', '--limit', '0'], /--limit/],
    [['tail', '--entries', 'x'], /--entries/],
    [['rotate', '--overlap', '5 weeks'], /--overlap/],
    [['rotate', '--data', 'd', '--lead', '1d'], /--lead is for instances/],
    [['export'], /--static/],
    [['fsck', 'x'], /takes flags only/],
    [['frobnicate'], /unknown verb/],
    [['info', '--offline'], /ERR_OFFLINE/],
  ] as const) {
    it(`refuses \`signet log ${words.join(' ')}\``, async () => {
      const { code, stderr } = await signet(...words);
      assert.ok(code === 2 || code === 13, stderr);
      assert.match(stderr, problem);
    });
  }
});
