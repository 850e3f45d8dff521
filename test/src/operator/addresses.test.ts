import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { freePort, type RunningInstance, type StartOptions, startInstance } from '@signet/registry';
import { examineInstance } from '@signet/registry/operator';
import { makeServerCertificate } from './server-certificate.ts';

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
}

function answerOf(send: (onResponse: (response: IncomingMessage) => void) => NodeJS.EventEmitter): Promise<Answer> {
  return new Promise((resolve, reject) => {
    send((response) => {
      text(response).then((body) => resolve({ status: response.statusCode, body }), reject);
    }).on('error', reject);
  });
}

/** Asks a server that shows a certificate of `authority`. */
function get(url: string, authority: string): Promise<Answer> {
  return answerOf((onResponse) => request(url, { ca: authority, agent: false }, onResponse).end());
}

describe('the address of an instance', () => {
  let directory: string;
  let running: RunningInstance | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-address-'));
  });

  afterEach(async () => {
    await running?.stop();
    running = undefined;
    await rm(directory, { recursive: true });
  });

  async function start(options: Partial<StartOptions>): Promise<RunningInstance> {
    running = await startInstance({
      directory: join(directory, 'instance'),
      port: 0,
      names: ['@example/*'],
      devIdentity: true,
      uplink: 'none',
      ...options,
    });
    return running;
  }

  async function findings(options: Parameters<typeof examineInstance>[1] = {}) {
    assert.ok(running !== undefined);
    const all = [];
    for await (const finding of examineInstance(running.instance, options)) all.push(finding);
    return all.map(({ level, check, says }) => `${level} ${check}: ${says}`).join('\n');
  }

  it('can be https by its own certificate, for registry and services alike', async () => {
    const tls = await makeServerCertificate(directory);
    const port = await freePort('127.0.0.1');
    const { urls } = await start({ tls, publicUrl: `https://localhost:${port}`, port, host: '127.0.0.1' });
    assert.equal((await get(`${urls.registry}-/ping`, tls.authority)).status, 200);
    const described = JSON.parse((await get(urls.instance, tls.authority)).body);
    assert.equal(described.ca, `https://localhost:${port}/-/signet/ca`);
    assert.equal((await get(`${urls.tuf}/timestamp.json`, tls.authority)).status, 200);
    const stranger = await makeServerCertificate(directory);
    await assert.rejects(get(`${urls.registry}-/ping`, stranger.authority));
    await assert.rejects(fetch(`http://127.0.0.1:${port}/-/ping`));
  }).timeout(30_000);

  it('is examined with its certificate', async () => {
    const tls = await makeServerCertificate(directory);
    const port = await freePort('127.0.0.1');
    const options = { tls, publicUrl: `https://localhost:${port}`, port, host: '127.0.0.1', only: ['tuf'] as const };
    await start(options);
    const healthy = await findings();
    assert.match(healthy, /ok certificates: the certificate for HTTPS is valid until/);
    assert.match(healthy, new RegExp(`ok network: the instance runs on port ${port}`));
    await makeServerCertificate(directory, { name: 'other.example' });
    assert.match(
      await findings({ offline: true }),
      /problem certificates: the certificate for HTTPS is not for localhost/,
    );
    await makeServerCertificate(directory, { notAfter: new Date(Date.now() + 86_400_000 * 3) });
    assert.match(await findings({ offline: true }), /warning certificates: the certificate for HTTPS .* for [23] days/);
    await makeServerCertificate(directory, { notAfter: new Date(Date.now() - 86_400_000 * 3) });
    assert.match(await findings({ offline: true }), /problem certificates: .*it has expired/);
  }).timeout(30_000);

  it('cannot be http with a certificate', async () => {
    const tls = await makeServerCertificate(directory);
    await assert.rejects(start({ tls, publicUrl: 'http://localhost:4873' }), { code: 'ERR_INSTANCE_CONFIG' });
  });

  it('can be a proxy’s, whose name stands in all that is answered', async () => {
    const tls = await makeServerCertificate(directory);
    const [certificate, key] = [readFileSync(tls.certificate), readFileSync(tls.key)];
    let behind = 0;
    const proxy = createServer({ cert: certificate, key }, (incoming, outgoing) => {
      const { url = '/', method = 'GET' } = incoming;
      const headers = { ...incoming.headers, host: `127.0.0.1:${behind}`, 'x-forwarded-for': '203.0.113.9' };
      const onward = httpRequest({ port: behind, host: '127.0.0.1', path: url, method, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      incoming.pipe(onward);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    try {
      const publicUrl = `https://localhost:${(proxy.address() as AddressInfo).port}`;
      behind = await freePort('127.0.0.1');
      const { urls, port } = await start({ publicUrl, port: behind });
      assert.equal(port, behind);
      const described = JSON.parse((await get(urls.instance, tls.authority)).body);
      for (const name of ['ca', 'log', 'tsa', 'tuf', 'trustedRoot'])
        assert.ok(described[name].startsWith(publicUrl), name);
      const page = await get(urls.registry, tls.authority);
      assert.ok(page.body.includes(`${publicUrl}/`), 'the registry calls itself by its public URL');
      assert.ok(!page.body.includes(`127.0.0.1:${behind}`));
      assert.equal((await get(`${urls.tuf}/timestamp.json`, tls.authority)).status, 200);
      // Whoever comes by way of the proxy is not on this machine, whatever the public URL is.
      const discovery = '/.well-known/openid-configuration';
      assert.equal((await get(`${urls.oidc}${discovery}`, tls.authority)).status, 421);
      const host = new URL(publicUrl).host;
      const path = `${new URL(urls.oidc).pathname}${discovery}`;
      const ask = (headers: Record<string, string>) =>
        answerOf((onResponse) => httpRequest({ port: behind, host: '127.0.0.1', path, headers }, onResponse).end());
      assert.equal((await ask({ host, 'x-forwarded-for': '203.0.113.9' })).status, 403);
      assert.equal((await ask({ host, via: '1.1 proxy' })).status, 403);
      assert.equal((await ask({ host })).status, 200);
    } finally {
      proxy.closeAllConnections();
      proxy.close();
    }
  }).timeout(30_000);
});
