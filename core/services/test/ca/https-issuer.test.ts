import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { parseIssuers } from '@signet/services/ca';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { TokenVerifier } from '../../src/ca/token-verifier.ts';

/** A certificate of an authority of its own, for an HTTPS server on 127.0.0.1. */
async function serverCertificate() {
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const [caKeys, keys] = await Promise.all([
    crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']),
    crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']),
  ]);
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=private authority',
    keys: caKeys,
    signingAlgorithm: algorithm,
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  const certificate = await x509.X509CertificateGenerator.create({
    subject: 'CN=127.0.0.1',
    issuer: authority.subject,
    publicKey: keys.publicKey,
    signingKey: caKeys.privateKey,
    signingAlgorithm: algorithm,
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }])],
  });
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const key = `-----BEGIN PRIVATE KEY-----\n${pkcs8.replace(/.{64}/g, '$&\n')}\n-----END PRIVATE KEY-----\n`;
  return { authority: authority.toString('pem'), certificate: certificate.toString('pem'), key };
}

describe('an issuer with a certificate of a private authority', () => {
  let server: Server;
  let url: string;
  let authority: string;
  let token: string;

  before(async () => {
    const tls = await serverCertificate();
    authority = tls.authority;
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const keys = [{ ...(await exportJWK(publicKey)), alg: 'ES256', kid: '1' }];
    server = createServer({ cert: tls.certificate, key: tls.key }, (request, response) => {
      const discovery = { issuer: url, jwks_uri: `${url}/keys`, id_token_signing_alg_values_supported: ['ES256'] };
      response.end(JSON.stringify(request.url === '/keys' ? { keys } : discovery));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    token = await new SignJWT({ iss: url, aud: 'sigstore', sub: 's' })
      .setProtectedHeader({ alg: 'ES256', kid: '1' })
      .setExpirationTime('5m')
      .sign(privateKey);
  });

  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const verifier = (issuer: object) =>
    new TokenVerifier(parseIssuers(JSON.stringify({ 'oidc-issuers': { [url]: { type: 'email', ...issuer } } })));

  it('is believed when ca-cert names that authority', async () => {
    assert.equal((await verifier({ 'ca-cert': authority }).verify(token)).subject, 's');
  });

  it('is not believed without', async () => {
    await assert.rejects(verifier({}).verify(token), { code: 'ERR_ISSUER_UNAVAILABLE', reason: 'issuer-unavailable' });
  });

  it('is not believed when ca-cert names another authority', async () => {
    const other = await serverCertificate();
    await assert.rejects(verifier({ 'ca-cert': other.authority }).verify(token), { code: 'ERR_ISSUER_UNAVAILABLE' });
  });
});
