import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deviceToken, findToken, IdentityToken, LoginCache } from '@signet/client/identity';
import { after, before, describe, it } from 'mocha';
import Provider from 'oidc-provider';
import { unsignedToken } from './tokens.ts';

/** Enters the code on the provider's page, logs in and agrees, or says no, as a person at another device does. */
async function enterCode(page: URL, code: string, answer: 'agree' | 'refuse' = 'agree'): Promise<void> {
  const cookies = new Map<string, string>();
  let url = page;
  let form: URLSearchParams | undefined;
  for (let step = 0; step < 20; step++) {
    const response = await fetch(url.href, {
      redirect: 'manual',
      method: form ? 'POST' : 'GET',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(form ? { body: form } : {}),
    });
    form = undefined;
    for (const cookie of response.headers.getSetCookie()) {
      const [name = '', value = ''] = (cookie.split(';')[0] ?? '').split('=');
      cookies.set(name, value);
    }
    const location = response.headers.get('location');
    const text = await response.text();
    if (location !== null) {
      url = new URL(location, url);
      continue;
    }
    const action = /<form[^>]*action="([^"]+)"/.exec(text)?.[1];
    if (action === undefined) return;
    const hidden = [...text.matchAll(/<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"/g)];
    form = new URLSearchParams(hidden.map(([, name = '', value = '']): [string, string] => [name, value]));
    if (text.includes('name="user_code"') && !form.has('user_code')) form.set('user_code', code);
    if (text.includes('name="login"')) {
      form.set('login', 'alice@example.com');
      form.set('password', 'any');
    }
    if (answer === 'refuse' && text.includes('value="yes"')) form.set('abort', 'yes');
    if (answer === 'agree' && text.includes('name="confirm"')) form.set('confirm', 'yes');
    url = new URL(action, url);
  }
}

describe('a login by code', () => {
  let server: Server;
  let issuer: string;
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'signet-login-'));
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const provider = new Provider(issuer, {
      clients: [
        {
          client_id: 'sigstore',
          token_endpoint_auth_method: 'none',
          application_type: 'native',
          redirect_uris: [],
          response_types: [],
          grant_types: ['urn:ietf:params:oauth:grant-type:device_code'],
        },
      ],
      jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig', kid: 'test' }] },
      claims: { openid: ['sub'], email: ['email', 'email_verified'] },
      conformIdTokenClaims: false,
      cookies: { keys: ['test'] },
      features: { devInteractions: { enabled: true }, deviceFlow: { enabled: true } },
      ttl: { DeviceCode: 300 },
      findAccount: async (_context, id) => ({
        accountId: id,
        claims: async () => ({ sub: id, email: id, email_verified: true }),
      }),
    });
    server.on('request', provider.callback());
  });
  after(async () => {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  });

  it('gives the token of whoever enters the code on another device', async () => {
    let shown = '';
    const token = await deviceToken({
      issuer,
      showCode: (page, code) => {
        shown = code;
        void enterCode(page, code);
      },
    });
    assert.match(shown, /^[A-Z0-9-]+$/);
    assert.equal(token.issuer, issuer);
    assert.equal(token.email, 'alice@example.com');
    assert.deepEqual(token.audiences, ['sigstore']);
  }).timeout(30_000);

  it('says so when nobody enters it in time, and when it is interrupted', async () => {
    await assert.rejects(deviceToken({ issuer, showCode: () => undefined, timeout: 200 }), {
      code: 'ERR_IDENTITY_TIMEOUT',
    });
    const stop = new AbortController();
    const reason = new Error('SIGINT');
    await assert.rejects(
      deviceToken({ issuer, showCode: () => stop.abort(reason), signal: stop.signal }),
      (error) => error === reason,
    );
  });

  it('is not tried at a provider without one, nor over http from afar', async () => {
    const plain = createServer((_request, response) => {
      response.setHeader('content-type', 'application/json');
      const at = `http://127.0.0.1:${(plain.address() as AddressInfo).port}`;
      response.end(
        JSON.stringify({
          issuer: at,
          authorization_endpoint: `${at}/auth`,
          token_endpoint: `${at}/token`,
          jwks_uri: `${at}/jwks`,
        }),
      );
    });
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    const at = `http://127.0.0.1:${(plain.address() as AddressInfo).port}`;
    await assert.rejects(deviceToken({ issuer: at, showCode: () => assert.fail() }), {
      code: 'ERR_IDENTITY_PROVIDER',
      message: /no login by code/,
    });
    plain.closeAllConnections();
    plain.close();
    await assert.rejects(deviceToken({ issuer: 'http://login.example', showCode: () => assert.fail() }), {
      code: 'ERR_CONFIGURATION',
    });
  });

  it('is remembered where that is wanted, so that the next command does not ask', async () => {
    const cache = new LoginCache(join(folder, 'wanted'));
    let asked = 0;
    const search = {
      env: {},
      audience: 'sigstore',
      login: { issuer },
      cache,
      showCode: (page: URL, code: string) => {
        asked += 1;
        void enterCode(page, code);
      },
    };
    assert.equal((await findToken(search)).source, 'login by code');
    const again = await findToken(search);
    assert.deepEqual([again.source, again.token.email, asked], ['remembered login', 'alice@example.com', 1]);
  }).timeout(30_000);
});

describe('a remembered login', () => {
  let folder: string;
  const key = { issuer: 'https://login.example', clientId: 'sigstore' };
  const token = (claims = {}) => IdentityToken.parse(unsignedToken(claims));

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'signet-login-'));
  });
  after(async () => {
    await rm(folder, { recursive: true });
  });

  it('is for this user, this provider and this client alone', async () => {
    const cache = new LoginCache(folder);
    await cache.keep(key, token());
    assert.equal((await cache.find(key))?.subject, 'subject-1');
    assert.equal(await cache.find({ ...key, clientId: 'other' }), undefined);
    assert.equal(await cache.find({ ...key, issuer: 'https://other.example' }), undefined);
    const [file = ''] = await readdir(folder);
    assert.ok(!file.includes('login.example'));
    if (process.platform !== 'win32') assert.equal((await stat(join(folder, file))).mode & 0o777, 0o600);
  });

  it('is forgotten when it is about to expire, or was not kept by signet', async () => {
    const cache = new LoginCache(folder);
    await cache.keep(key, token({ exp: Math.floor(Date.now() / 1000) + 30 }));
    assert.equal(await cache.find(key), undefined);
    assert.deepEqual(await readdir(folder), []);
    await cache.keep(key, token());
    const [file = ''] = await readdir(folder);
    await writeFile(join(folder, file), 'not json');
    assert.equal(await cache.find(key), undefined);
    if (process.platform === 'win32') return;
    await cache.keep(key, token());
    await chmod(join(folder, file), 0o644);
    assert.equal(await cache.find(key), undefined);
  });
});
