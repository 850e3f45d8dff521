import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { browserToken } from '@signet/client/identity';
import { after, before, describe, it } from 'mocha';
import Provider from 'oidc-provider';

/** A browser: follows redirects, keeps cookies, submits the one form of each page as a person would. */
async function browse(
  start: URL,
  person: { login: string; refuse?: boolean },
): Promise<{ status: number; page: string; headers: Headers }> {
  const cookies = new Map<string, string>();
  let url = start;
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
    const page = await response.text();
    if (location !== null) {
      url = new URL(location, url);
      // The resolver of this machine may not know localhost; browsers always do.
      if (url.hostname === 'localhost') url.hostname = '127.0.0.1';
      continue;
    }
    const action = /<form[^>]*action="([^"]+)"/.exec(page)?.[1];
    if (action === undefined) return { status: response.status, page, headers: response.headers };
    if (person.refuse) {
      url = new URL(/href="([^"]*abort)"/.exec(page)?.[1] ?? '', url);
      continue;
    }
    url = new URL(action, url);
    const prompt = /name="prompt" value="([^"]+)"/.exec(page)?.[1] ?? '';
    form = new URLSearchParams(prompt === 'login' ? { prompt, login: person.login, password: 'any' } : { prompt });
  }
  throw new Error('the login leads nowhere');
}

describe('a login in the browser', () => {
  let server: Server;
  let issuer: string;
  const seen: URL[] = [];

  before((done) => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    server = createServer();
    server.listen(0, '127.0.0.1', () => {
      issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const provider = new Provider(issuer, {
        clients: [
          {
            client_id: 'sigstore',
            token_endpoint_auth_method: 'none',
            application_type: 'native',
            redirect_uris: ['http://localhost/auth/callback'],
            response_types: ['code'],
            grant_types: ['authorization_code'],
          },
        ],
        jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig', kid: 'test' }] },
        claims: { openid: ['sub'], email: ['email', 'email_verified'] },
        conformIdTokenClaims: false,
        pkce: { required: () => true },
        cookies: { keys: ['test'] },
        findAccount: (_context, id) => ({
          accountId: id,
          claims: () => ({ sub: id, email: id, email_verified: true }),
        }),
      });
      const handle = provider.callback();
      server.on('request', (request, response) => {
        seen.push(new URL(request.url ?? '', issuer));
        void handle(request, response);
      });
      done();
    });
  });
  after((done) => {
    server.closeAllConnections();
    server.close(done);
  });

  it('ends with a token for the person, by PKCE S256 with state and nonce', async () => {
    let page: Promise<{ status: number; page: string; headers: Headers }> | undefined;
    const token = await browserToken({
      issuer,
      openBrowser: (url) => {
        page = browse(url, { login: 'alice@example.com' });
      },
    });
    assert.equal(token.email, 'alice@example.com');
    assert.deepEqual(token.audiences, ['sigstore']);
    assert.equal(token.issuer, issuer);
    const authorization = seen.find((url) => url.pathname === '/auth');
    assert.equal(authorization?.searchParams.get('code_challenge_method'), 'S256');
    assert.ok((authorization?.searchParams.get('state')?.length ?? 0) >= 32);
    assert.ok((authorization?.searchParams.get('nonce')?.length ?? 0) >= 32);
    const shown = await page;
    assert.equal(shown?.status, 200);
    assert.match(shown?.headers.get('content-security-policy') ?? '', /default-src 'none'/);
    assert.doesNotMatch(shown?.page ?? '', /script|code=|state=/);
  });

  it('says so when the provider or the person refuses', async () => {
    await assert.rejects(
      browserToken({ issuer, openBrowser: (url) => void browse(url, { login: '', refuse: true }) }),
      { code: 'ERR_IDENTITY_PROVIDER', message: /access_denied/ },
    );
  });

  it('ignores callbacks with another state and keeps waiting for its own', async () => {
    const forged: number[] = [];
    const token = await browserToken({
      issuer,
      openBrowser: (url) => {
        const back = new URL(url.searchParams.get('redirect_uri') ?? '');
        back.hostname = '127.0.0.1';
        void (async () => {
          for (const query of ['?code=stolen&state=forged', '?code=stolen', ''])
            forged.push((await fetch(`${back.href}${query}`)).status);
          forged.push((await fetch(back.origin)).status);
          await browse(url, { login: 'alice@example.com' });
        })();
      },
    });
    assert.equal(token.email, 'alice@example.com');
    assert.deepEqual(forged, [400, 400, 400, 404]);
  });

  it('ends when nobody logs in, and when it is interrupted', async () => {
    await assert.rejects(browserToken({ issuer, timeout: 50, openBrowser: () => undefined }), {
      code: 'ERR_IDENTITY_TIMEOUT',
    });
    const stop = new AbortController();
    const reason = new Error('interrupted');
    await assert.rejects(browserToken({ issuer, signal: stop.signal, openBrowser: () => stop.abort(reason) }), reason);
  });

  it('is not begun over plain http with another machine, nor with a provider that is not there', async () => {
    await assert.rejects(browserToken({ issuer: 'http://login.example', openBrowser: () => assert.fail() }), {
      code: 'ERR_CONFIGURATION',
    });
    await assert.rejects(browserToken({ issuer: `${issuer}/elsewhere`, openBrowser: () => assert.fail() }), {
      code: 'ERR_IDENTITY_PROVIDER',
    });
  });
});
