import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { Certificate, toBase64, toPem, utf8 } from '@signet/primitives/formats';
import { caRoutes } from '@signet/services/ca';
import fastify, { type FastifyInstance } from 'fastify';
import { makeAuthority, prove, type TestAuthority } from './authority.ts';
import { IdentityProvider, makeKey } from './identity-provider.ts';

const address = 'alice@example.com';
const prefix = '/-/signet/ca';

describe('the authority over HTTP', () => {
  let provider: IdentityProvider;
  let test: TestAuthority;
  let app: FastifyInstance;
  let log = '';

  before(async () => {
    provider = await IdentityProvider.start('ES256');
    test = await makeAuthority({
      'oidc-issuers': {
        [provider.url]: { type: 'email', 'required-claims': { team: ['a', 'b'] } },
        'https://spiffe.example': { type: 'spiffe', 'spiffe-trust-domain': 'example.org', 'client-id': 'npm' },
      },
      'meta-issuers': { 'https://oidc.eks.*.amazonaws.com/id/*': { type: 'kubernetes' } },
    });
    const stream = new Writable({
      write(chunk, _encoding, done) {
        log += chunk;
        done();
      },
    });
    app = fastify({ logger: { level: 'trace', stream } });
    await app.register(caRoutes(test.authority), { prefix });
  });

  after(async () => {
    await app.close();
    await provider.stop();
  });

  beforeEach(() => {
    log = '';
  });

  const token = (claims = {}) => provider.token({ email: address, email_verified: true, team: 'a', ...claims });

  const post = (path: string, payload: object | string, headers: Record<string, string> = {}) =>
    app.inject({
      method: 'POST',
      url: `${prefix}${path}`,
      headers: { 'content-type': 'application/json', ...headers },
      payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
    });

  async function publicKeyRequest(challenge = address) {
    const { publicKey, proofOfPossession } = await prove(challenge);
    return {
      publicKey: { algorithm: 'ECDSA', content: toPem('PUBLIC KEY', publicKey) },
      proofOfPossession: toBase64(proofOfPossession),
    };
  }

  it('issues by version 2 with the token in the body', async () => {
    const response = await post('/api/v2/signingCert', {
      credentials: { oidcIdentityToken: await token() },
      publicKeyRequest: await publicKeyRequest(),
    });
    assert.equal(response.statusCode, 200);
    const { certificates } = response.json().signedCertificateEmbeddedSct.chain;
    assert.equal(certificates.length, 3);
    const [leaf, intermediate, root] = certificates.map((pem: string) => Certificate.fromPem(pem));
    assert.deepEqual(intermediate.bytes, test.intermediate);
    assert.deepEqual(root.bytes, test.root);
    assert.deepEqual(leaf.subjectAlternativeNames, [{ type: 'email', value: address }]);
  });

  it('issues by version 2 with the token in the header, in snake case', async () => {
    const { publicKey, proofOfPossession } = await publicKeyRequest();
    const response = await post(
      '/api/v2/signingCert',
      { credentials: null, public_key_request: { public_key: publicKey, proof_of_possession: proofOfPossession } },
      { authorization: `Bearer ${await token()}` },
    );
    assert.equal(response.statusCode, 200);
  });

  it('prefers the token in the body', async () => {
    const response = await post(
      '/api/v2/signingCert',
      { credentials: { oidcIdentityToken: await token() }, publicKeyRequest: await publicKeyRequest() },
      { authorization: 'Bearer nonsense' },
    );
    assert.equal(response.statusCode, 200);
  });

  it('issues by version 2 for a signing request', async () => {
    await import('reflect-metadata');
    const x509 = await import('@peculiar/x509');
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
    const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const csr = await x509.Pkcs10CertificateRequestGenerator.create({
      keys,
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    });
    const certificateSigningRequest = toBase64(utf8(csr.toString('pem')));
    const authorization = `Bearer ${await token()}`;
    const second = await post('/api/v2/signingCert', { certificateSigningRequest }, { authorization });
    assert.equal(second.statusCode, 200);
    const first = await post('/api/v1/signingCert', { certificateSigningRequest }, { authorization });
    assert.equal(first.statusCode, 201);
  });

  it('issues by version 1: 201 and a PEM chain', async () => {
    const { publicKey, proofOfPossession } = await prove(address);
    for (const content of [publicKey, utf8(toPem('PUBLIC KEY', publicKey))]) {
      const response = await post(
        '/api/v1/signingCert',
        {
          publicKey: { algorithm: 'ecdsa', content: toBase64(content) },
          signedEmailAddress: toBase64(proofOfPossession),
        },
        { authorization: `Bearer ${await token()}` },
      );
      assert.equal(response.statusCode, 201);
      assert.match(String(response.headers['content-type']), /^application\/pem-certificate-chain/);
      assert.equal(Certificate.listFromPem(response.body).length, 3);
    }
  });

  it('takes no token from the body in version 1', async () => {
    const { publicKey, proofOfPossession } = await prove(address);
    const response = await post('/api/v1/signingCert', {
      credentials: { oidcIdentityToken: await token() },
      publicKey: { content: toBase64(publicKey) },
      signedEmailAddress: toBase64(proofOfPossession),
    });
    assert.equal(response.statusCode, 400);
    assert.equal(response.json().details[0].reason, 'token-missing');
  });

  it('shows its chain in both versions', async () => {
    const bundle = await app.inject(`${prefix}/api/v2/trustBundle`);
    const [chain] = bundle.json().chains;
    assert.deepEqual(
      chain.certificates.map((pem: string) => Certificate.fromPem(pem).bytes),
      [test.intermediate, test.root],
    );
    const root = await app.inject(`${prefix}/api/v1/rootCert`);
    assert.equal(root.statusCode, 200);
    assert.deepEqual(
      Certificate.listFromPem(root.body).map(({ bytes }) => bytes),
      [test.intermediate, test.root],
    );
  });

  it('shows its issuers', async () => {
    const { issuers } = (await app.inject(`${prefix}/api/v2/configuration`)).json();
    assert.deepEqual(issuers[0], {
      issuerUrl: provider.url,
      audience: 'sigstore',
      challengeClaim: 'email',
      spiffeTrustDomain: '',
      issuerType: 'email',
      subjectDomain: '',
      skipEmailVerification: false,
    });
    assert.equal(issuers[1].spiffeTrustDomain, 'example.org');
    assert.equal(issuers[1].audience, 'npm');
    assert.equal(issuers[2].wildcardIssuerUrl, 'https://oidc.eks.*.amazonaws.com/id/*');
  });

  it('says that it serves', async () => {
    assert.deepEqual((await app.inject(`${prefix}/healthz`)).json(), { status: 'SERVING' });
  });

  it('counts what it did', async () => {
    await post('/api/v2/signingCert', { publicKeyRequest: await publicKeyRequest() });
    const { body } = await app.inject(`${prefix}/metrics`);
    assert.match(body, /^signet_ca_certificates_issued_total\{subject="email"\} \d+$/m);
    assert.match(body, /^signet_ca_requests_refused_total\{reason="token-missing"\} \d+$/m);
    assert.match(body, /^signet_ca_serving_until_seconds \d+$/m);
  });

  it('may be used by web pages', async () => {
    const response = await app.inject({ method: 'OPTIONS', url: `${prefix}/api/v2/signingCert` });
    assert.equal(response.statusCode, 204);
    assert.equal(response.headers['access-control-allow-origin'], '*');
  });

  const identity = 'There was an error processing the identity token';
  const refusals: [string, () => Promise<object>, string, object][] = [
    ['no token', async () => ({ publicKeyRequest: await publicKeyRequest() }), identity, { reason: 'token-missing' }],
    [
      'an expired token',
      async () => ({
        credentials: { oidcIdentityToken: await token({ exp: 1 }) },
        publicKeyRequest: await publicKeyRequest(),
      }),
      identity,
      { reason: 'token-expired', claim: 'exp' },
    ],
    [
      'a token for somebody else',
      async () => ({
        credentials: { oidcIdentityToken: await token({ aud: 'x' }) },
        publicKeyRequest: await publicKeyRequest(),
      }),
      identity,
      { reason: 'wrong-audience', claim: 'aud', expected: 'sigstore' },
    ],
    [
      'a claim that is not allowed',
      async () => ({
        credentials: { oidcIdentityToken: await token({ team: 'secret-team' }) },
        publicKeyRequest: await publicKeyRequest(),
      }),
      identity,
      { reason: 'required-claim-mismatch', claim: 'team', expected: '"a" or "b"' },
    ],
    [
      'an unreadable key',
      async () => ({
        credentials: { oidcIdentityToken: await token() },
        publicKeyRequest: { ...(await publicKeyRequest()), publicKey: { content: 'x' } },
      }),
      'The public key supplied in the request could not be parsed',
      {
        reason: 'public-key-unusable',
        expected: 'one PEM block PUBLIC KEY with a key on P-256, P-384 or P-521, RSA or Ed25519',
      },
    ],
    [
      'no key',
      async () => ({ credentials: { oidcIdentityToken: await token() } }),
      'The public key supplied in the request could not be parsed',
      {
        reason: 'public-key-unusable',
        expected: 'one PEM block PUBLIC KEY with a key on P-256, P-384 or P-521, RSA or Ed25519',
      },
    ],
    [
      'a proof over something else',
      async () => ({
        credentials: { oidcIdentityToken: await token() },
        publicKeyRequest: await publicKeyRequest('bob@example.com'),
      }),
      'The signature supplied in the request could not be verified',
      { reason: 'proof-of-possession', claim: 'email', expected: 'a signature over the token\'s claim "email"' },
    ],
    [
      'an unreadable signing request',
      async () => ({ credentials: { oidcIdentityToken: await token() }, certificateSigningRequest: 'AAAA' }),
      'The certificate signing request could not be parsed',
      { reason: 'csr-unusable', expected: 'a PKCS #10 request in PEM' },
    ],
    [
      'a proof that is not base64',
      async () => ({
        credentials: { oidcIdentityToken: await token() },
        publicKeyRequest: { ...(await publicKeyRequest()), proofOfPossession: '!' },
      }),
      'The request is malformed',
      { reason: 'malformed-request', expected: 'proofOfPossession in padded standard base64' },
    ],
  ];
  for (const [what, body, message, details] of refusals) {
    it(`answers ${what} with 400, upstream's sentence and the reason`, async () => {
      const response = await post('/api/v2/signingCert', await body());
      assert.equal(response.statusCode, 400);
      const answer = response.json();
      assert.equal(answer.code, 3);
      assert.equal(answer.message, message);
      const [{ requestId, ...rest }] = answer.details;
      assert.deepEqual(rest, details);
      assert.equal(requestId, response.headers['x-request-id']);
      assert(log.includes(String(requestId)));
    });
  }

  it('refuses a weak key in upstream’s words', async () => {
    const { generateKeyPairSync } = await import('node:crypto');
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const response = await post('/api/v2/signingCert', {
      credentials: { oidcIdentityToken: await token() },
      publicKeyRequest: {
        publicKey: { content: publicKey.export({ type: 'spki', format: 'pem' }) },
        proofOfPossession: 'AAAA',
      },
    });
    assert.equal(response.statusCode, 400);
    assert.equal(response.json().message, 'The public key supplied in the request is insecure');
  });

  it('answers 500 without a word of the inside when the log fails', async () => {
    const { addPreChain } = test.log;
    test.log.addPreChain = async () => {
      throw new Error('disk /dev/sda1 is full');
    };
    const response = await post('/api/v2/signingCert', {
      credentials: { oidcIdentityToken: await token() },
      publicKeyRequest: await publicKeyRequest(),
    });
    test.log.addPreChain = addPreChain;
    assert.equal(response.statusCode, 500);
    assert.equal(response.json().code, 13);
    assert.equal(response.json().message, 'Error entering certificate in CTL');
    assert(!response.body.includes('disk'));
    assert(log.includes('disk /dev/sda1 is full'));
  });

  const malformed: [string, string, number][] = [
    ['no JSON', '{', 400],
    ['an empty body', '', 400],
    ['a list', '[]', 400],
    ['a key that is a number list', '{"publicKeyRequest":{"publicKey":{"content":[1,2]}}}', 400],
    ['more than any request', `{"x":"${'x'.repeat(300_000)}"}`, 413],
    ['a token that is too long', `{"credentials":{"oidcIdentityToken":"${'x'.repeat(60_000)}"}}`, 400],
    ['a prototype', '{"__proto__":{"credentials":{}}}', 400],
  ];
  for (const [what, body, status] of malformed) {
    it(`answers ${status} to ${what}`, async () => {
      const response = await post('/api/v2/signingCert', body);
      assert.equal(response.statusCode, status);
      assert.equal(response.json().code, 3);
      assert.equal(response.json().details[0].requestId, response.headers['x-request-id']);
    });
  }

  it('answers an unknown path with 404 and code 5', async () => {
    const response = await app.inject(`${prefix}/api/v3/signingCert`);
    assert.equal(response.statusCode, 404);
    assert.equal(response.json().code, 5);
  });

  it('never puts a token into an answer or a log', async () => {
    const other = await makeKey('key-1', 'ES256');
    const tokens = await Promise.all([
      token(),
      token({ exp: 1 }),
      token({ aud: 'x' }),
      token({ team: 'c' }),
      token({ email: undefined }),
      token({ iss: 'https://evil.example' }),
      provider.token({}, other),
    ]);
    for (const secret of [...tokens, 'eyJhbGciOiJub25lIn0.c2VjcmV0.c2VjcmV0']) {
      const key = await publicKeyRequest();
      const answers = await Promise.all([
        post('/api/v2/signingCert', { credentials: { oidcIdentityToken: secret }, publicKeyRequest: key }),
        post('/api/v2/signingCert', { publicKeyRequest: key }, { authorization: `Bearer ${secret}` }),
        post('/api/v1/signingCert', { publicKey: { content: 'AAAA' } }, { authorization: `Bearer ${secret}` }),
        post('/api/v2/signingCert', `{"credentials":{"oidcIdentityToken":"${secret}"`),
        post('/api/v2/signingCert', { credentials: { oidcIdentityToken: [secret] } }),
        post('/api/v2/signingCert', {
          publicKeyRequest: { publicKey: { content: secret } },
          credentials: { oidcIdentityToken: secret },
        }),
      ]);
      const [, payload = '', signature = ''] = secret.split('.');
      for (const text of [
        log,
        ...answers.map(({ body }) => body),
        ...answers.map(({ headers }) => JSON.stringify(headers)),
      ]) {
        assert(!text.includes(payload) && !text.includes(signature));
      }
    }
  });
});
