import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { after, before, describe, it } from 'mocha';
import { noRetry, request, type ServiceRequest } from '../../src/http/index.ts';

describe('a request to a service', () => {
  let server: Server;
  let origin: string;
  let seen: string[] = [];
  let answer: RequestListener = (_request, response) => response.end('{}');

  before(async () => {
    server = createServer((incoming, response) => {
      seen.push(`${incoming.method} ${incoming.url}`);
      answer(incoming, response);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(async () => {
    server.closeAllConnections();
    server.close();
  });

  const quick = { attempts: 3, budget: 10_000, firstDelay: 1 };
  async function ask(listener: RequestListener, options: Partial<ServiceRequest> & { url?: string } = {}) {
    seen = [];
    answer = listener;
    const { url = `${origin}/path`, ...rest } = options;
    return await request(url, { service: 'the service', retry: quick, ...rest });
  }

  it('gives status, headers and the whole body', async () => {
    const { status, body, headers } = await ask((_request, response) =>
      response.writeHead(201, { 'x-a': 'b' }).end('hello'),
    );
    assert.deepEqual([status, Buffer.from(body).toString(), headers.get('x-a')], [201, 'hello', 'b']);
  });

  it('ends at the time limit, also when the body only trickles', async () => {
    await assert.rejects(
      ask((_request, response) => void response.writeHead(200).write('{'), {
        timeout: 50,
        retry: { ...quick, attempts: 1 },
      }),
      { code: 'ERR_NETWORK_TIMEOUT' },
    );
  });

  it('reads no more than it may, whatever Content-Length says', async () => {
    const listener: RequestListener = (_request, response) => response.end('x'.repeat(2000));
    await assert.rejects(ask(listener, { maxBytes: 1000 }), { code: 'ERR_RESPONSE_TOO_LARGE' });
    assert.equal(seen.length, 1, 'and does not ask for it again');
  });

  it('tries again after 408, 429 and 5xx and gives up within its bounds', async () => {
    for (const status of [408, 429, 500, 502, 503]) {
      let left = 2;
      const { status: last } = await ask((_request, response) => response.writeHead(left-- > 0 ? status : 200).end());
      assert.equal(last, 200);
      assert.equal(seen.length, 3);
    }
    await assert.rejects(
      ask((_request, response) => response.writeHead(503, { 'retry-after': '3600' }).end()),
      { code: 'ERR_HTTP_STATUS' },
    );
    assert.equal(seen.length, 1, 'an hour is beyond the budget');
  });

  it('reads in clear what the server compressed, and no more of it than it may', async () => {
    for (const [coding, compress] of Object.entries({ gzip: gzipSync, br: brotliCompressSync, deflate: deflateSync })) {
      const listener: RequestListener = (_request, response) =>
        response.writeHead(200, { 'content-encoding': coding }).end(compress('x'.repeat(100_000)));
      assert.equal((await ask(listener)).body.length, 100_000);
      await assert.rejects(ask(listener, { maxBytes: 50_000 }), { code: 'ERR_RESPONSE_TOO_LARGE' });
    }
    await assert.rejects(
      ask((_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('no gzip')),
      { code: 'ERR_NETWORK' },
    );
    await assert.rejects(
      ask((_request, response) => response.writeHead(200, { 'content-encoding': 'unheard-of' }).end('x')),
      { code: 'ERR_NETWORK' },
    );
  });

  it('takes an answer that breaks off for none', async () => {
    const once = { ...quick, attempts: 1 };
    const cut: RequestListener = (_request, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('half');
      setTimeout(() => response.destroy(), 20);
    };
    await assert.rejects(ask(cut, { retry: once }), { code: 'ERR_NETWORK' });
  });

  it('asks again at once where the server closed the connection that was kept open, and sends nothing twice', async () => {
    const sockets = new Set<unknown>();
    const listener: RequestListener = (incoming, response) => {
      if (sockets.has(incoming.socket)) {
        incoming.socket.destroy();
        return;
      }
      sockets.add(incoming.socket);
      response.end('{}');
    };
    await ask(listener, { retry: noRetry });
    assert.equal((await ask(listener, { retry: noRetry })).status, 200);
    assert.deepEqual(seen, ['GET /path', 'GET /path'], 'once over the kept connection, once over a new one');
    await assert.rejects(ask(listener, { retry: noRetry, method: 'POST', body: '{}' }), { code: 'ERR_NETWORK' });
    assert.deepEqual(seen, ['POST /path']);
  });

  it('does not repeat what was refused', async () => {
    for (const status of [400, 401, 403, 404, 422]) {
      await assert.rejects(
        ask((_request, response) => response.writeHead(status).end()),
        { code: 'ERR_HTTP_STATUS' },
      );
      assert.equal(seen.length, 1);
    }
  });

  it('follows redirects within the origin and no other', async () => {
    const { body } = await ask((incoming, response) =>
      incoming.url === '/path' ? response.writeHead(302, { location: '/there' }).end() : response.end('there'),
    );
    assert.equal(Buffer.from(body).toString(), 'there');
    for (const location of ['http://127.0.0.1:9/', 'https://elsewhere.example/', 'file:///etc/passwd', 'http://[']) {
      await assert.rejects(
        ask((_request, response) => response.writeHead(302, { location }).end()),
        { code: 'ERR_HTTP_REDIRECT' },
      );
    }
    await assert.rejects(
      ask((_request, response) => response.writeHead(302, { location: '/path' }).end()),
      { code: 'ERR_HTTP_REDIRECT' },
    );
    // A redirect that would turn the request into another one.
    await assert.rejects(
      ask((_request, response) => response.writeHead(302, { location: '/there' }).end(), { method: 'POST', body: 'x' }),
      { code: 'ERR_HTTP_REDIRECT' },
    );
  });

  it('says what the service said, without secrets and markup', async () => {
    const says = async (body: string) => {
      const error = await ask((_request, response) => response.writeHead(400).end(body)).then(
        () => assert.fail(),
        (thrown: Error) => thrown,
      );
      return error.message;
    };
    assert.match(await says('{"code":3,"message":"no such issuer"}'), /400: no such issuer/);
    // After the first document, V8's JSON.parse takes the escaped member of the second for another.
    JSON.parse('{"code":3,"messag\\\\":1}');
    assert.match(await says('{"code":3,"messag\\u0065":"no such scope"}'), /400: no such scope/);
    assert.match(await says('{"error":"invalid_grant","error_description":"code is used"}'), /code is used/);
    assert.doesNotMatch(await says('<html>proxy</html>'), /html/);
    assert.doesNotMatch(await says(`{"message":"token eyJhbGciOiJSUzI1NiJ9.${'a'.repeat(50)}.bbbb"}`), /aaaa/);
    assert.ok((await says('x'.repeat(5000))).length < 500);
  });

  it('names the place but neither credentials nor query', async () => {
    const url = `${origin.replace('http://', 'http://user:secret-1@')}/path?token=secret-2`;
    await assert.rejects(
      ask((_request, response) => response.writeHead(404).end(), { url }),
      (error: Error) => {
        return !error.message.includes('secret');
      },
    );
  });

  it('refuses what is no http URL, and says when nobody is there', async () => {
    for (const url of ['nonsense', 'file:///etc/passwd', 'ftp://example.com/']) {
      await assert.rejects(
        ask(() => undefined, { url }),
        { code: 'ERR_SERVICES' },
      );
    }
    await assert.rejects(
      ask(() => undefined, { url: 'http://127.0.0.1:9/' }),
      { code: 'ERR_NETWORK' },
    );
  });

  it('ends at once when it is interrupted, also while it waits to try again', async () => {
    const stop = new AbortController();
    const reason = new Error('interrupted');
    await assert.rejects(
      ask(
        (_request, response) => {
          response.writeHead(503).end();
          setTimeout(() => stop.abort(reason), 20);
        },
        { signal: stop.signal, retry: { attempts: 2, budget: 60_000, firstDelay: 30_000 } },
      ),
      (thrown: Error) => thrown === reason || thrown.cause === reason,
    );
  });
});
