import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fetchAttestations, type NpmSettings, transportFor } from '@signet/client/install';

const settings = (options: NpmSettings['options'], env: NpmSettings['env'] = {}): NpmSettings => ({
  directory: '/app',
  installs: true,
  ofProject: {},
  options,
  env,
});

describe('requests to a registry', () => {
  it('go by Node itself unless npm is configured to go another way', async () => {
    const plain = {
      proxy: null,
      httpsProxy: null,
      ca: null,
      cert: null,
      key: null,
      localAddress: null,
      strictSSL: true,
    };
    assert.equal(await transportFor(settings(plain)), undefined);
    for (const change of [
      { proxy: 'http://p.example' },
      { httpsProxy: 'http://p.example' },
      { ca: ['x'] },
      { strictSSL: false },
    ]) {
      assert.notEqual(await transportFor(settings({ ...plain, ...change })), undefined, JSON.stringify(change));
    }
    assert.notEqual(await transportFor(settings(plain, { HTTPS_PROXY: 'http://p.example' })), undefined);
  });

  it('go through the proxy that npm is configured with, with the credentials of the registry', async () => {
    const seen: (string | undefined)[] = [];
    const proxy = createServer((request, response) => {
      seen.push(request.url, request.headers.authorization);
      if (request.url?.includes('/gone@')) response.writeHead(404).end('{}');
      else if (request.url?.includes('/broken@')) response.writeHead(418).end('{"error":"short and stout"}');
      else response.end('{"attestations":[]}');
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    try {
      const transport = await transportFor(
        settings({ proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` }),
      );
      const registry = { url: 'http://registry.invalid/npm/', headers: { authorization: 'Bearer secret' } };
      const ask = (name: string) => fetchAttestations(name, '1.0.0', registry, { transport });
      assert.deepEqual(await ask('@acme/widgets'), { attestations: [] });
      assert.deepEqual(seen, [
        'http://registry.invalid/npm/-/npm/v1/attestations/@acme%2fwidgets@1.0.0',
        'Bearer secret',
      ]);
      assert.equal(await ask('gone'), undefined);
      await assert.rejects(ask('broken'), { code: 'ERR_HTTP_STATUS', message: /418.*short and stout/ });
    } finally {
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
    }
  });
});
