import assert from 'node:assert/strict';
import { createPrivateKey, sign } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { githubClaims, mintToken, readDevelopmentKeys } from '../src/index.ts';
import { type Answer, TestRegistry } from './support/registry.ts';

describe('trusted publishing', () => {
  let registry: TestRegistry;

  before(async () => {
    registry = await TestRegistry.start();
    const { urls, instance } = registry.running;
    const text = await readFile(instance.layout.instanceFile, 'utf8');
    const publishers = [
      { package: '@example/trusted', issuer: urls.ciIssuer, claims: { repository_id: '1001', environment: 'npm' } },
      { package: '@example/trusted', issuer: urls.ciIssuer, claims: { repository_id: '2002' } },
      { packages: ['@example/cog', '@example/wheel'], issuer: urls.ciIssuer, claims: { repository_id: '3003' } },
    ];
    await writeFile(
      instance.layout.instanceFile,
      text.replace('trustedPublishing: []', `trustedPublishing: ${JSON.stringify(publishers)}`),
    );
    await registry.restart();
  });

  after(() => registry.remove());

  /** A token of a CI job as npm asks for it: made out for this registry. */
  async function identity(claims: Record<string, unknown> = {}, change: Record<string, unknown> = {}): Promise<string> {
    const { instance, urls } = registry.running;
    const keys = await readDevelopmentKeys(instance.layout);
    const [header, body] = mintToken(keys, urls.ciIssuer, githubClaims({ environment: 'npm', ...claims })).split('.');
    const payload = JSON.parse(Buffer.from(body ?? '', 'base64url').toString());
    Object.assign(payload, { aud: `npm:${new URL(registry.url).hostname}` }, change);
    const text = `${header}.${Buffer.from(JSON.stringify(payload)).toString('base64url')}`;
    const key = createPrivateKey({ key: keys.privateKey, format: 'jwk' });
    const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
    return `${text}.${signature.toString('base64url')}`;
  }

  async function exchange(token: string, name = '@example%2ftrusted'): Promise<Answer> {
    return registry.fetch(`/-/npm/v1/oidc/token/exchange/package/${name}`, {
      method: 'POST',
      headers: token === '' ? {} : { authorization: `Bearer ${token}` },
    });
  }

  async function publish(name: string, token: string, version = '1.0.0'): Promise<Answer> {
    const { document } = await registry.parcel(name, version);
    return registry.fetch(`/${name.replace('/', '%2f')}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify(document),
    });
  }

  it('gives a job of the configured repository a token for that package, and for nothing else', async () => {
    const answer = await exchange(await identity());
    assert.equal(answer.status, 201, answer.text);
    const { token } = answer.json<{ token: string }>();
    assert.equal((await publish('@example/trusted', token)).status, 201);
    assert.equal((await publish('@example/another', token)).status, 403);
    const headers = { authorization: `Bearer ${token}` };
    const packument = await registry.fetch('/@example%2ftrusted', { headers });
    assert.equal(packument.status, 200);
    const { _rev: revision } = packument.json<{ _rev: string }>();
    const gone = await registry.fetch(`/@example%2ftrusted/-rev/${revision}`, { method: 'DELETE', headers });
    assert.equal(gone.status, 403, gone.text);
    assert.equal((await registry.fetch('/@example%2ftrusted')).status, 200);
  });

  it('lets a group publish each of its packages, and nobody else’s', async () => {
    const [group, other] = [await identity({ repository_id: '3003' }), await identity({ repository_id: '2002' })];
    for (const name of ['@example/cog', '@example/wheel']) {
      const answer = await exchange(group, name.replace('/', '%2f'));
      assert.equal(answer.status, 201, answer.text);
      const { token } = answer.json<{ token: string }>();
      assert.equal((await publish(name, token)).status, 201);
      const others = name === '@example/cog' ? '@example/wheel' : '@example/cog';
      assert.equal(
        (await publish(others, token, '3.0.0')).status,
        403,
        'a token is for the package that it was asked for',
      );
      assert.equal((await exchange(other, name.replace('/', '%2f'))).status, 403);
    }
    assert.equal((await exchange(group)).status, 403);
  });

  it('does not spare the evidence', async () => {
    const { token } = (await exchange(await identity())).json<{ token: string }>();
    const { document } = await registry.parcel('@example/trusted', '2.0.0', { bundle: undefined });
    const answer = await registry.fetch('/@example%2ftrusted', {
      method: 'PUT',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify(document),
    });
    assert.equal(answer.status, 403);
    assert.match(answer.text, /without signed evidence/);
  });

  it('refuses jobs whose claims are not the configured ones, and says which', async () => {
    const other = await exchange(await identity({ repository_id: '9' }));
    assert.equal(other.status, 403);
    assert.match(other.text, /repository_id must be 1001, found 9/);
    assert.equal((await exchange(await identity({ environment: 'staging' }))).status, 403);
    assert.equal((await exchange(await identity({ repository_id: 1001 }))).status, 403, 'a number is not the text');
    assert.equal((await exchange(await identity({ repository_id: '2002', environment: 'x' }))).status, 201);
    assert.equal((await exchange(await identity(), '@example%2funconfigured')).status, 403);
  });

  it('refuses tokens that are for somebody else, expired, altered, unsigned or no tokens', async () => {
    const now = Math.floor(Date.now() / 1000);
    const good = await identity();
    const [header = '', body = ''] = good.split('.');
    const none = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url');
    for (const [what, token] of [
      ['another audience', await identity({}, { aud: 'sigstore' })],
      ['no audience', await identity({}, { aud: undefined })],
      ['expired', await identity({}, { exp: now - 3600, iat: now - 7200 })],
      ['not yet valid', await identity({}, { nbf: now + 3600 })],
      ['without a subject', await identity({}, { sub: undefined })],
      ['altered', `${header}.${body.slice(0, -2)}AA.${good.split('.')[2]}`],
      ['unsigned', `${none}.${body}.`],
      ['nonsense', 'x.y.z'],
      ['missing', ''],
    ] as const) {
      const answer = await exchange(token);
      assert.ok(answer.status === 401 || answer.status === 403, `${what}: ${answer.status} ${answer.text}`);
      if (token !== '') assert.ok(!answer.text.includes(token), what);
    }
    const foreign = await exchange(await identity({}, { iss: 'https://evil.example' }));
    assert.equal(foreign.status, 403);
  });

  it('refuses publish tokens that were made up or altered', async () => {
    const { token } = (await exchange(await identity())).json<{ token: string }>();
    const [content = ''] = token.slice('signet_tp_'.length).split('.');
    const grant = JSON.parse(Buffer.from(content, 'base64url').toString());
    const forged = Buffer.from(JSON.stringify({ ...grant, n: '@example/another' })).toString('base64url');
    for (const bad of [`signet_tp_${forged}.${token.split('.')[1]}`, `${token}x`, 'signet_tp_', 'signet_tp_e30.AAAA']) {
      assert.equal((await publish('@example/another', bad)).status, 401, bad);
    }
  });

  it('keeps identity tokens and publish tokens out of the audit log', async () => {
    const sent = await identity();
    const { token } = (await exchange(sent)).json<{ token: string }>();
    const log = await readFile(registry.running.instance.layout.registry.auditLog, 'utf8');
    assert.match(log, /trusted-publisher:repo:example\/widgets/);
    assert.ok(!log.includes(token) && !log.includes(sent));
  });
});
