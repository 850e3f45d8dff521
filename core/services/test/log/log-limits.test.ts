import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { der, fulcioExtensions, oids, SignetError, utf8 } from '@signet/primitives/formats';
import { generateSigner } from '@signet/primitives/keys';
import { openTransparencyLog, type RekorV2Options, rekorV2Routes, type TransparencyLog } from '@signet/services/log';
import Fastify, { type FastifyInstance, type LightMyRequestResponse } from 'fastify';
import { TokenBuckets } from '../../src/log/http/token-buckets.ts';
import { entryRequest } from './log-requests.ts';
import { codeSigning, extension, makeAuthority, type TestAuthority } from './test-certificates.ts';

describe('token buckets', () => {
  it('let a burst pass and then as much as the rate allows, for each key alone', () => {
    let now = 0;
    const buckets = new TokenBuckets({ perSecond: 2, burst: 3 }, () => now);
    assert.deepEqual(
      [1, 2, 3, 4].map(() => buckets.take('a')),
      [0, 0, 0, 0.5],
    );
    assert.equal(buckets.take('b'), 0);
    now = 250;
    assert.equal(buckets.take('a'), 0.25);
    now = 500;
    assert.equal(buckets.take('a'), 0);
    assert.equal(buckets.take('a'), 0.5);
    now = 1e6;
    assert.deepEqual(
      [1, 2, 3, 4].map(() => buckets.take('a')),
      [0, 0, 0, 0.5],
    );
  });
});

describe('limits of the log', () => {
  let directory: string;
  let log: TransparencyLog;
  let app: FastifyInstance;
  let authority: TestAuthority;
  const signer = generateSigner();

  before(async () => {
    authority = await makeAuthority();
  });

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-limits-'));
    log = await openTransparencyLog({ directory, origin: 'log.example', signer: generateSigner('PKIX_ED25519') });
  });

  afterEach(async () => {
    await app.close();
    await log.close();
    await rm(directory, { recursive: true, force: true });
  });

  const serve = async (options: RekorV2Options): Promise<void> => {
    app = Fastify({ trustProxy: true });
    await app.register(rekorV2Routes(log, options));
  };
  const send = (request: object, address = '192.0.2.1'): Promise<LightMyRequestResponse> =>
    app.inject({
      method: 'POST',
      url: '/api/v2/log/entries',
      headers: { 'x-forwarded-for': address },
      payload: JSON.stringify(request),
    });
  const certified = async (message: string, email: string, issuer: string): Promise<object> => {
    const key = generateSigner();
    const names = extension(oids.subjectAlternativeName, der.sequence(der.tlv(0x81, utf8(email))));
    return entryRequest(
      message,
      key,
      await authority.issue([codeSigning, names, ...fulcioExtensions({ issuer })], key),
    );
  };

  function assertTooMany(answer: LightMyRequestResponse, message: RegExp): void {
    assert.equal(answer.statusCode, 429, answer.body);
    assert.equal(answer.json().code, 8);
    assert.match(answer.json().message, message);
    assert.match(String(answer.headers['retry-after']), /^[1-9]\d*$/);
  }

  it('hold an address, whatever it sends', async () => {
    await serve({ limits: { address: { perSecond: 0.01, burst: 2 } } });
    assert.equal((await send({})).statusCode, 400);
    assert.equal((await send(await entryRequest('a', signer))).statusCode, 201);
    const answer = await send(await entryRequest('b', signer));
    assertTooMany(answer, /requests from this address: allowed are 0.01 a second and 2 at once; try again in \d+ s/);
    assert.equal((await send(await entryRequest('b', signer), '192.0.2.2')).statusCode, 201);
  });

  it('hold an identity, and a key without a certificate', async () => {
    await serve({ limits: { identity: { perSecond: 0.01, burst: 1 } } });
    assert.equal((await send(await entryRequest('a', signer))).statusCode, 201);
    assertTooMany(await send(await entryRequest('b', signer)), /entries of this identity/);
    const issuer = 'https://issuer.example';
    assert.equal((await send(await certified('c', 'alice@example.com', issuer))).statusCode, 201);
    assertTooMany(await send(await certified('d', 'alice@example.com', issuer)), /entries of this identity/);
    assert.equal((await send(await certified('e', 'bob@example.com', issuer))).statusCode, 201);
    assert.equal((await send(await certified('f', 'alice@example.com', 'https://other.example'))).statusCode, 201);
    assert.equal(log.size, 4n);
  });

  it('hold an issuer', async () => {
    await serve({ limits: { issuer: { perSecond: 0.01, burst: 1 } } });
    assert.equal((await send(await certified('a', 'alice@example.com', 'https://issuer.example'))).statusCode, 201);
    assertTooMany(await send(await certified('b', 'bob@example.com', 'https://issuer.example')), /of this issuer/);
    assert.equal((await send(await certified('c', 'bob@example.com', 'https://other.example'))).statusCode, 201);
  });

  it('hold searches of an address', async () => {
    await serve({ limits: { search: { perSecond: 0.01, burst: 1 } } });
    const search = (): Promise<LightMyRequestResponse> =>
      app.inject({ method: 'POST', url: '/api/v2/index/retrieve', payload: '{"email":"a@example.com"}' });
    assert.equal((await search()).statusCode, 200);
    assertTooMany(await search(), /searches from this address/);
  });

  it('are told, and what they refuse is counted', async () => {
    const limits = { address: { perSecond: 0.01, burst: 1 } };
    await serve({ limits, maximumRequestSize: 10_000 });
    await send(await entryRequest('a', signer));
    await send(await entryRequest('b', signer));
    const told = (await app.inject('/api/v2/log')).json().limits;
    assert.deepEqual(told, { entryBytes: 65_535, requestBytes: 10_000, rates: limits });
    const { body } = await app.inject('/metrics');
    assert.match(body, /^signet_log_refused_total\{reason="ERR_LOG_RATE"\} 1$/m);
    assert.match(body, /^signet_log_entries_total\{result="new"\} 1$/m);
    assert.match(body, /^signet_log_size\{shard="1"\} 1$/m);
    for (const stage of ['parse', 'verify', 'sequence', 'sync', 'answer']) {
      assert.match(body, new RegExp(`^signet_log_stage_entries_total\\{stage="${stage}"\\} 1$`, 'm'));
    }
  });
});

