import assert from 'node:assert/strict';
import { sign } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseSigningConfig, parseTrustedRoot, SignetError } from '@signet/primitives/formats';
import { generateSigner } from '@signet/primitives/keys';
import {
  formatLogSettings,
  parseLogSettings,
  type RunningLog,
  readEntryTypes,
  reindexLog,
  rotateLog,
  type ServeLogOptions,
  serveLog,
} from '@signet/services/log';
import { entryRequest } from './log-requests.ts';
import { base64, makeKey, sha256 } from './rekor-v1/proposals.ts';

const hasCode =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof SignetError && error.code === code;

describe('a log that is served by itself', () => {
  let directory: string;
  let running: RunningLog | undefined;
  const signer = generateSigner();

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-standalone-'));
  });

  afterEach(async () => {
    await running?.close();
    running = undefined;
    await rm(directory, { recursive: true, force: true });
  });

  const serve = async (more: Partial<ServeLogOptions> = {}): Promise<RunningLog> => {
    running = await serveLog({ directory, port: 0, ...more });
    return running;
  };
  const close = async (): Promise<void> => {
    await running?.close();
    running = undefined;
  };
  const at = ({ port }: RunningLog, path: string): string => `http://127.0.0.1:${port}${path}`;
  const submit = async (log: RunningLog, message: string, prefix = ''): Promise<number> => {
    const body = JSON.stringify(await entryRequest(message, signer));
    return (await fetch(at(log, `${prefix}/api/v2/log/entries`), { method: 'POST', body })).status;
  };

  it('writes down whom to trust and where to write, in the forms that Sigstore’s clients read', async () => {
    const log = await serve();
    await submit(log, 'a');
    await rotateLog({ directory, overlapSeconds: 3600 });
    const { layout, settings } = log;
    const { publicUrl } = settings;
    const root = parseTrustedRoot(await readFile(layout.trustedRoot));
    assert.deepEqual(
      root.tlogs.map(({ baseUrl, validFor }) => [baseUrl, validFor.end !== undefined]),
      [
        [publicUrl, true],
        [`${publicUrl}/2`, false],
        [`${publicUrl}/log-v1`, false],
      ],
    );
    const config = parseSigningConfig(await readFile(layout.signingConfig));
    assert.deepEqual(
      config.rekorTlogUrls.map(({ url, majorApiVersion }) => [url, majorApiVersion]),
      [
        [`${publicUrl}/2`, 2],
        [publicUrl, 2],
        [`${publicUrl}/log-v1`, 1],
      ],
    );
    for (const name of ['trusted_root.json', 'signing_config.v0.2.json']) {
      const answer = await fetch(at(log, `/${name}`));
      assert.equal(answer.headers.get('access-control-allow-origin'), '*');
      assert.deepEqual(await answer.json(), JSON.parse(await readFile(join(directory, 'trust', name), 'utf8')));
    }
  });

  it('goes on with the same keys, address and entries after a restart', async () => {
    const first = await serve();
    const { port, settings } = first;
    assert.equal(await submit(first, 'a'), 201);
    await close();
    const second = await serve();
    assert.equal(second.port, port);
    assert.deepEqual(second.settings, settings);
    assert.equal(second.shards.active.log.size, 1n);
  });

  it('lives below a path, as a proxy that passes the whole path sees it', async () => {
    const log = await serve({ publicUrl: 'https://logs.example/transparency/' });
    assert.equal(log.settings.publicUrl, 'https://logs.example/transparency');
    assert.equal(await submit(log, 'a', '/transparency'), 201);
    const checkpoint = await (await fetch(at(log, '/transparency/checkpoint'))).text();
    assert.match(checkpoint, /^logs\.example\/transparency\n1\n/);
    assert.equal((await fetch(at(log, '/transparency/log-v1/api/v1/log'))).status, 200);
    assert.equal((await fetch(at(log, '/checkpoint'))).status, 404);
    const { url } = await rotateLog({ directory, overlapSeconds: 0 });
    assert.equal(url, 'https://logs.example/transparency/2');
    assert.equal(await submit(log, 'b', '/transparency/2'), 201);
  });

  it('keeps its public URL for ever', async () => {
    await serve({ publicUrl: 'https://logs.example' });
    await close();
    await serve({ publicUrl: 'https://logs.example/' });
    await close();
    await assert.rejects(serve({ publicUrl: 'https://other.example' }), hasCode('ERR_LOG_CONFIG'));
  });

  it('encrypts its keys with a passphrase, and does not open without it', async () => {
    const passphrase = 'correct horse battery staple';
    const log = await serve({ passphrase });
    await submit(log, 'a');
    await close();
    await assert.rejects(serve(), hasCode('ERR_KEY_FILE'));
    await assert.rejects(rotateLog({ directory, overlapSeconds: 0 }), hasCode('ERR_KEY_FILE'));
    assert.equal((await rotateLog({ directory, overlapSeconds: 0, passphrase })).number, 2);
    assert.equal(await submit(await serve({ passphrase }), 'b', '/2'), 201);
  });

  it('never makes a key anew for a log that has one', async () => {
    await serve();
    await close();
    await unlink(join(directory, 'keys', 'log.key'));
    await assert.rejects(serve(), hasCode('ERR_KEY_FILE'));
  });

  it('is rotated in its directory when a crash has left the word of a server that is gone', async () => {
    const { layout } = await serve();
    const word = await readFile(layout.running);
    if (process.platform !== 'win32') assert.equal((await stat(layout.running)).mode & 0o077, 0);
    await close();
    await writeFile(layout.running, word);
    assert.equal((await rotateLog({ directory, overlapSeconds: 0 })).number, 2);
  });

  it('is served once at a time', async () => {
    await serve();
    const { layout } = running ?? assert.fail();
    await assert.rejects(serveLog({ directory: layout.directory, port: await freePort() }), hasCode('ERR_LOG_LOCKED'));
    await close();
    await serve();
  });

  it('names the port that another program has, and what to do', async () => {
    const first = await serve();
    const { port, layout } = first;
    await close();
    const taken = createServer().listen(port, '127.0.0.1');
    await once(taken, 'listening');
    try {
      const sentence = `Port ${port} of 127.0.0.1 is taken by another program; stop that program, or`;
      // As its settings say, and as it was told to.
      await assert.rejects(serve(), {
        code: 'ERR_LISTEN',
        message: `${sentence} see listen in ${layout.settingsFile}`,
      });
      await assert.rejects(serve({ port }), { code: 'ERR_LISTEN', message: `${sentence} choose another with --port` });
      await assert.rejects(serve({ host: '192.0.2.1' }), {
        code: 'ERR_LISTEN',
        message: /^This machine has no address/,
      });
    } finally {
      taken.close();
    }
  });

  it('is not rotated where there is none', async () => {
    await assert.rejects(rotateLog({ directory, overlapSeconds: 0 }), hasCode('ERR_LOG_CONFIG'));
  });

  it('writes a line of JSON for every request, without tokens', async () => {
    const requestLog = new PassThrough();
    let lines = '';
    requestLog.on('data', (chunk) => {
      lines += chunk;
    });
    const log = await serve({ requestLog });
    await fetch(at(log, '/checkpoint'), { headers: { authorization: 'Bearer a-secret-of-a-reader' } });
    await close();
    const told = lines
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.ok(told.some(({ req }) => req?.url === '/checkpoint'));
    assert.ok(told.some(({ res }) => res?.statusCode === 200));
    assert.doesNotMatch(lines, /a-secret-of-a-reader/);
  });

  it('takes and finds entries of the types that its settings name, also in an index that is built again', async () => {
    const plugIn = fileURLToPath(new URL('types/checksums.ts', import.meta.url));
    await serve();
    await close();
    const file = join(directory, 'log.yaml');
    const settings = await readFile(file, 'utf8');
    const named = settings.replace('entryTypes: []', `entryTypes: [${JSON.stringify(plugIn)}]`);
    assert.notEqual(named, settings);
    await writeFile(file, named);
    const key = makeKey();
    const list = `${sha256('one')}  one.tgz\n`;
    const content = base64(sign('sha256', Buffer.from(list), key.privateKey));
    const signature = { format: 'x509', content, publicKey: base64(key.pem) };
    const spec = { list: base64(list), signature };
    const post = (path: string, body: object) =>
      fetch(at(running as RunningLog, `/log-v1${path}`), { method: 'POST', body: JSON.stringify(body) });
    const found = async () =>
      (await (await post('/api/v1/index/retrieve', { hash: sha256('one') })).json()) as string[];
    await serve();
    const answer = await post('/api/v1/log/entries', { apiVersion: '0.0.1', kind: 'checksums', spec });
    assert.equal(answer.status, 201);
    assert.equal((await found()).length, 1);
    await close();
    const modules = await readEntryTypes(directory);
    assert.deepEqual(modules, [pathToFileURL(plugIn).href]);
    assert.equal(await reindexLog(join(directory, 'log-v1'), modules), 1);
    await serve();
    assert.equal((await found()).length, 1);
    await close();
    await writeFile(file, settings.replace('entryTypes: []', 'entryTypes: ["./missing.js"]'));
    await assert.rejects(serve(), hasCode('ERR_LOG_TYPE'));
  });

  it('applies the limits of its settings, by the address that a trusted proxy names', async () => {
    const { layout } = await serve();
    await close();
    const settings = parseLogSettings(await readFile(layout.settingsFile, 'utf8'));
    const limits = { ...settings.limits, requestBytes: 2048, address: { perSecond: 0.001, burst: 1 } };
    const text = formatLogSettings({ ...settings, proxies: ['127.0.0.1'], limits });
    await writeFile(layout.settingsFile, text);
    const log = await serve();
    const send = async (address: string, body: string): Promise<number> => {
      const headers = { 'x-forwarded-for': address };
      return (await fetch(at(log, '/api/v2/log/entries'), { method: 'POST', headers, body })).status;
    };
    const body = JSON.stringify(await entryRequest('a', signer));
    assert.deepEqual(
      [await send('192.0.2.1', body), await send('192.0.2.1', body), await send('192.0.2.2', 'x'.repeat(4000))],
      [201, 429, 413],
    );
  });
});

