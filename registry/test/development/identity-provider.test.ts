import assert from 'node:assert/strict';
import { createHash, createPublicKey, type JsonWebKey, randomBytes, verify } from 'node:crypto';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createDevelopmentKeys,
  developmentIdentityProvider,
  emailClaims,
  githubClaims,
  mintToken,
  readDevelopmentKeys,
} from '../../src/development/index.ts';
import { OriginServer } from '../../src/http-server.ts';
import { instanceLayout } from '../../src/layout.ts';
import { type InstanceUrls, instanceUrls } from '../../src/public-url.ts';

function decode(token: string): { header: Record<string, unknown>; claims: Record<string, unknown> } {
  const [header = '', claims = ''] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString());
  return { header: JSON.parse(header), claims: JSON.parse(claims) };
}

async function readJson(url: string): Promise<Record<string, string>> {
  return (await (await fetch(url)).json()) as Record<string, string>;
}

async function verifyWithJwks(token: string, jwksUri = ''): Promise<boolean> {
  const jwks = (await (await fetch(jwksUri)).json()) as { keys: (JsonWebKey & { kid: string })[] };
  const { header } = decode(token);
  const jwk = jwks.keys.find(({ kid }) => kid === header.kid);
  assert.ok(jwk, 'the key that signed is published');
  assert.equal('d' in jwk, false, 'the private part is not');
  const at = token.lastIndexOf('.');
  return verify(
    'sha256',
    Buffer.from(token.slice(0, at)),
    { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' },
    Buffer.from(token.slice(at + 1), 'base64url'),
  );
}

describe('the development identity provider', () => {
  let directory: string;
  let server: OriginServer;
  let urls: InstanceUrls;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-oidc-'));
    const layout = instanceLayout(directory);
    await createDevelopmentKeys(layout);
    server = await OriginServer.listen('127.0.0.1', 0);
    urls = instanceUrls(`http://127.0.0.1:${server.port}`);
    const handler = developmentIdentityProvider(urls, await readDevelopmentKeys(layout));
    server.mount([{ prefix: '/-/signet/oidc', handler }], (_request, response) => response.writeHead(404).end());
  });

  after(async () => {
    await server.stop();
    await rm(directory, { recursive: true });
  });

  /** A browser as far as it matters here: cookies and one redirect at a time. */
  function browser() {
    const cookies = new Map<string, string>();
    return async (url: string, init: RequestInit = {}) => {
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
      const answer = await fetch(url, { ...init, redirect: 'manual', headers: { ...init.headers, cookie } });
      for (const line of answer.headers.getSetCookie()) {
        const [pair = ''] = line.split(';');
        cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
      }
      const location = answer.headers.get('location');
      return { answer, location: location === null ? undefined : new URL(location, url) };
    };
  }

  async function authorize(visit: ReturnType<typeof browser>, redirectUri: string, verifier: string) {
    const discovery = await readJson(`${urls.oidc}/.well-known/openid-configuration`);
    assert.equal(discovery.issuer, urls.oidc);
    const query = new URLSearchParams({
      client_id: 'sigstore',
      response_type: 'code',
      scope: 'openid email',
      redirect_uri: redirectUri,
      state: 'state-1',
      nonce: 'nonce-1',
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    });
    return { discovery, started: await visit(`${discovery.authorization_endpoint}?${query}`) };
  }

  it('signs a person in by one form and gives a token with a verified e-mail address', async () => {
    const visit = browser();
    const verifier = randomBytes(32).toString('base64url');
    const redirectUri = 'http://localhost:34567/auth/callback';
    const { discovery, started } = await authorize(visit, redirectUri, verifier);
    assert.ok(started.location);

    const form = await visit(started.location.href);
    const html = await form.answer.text();
    assert.equal(form.answer.status, 200);
    assert.match(html, /for development only/);
    assert.match(html, /<label for="email">/);
    assert.doesNotMatch(html, /<script/);

    const refused = await visit(started.location.href, {
      method: 'POST',
      body: new URLSearchParams({ email: '"><b>nobody' }),
    });
    assert.equal(refused.answer.status, 400);
    assert.doesNotMatch(await refused.answer.text(), /<b>/);

    let step = await visit(started.location.href, {
      method: 'POST',
      body: new URLSearchParams({ email: 'alice@example.com' }),
    });
    for (let hops = 0; step.location?.href.startsWith(urls.publicUrl) && hops < 5; hops += 1) {
      step = await visit(step.location.href);
    }
    assert.ok(step.location, await step.answer.text());
    assert.ok(step.location.href.startsWith(redirectUri), step.location.href);
    assert.equal(step.location.searchParams.get('state'), 'state-1');

    const answer = await fetch(discovery.token_endpoint ?? '', {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        code: step.location.searchParams.get('code') ?? '',
        redirect_uri: redirectUri,
        client_id: 'sigstore',
        code_verifier: verifier,
      }),
    });
    const { id_token: token } = (await answer.json()) as { id_token: string };
    const { claims } = decode(token);
    assert.equal(claims.iss, urls.oidc);
    assert.equal(claims.aud, 'sigstore');
    assert.equal(claims.email, 'alice@example.com');
    assert.equal(claims.email_verified, true);
    assert.equal(claims.nonce, 'nonce-1');
    assert.ok(await verifyWithJwks(token, discovery.jwks_uri));
  });

  it('gives no code without PKCE, and none to an address that is not loopback', async () => {
    const visit = browser();
    const withoutPkce = new URLSearchParams({
      client_id: 'sigstore',
      response_type: 'code',
      scope: 'openid email',
      redirect_uri: 'http://localhost:1/callback',
    });
    const first = await visit(`${urls.oidc}/auth?${withoutPkce}`);
    assert.equal(first.location?.searchParams.get('error'), 'invalid_request');
    const { started } = await authorize(visit, 'http://elsewhere.example/callback', 'x'.repeat(43));
    assert.equal(started.location, undefined);
    assert.equal(started.answer.status, 400);
  });

  it('mints tokens for people and for CI that verify with the published keys', async () => {
    const keys = await readDevelopmentKeys(instanceLayout(directory));
    const person = mintToken(keys, urls.oidc, emailClaims('bob@example.com'));
    assert.equal(decode(person).claims.email, 'bob@example.com');
    assert.ok(await verifyWithJwks(person, `${urls.oidc}/jwks`));

    const claims = githubClaims({ repository: 'acme/tools', repository_owner_id: '77' });
    const job = mintToken(keys, urls.ciIssuer, claims);
    const discovery = await readJson(`${urls.ciIssuer}/.well-known/openid-configuration`);
    assert.equal(discovery.issuer, urls.ciIssuer);
    assert.equal(decode(job).claims.iss, urls.ciIssuer);
    assert.equal(decode(job).claims.sub, 'repo:acme/tools:ref:refs/heads/main');
    assert.equal(decode(job).claims.job_workflow_ref, 'acme/tools/.github/workflows/release.yml@refs/heads/main');
    assert.equal(decode(job).claims.repository_owner_id, '77');
    assert.ok(await verifyWithJwks(job, discovery.jwks_uri));
  });

  it('does not let claims replace issuer, audience or lifetime', () => {
    for (const claim of ['iss', 'aud', 'exp', 'iat', 'nbf']) {
      assert.throws(() => githubClaims({ [claim]: 'x' }), { code: 'ERR_USAGE' });
    }
  });

  it('has no endpoint that gives a CI token away', async () => {
    for (const path of ['/token', '/auth', '/mint', '']) {
      assert.equal((await fetch(`${urls.ciIssuer}${path}`, { method: 'POST' })).status, 404, path);
    }
  });

  it('answers under its own host name alone', async () => {
    const foreign = await new Promise<number>((resolve, reject) => {
      const asked = request(`${urls.oidc}/jwks`, { headers: { host: 'rebound.example' } }, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      });
      asked.on('error', reject).end();
    });
    assert.equal(foreign, 421);
  });

  it('is refused for a public URL that is not loopback', async () => {
    const keys = await readDevelopmentKeys(instanceLayout(directory));
    for (const url of ['https://npm.acme.example', 'http://127.0.0.1.nip.example', 'http://10.0.0.1:80']) {
      assert.throws(() => developmentIdentityProvider(instanceUrls(url), keys), { code: 'ERR_DEVELOPMENT_ONLY' }, url);
    }
  });

  it('keeps its keys through a second start, readable by their owner alone', async () => {
    const layout = instanceLayout(directory);
    const before = await readFile(layout.development.identityKeys, 'utf8');
    await createDevelopmentKeys(layout);
    assert.equal(await readFile(layout.development.identityKeys, 'utf8'), before);
    if (process.platform !== 'win32') {
      assert.equal((await stat(layout.development.identityKeys)).mode & 0o777, 0o600);
    }
  });
});