describe('a private log', () => {
  const token = 'a-token-of-a-reader-1';
  let directory: string;
  let log: TransparencyLog;
  let app: FastifyInstance;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-private-'));
    log = await openTransparencyLog({ directory, origin: 'log.example', signer: generateSigner('PKIX_ED25519') });
    app = Fastify();
    await app.register(rekorV2Routes(log, { readTokens: [token, 'a-token-of-a-reader-2'] }));
    const payload = JSON.stringify(await entryRequest('a', generateSigner()));
    const written = await app.inject({ method: 'POST', url: '/api/v2/log/entries', payload });
    assert.equal(written.statusCode, 201);
  });

  after(async () => {
    await app.close();
    await log.close();
    await rm(directory, { recursive: true, force: true });
  });

  const reads = [
    ...['/checkpoint', '/tile/0/000.p/1', '/tile/entries/000.p/1', '/api/v2/checkpoint', '/api/v2/tile/0/000.p/1'],
    ...[
      '/api/v2/proof/0',
      '/api/v2/log/entries/0',
      '/api/v2/consistency/0/1',
      '/api/v2/log',
      '/metrics',
      '/1/checkpoint',
    ],
  ];

  it('is read by whoever has a token', async () => {
    for (const url of reads) {
      const answer = await app.inject({ url, headers: { authorization: `Bearer ${token}` } });
      assert.equal(answer.statusCode, 200, `${url}: ${answer.body}`);
      assert.doesNotMatch(String(answer.headers['cache-control']), /public/);
    }
    const headers = { authorization: 'bearer a-token-of-a-reader-2' };
    const found = await app.inject({
      method: 'POST',
      url: '/api/v2/index/retrieve',
      headers,
      payload: '{"email":"a"}',
    });
    assert.equal(found.statusCode, 200);
    assert.equal((await app.inject({ url: '/api/v2/log', headers })).json().readers, 'token');
  });

  it('is read by nobody else', async () => {
    for (const authorization of [undefined, 'Bearer', 'Bearer wrong', `Basic ${token}`, token, `Bearer ${token}x`]) {
      const headers = authorization === undefined ? {} : { authorization };
      const asked = [
        ...reads.map((url) => app.inject({ url, headers })),
        app.inject({ method: 'POST', url: '/api/v2/index/retrieve', headers, payload: '{"email":"a"}' }),
      ];
      for (const answer of await Promise.all(asked)) {
        assert.equal(answer.statusCode, 401, answer.body);
        assert.equal(answer.headers['www-authenticate'], 'Bearer');
        assert.match(answer.json().message, /this log is private/);
      }
    }
  });

  it('tells everybody whether it is well, and what it can do', async () => {
    assert.equal((await app.inject('/healthz')).statusCode, 200);
    assert.equal((await app.inject('/openapi.json')).statusCode, 200);
  });

  it('is asked by browsers whether a token may be sent', async () => {
    const answer = await app.inject({ method: 'OPTIONS', url: '/checkpoint' });
    assert.equal(answer.statusCode, 204);
    assert.equal(answer.headers['access-control-allow-origin'], '*');
    assert.match(String(answer.headers['access-control-allow-headers']), /authorization/);
  });

  it('has no token that could be guessed', () => {
    for (const wrong of ['short', 'sixteen letters and a space', '']) {
      assert.throws(
        () =>
          Fastify()
            .register(rekorV2Routes(log, { readTokens: [wrong] }))
            .ready(),
        (error) => error instanceof SignetError && error.code === 'ERR_LOG_CONFIG',
      );
    }
  });
});
