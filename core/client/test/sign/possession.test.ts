import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { IdentityToken } from '@signet/client/identity';
import { tokenRequirements } from '@signet/client/sign';
import { after, before, describe, it } from 'mocha';
import { acceptedIssuer, possessionChallenge } from '../../src/sign/possession.ts';
import { unsignedToken } from '../identity/tokens.ts';

describe('proof of possession', () => {
  let server: Server;
  let caUrl: string;
  /** What a person is told; what the authority published is for the certificate. */
  const requirements = async (login: { issuer: string }) => {
    const { issuers: _issuers, ...told } = await tokenRequirements(caUrl, login);
    return told;
  };
  let configuration: { status: number; body: string };

  before(async () => {
    server = createServer((request, response) => {
      assert.equal(request.url, '/ca/api/v2/configuration');
      response.writeHead(configuration.status).end(configuration.body);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    caUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/ca/`;
  });
  after(() => {
    server.close();
  });

  const issuers = (...entries: readonly object[]) => {
    configuration = { status: 200, body: JSON.stringify({ issuers: entries }) };
  };
  const person = IdentityToken.parse(
    unsignedToken({ iss: 'https://a.example', sub: 'subject-1', email: 'alice@example.com' }),
  );
  const challenge = async (token: IdentityToken) =>
    possessionChallenge(token, await acceptedIssuer(caUrl, token.issuer));

  it('signs the claim that the authority challenges, also where the token has an email', async () => {
    issuers({ issuerUrl: 'https://a.example', audience: 'sigstore', challengeClaim: 'sub' });
    assert.equal(await challenge(person), 'subject-1');
    issuers({ issuerUrl: 'https://a.example', audience: 'sigstore', challengeClaim: 'email' });
    assert.equal(await challenge(person), 'alice@example.com');
  });

  it('does as stock clients where the authority publishes no configuration', async () => {
    configuration = { status: 404, body: '{"code":5}' };
    assert.equal(await challenge(person), 'alice@example.com');
    assert.equal(await challenge(IdentityToken.parse(unsignedToken({}))), 'subject-1');
  });

  it('knows issuers with wildcards, each standing for one label of letters, digits, dash and underscore', async () => {
    issuers({ wildcardIssuerUrl: 'https://oidc.*.example/id/*', audience: 'sigstore', challengeClaim: 'sub' });
    assert.ok(await acceptedIssuer(caUrl, 'https://oidc.eu-1.example/id/ABC_1'));
    for (const other of [
      'https://oidc.eu.evil.example/id/x',
      'https://oidc.eu.example/id/x/y',
      'https://oidc.eu.example/id/',
      'xhttps://oidc.eu.example/id/x',
      'https://oidcxeu.example/id/x',
    ]) {
      await assert.rejects(acceptedIssuer(caUrl, other), { code: 'ERR_CA_REFUSED', found: other });
    }
  });

  it('says which issuers the authority accepts', async () => {
    issuers({ issuerUrl: 'https://b.example', audience: 'sigstore' });
    await assert.rejects(acceptedIssuer(caUrl, 'https://a.example'), {
      code: 'ERR_CA_REFUSED',
      expected: 'https://b.example',
    });
  });

  it('asks for a claim that the token has', async () => {
    issuers({ issuerUrl: 'https://login.example', challengeClaim: 'email' });
    await assert.rejects(challenge(IdentityToken.parse(unsignedToken({}))), {
      code: 'ERR_IDENTITY_TOKEN',
      message: /claim email/,
    });
  });

  it('takes the audience that all issuers share, else sigstore', async () => {
    issuers({ issuerUrl: 'https://a.example', audience: 'acme' }, { issuerUrl: 'https://b.example', audience: 'acme' });
    assert.equal((await tokenRequirements(caUrl, undefined)).audience, 'acme');
    issuers(
      { issuerUrl: 'https://a.example', audience: 'acme' },
      { issuerUrl: 'https://b.example', audience: 'other' },
    );
    assert.equal((await tokenRequirements(caUrl, undefined)).audience, 'sigstore');
  });

  it('sends people only to a login that the authority accepts', async () => {
    issuers({ issuerUrl: 'https://login.acme.example', audience: 'acme' });
    assert.deepEqual(await requirements({ issuer: 'https://login.acme.example' }), {
      audience: 'acme',
      login: { issuer: 'https://login.acme.example', clientId: 'acme' },
    });
    assert.deepEqual(await requirements({ issuer: 'https://phishing.example' }), { audience: 'acme' });
    configuration = { status: 404, body: '{}' };
    assert.deepEqual(await requirements({ issuer: 'https://phishing.example' }), { audience: 'sigstore' });
  });
});