describe('log.yaml', () => {
  const text = formatLogSettings({
    publicUrl: 'https://log.example',
    created: new Date('2026-01-02T03:04:05Z'),
    listen: { host: '::1', port: 3000 },
    readTokens: ['a-token-of-a-reader'],
    proxies: ['10.0.0.0/8'],
    dsse: false,
    entryTypes: ['./types/checksums.js', '@acme/log-types'],
    limits: { requestBytes: 4096, waiting: 10, attestationBytes: 1000, issuer: { perSecond: 0.5, burst: 2 } },
  });

  it('is read as it was written', () => {
    const settings = parseLogSettings(text);
    assert.equal(formatLogSettings(settings), text);
    assert.deepEqual(settings.limits, {
      requestBytes: 4096,
      waiting: 10,
      attestationBytes: 1000,
      issuer: { perSecond: 0.5, burst: 2 },
    });
  });

  for (const [what, wrong, code = 'ERR_LOG_CONFIG'] of [
    ['of a newer version', text.replace('version: 1', 'version: 2'), 'ERR_LOG_FORMAT'],
    ['without a version', text.replace('version: 1', '')],
    ['with a key that is misspelt', text.replace('readTokens', 'readToken')],
    ['with a limit that is misspelt', text.replace('requestBytes', 'requestbytes')],
    ['with a rate that is misspelt', text.replace('burst: 2 }', 'brust: 2 }')],
    ['with a rate of nothing', text.replace('perSecond: 0.5', 'perSecond: 0')],
    ['with a burst of nothing', text.replace('burst: 2 }', 'burst: 0 }')],
    ['with a key twice', `${text}\nversion: 1\n`],
    ['with a URL that is none', text.replace('https://log.example', 'log.example')],
    ['with a query in its URL', text.replace('https://log.example', 'https://log.example/?a')],
    ['with a port out of range', text.replace('port: 3000', 'port: 70000')],
    ['with a date that is none', text.replace('2026-01-02T03:04:05.000Z', 'yesterday')],
    ['with tokens that are no list', text.replace('["a-token-of-a-reader"]', 'a-token-of-a-reader')],
    ['that is a list', '- 1'],
    ['that is no YAML', ': : :\n\t'],
  ] as const) {
    it(`is refused ${what}`, () => {
      assert.throws(() => parseLogSettings(wrong), hasCode(code));
    });
  }
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
