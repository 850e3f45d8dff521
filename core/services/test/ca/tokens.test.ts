import assert from 'node:assert/strict';
import { createHmac, createPublicKey } from 'node:crypto';
import { parseIssuers } from '@signet/services/ca';
import { type JWK, SignJWT, UnsecuredJWT } from 'jose';
import { IssuerKeySource } from '../../src/ca/issuer-keys.ts';
import { TokenVerifier } from '../../src/ca/token-verifier.ts';
import { MemoryUsedTokens } from '../../src/ca/used-tokens.ts';
import { makeAuthority, prove } from './authority.ts';
import { IdentityProvider, makeKey } from './identity-provider.ts';

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

function verifierFor(
  provider: IdentityProvider,
  issuer: Record<string, unknown> = {},
  clock?: () => Date,
): TokenVerifier {
  return new TokenVerifier(
    parseIssuers(JSON.stringify({ 'oidc-issuers': { [provider.url]: { type: 'email', ...issuer } } })),
    clock,
  );
}

async function refusal(
  promise: Promise<unknown>,
): Promise<{ reason: string; code: string; message: string; claim?: string }> {
  try {
    await promise;
  } catch (error) {
    return error as { reason: string; code: string; message: string };
  }
  throw new Error('the token was accepted');
}

describe('identity tokens', () => {
  let provider: IdentityProvider;
  const now = () => Math.floor(Date.now() / 1000);

  before(async () => {
    provider = await IdentityProvider.start();
  });

  after(() => provider.stop());

  for (const algorithm of ['RS256', 'PS256', 'ES256', 'ES384', 'ES512', 'EdDSA']) {
    it(`are accepted when signed with ${algorithm}`, async () => {
      const other = await IdentityProvider.start(algorithm);
      try {
        const { subject, issuer } = await verifierFor(other).verify(await other.token());
        assert.equal(subject, 'subject-1');
        assert.equal(issuer.url, other.url);
      } finally {
        await other.stop();
      }
    });
  }

  const claims: [string, Record<string, unknown>, string, string][] = [
    ['for another audience', { aud: 'npm' }, 'wrong-audience', 'ERR_TOKEN_REJECTED'],
    ['without audience', { aud: undefined }, 'wrong-audience', 'ERR_TOKEN_REJECTED'],
    ['of an issuer that is not configured', { iss: 'https://evil.example' }, 'issuer-not-trusted', 'ERR_TOKEN_ISSUER'],
    ['of a longer issuer', { iss: 'trailing slash' }, 'issuer-not-trusted', 'ERR_TOKEN_ISSUER'],
    ['whose issuer is a number', { iss: 7 }, 'issuer-not-trusted', 'ERR_TOKEN_ISSUER'],
    ['that expired', { exp: 1_700_000_000 }, 'token-expired', 'ERR_TOKEN_REJECTED'],
    ['without expiry', { exp: undefined }, 'claim-missing', 'ERR_TOKEN_REJECTED'],
    ['whose expiry is a text', { exp: '9999999999' }, 'claim-unusable', 'ERR_TOKEN_REJECTED'],
    ['from the future', { iat: 4_000_000_000 }, 'token-from-the-future', 'ERR_TOKEN_REJECTED'],
    ['that is not valid yet', { nbf: 4_000_000_000 }, 'token-not-yet-valid', 'ERR_TOKEN_REJECTED'],
    ['without subject', { sub: undefined }, 'claim-missing', 'ERR_TOKEN_REJECTED'],
    ['with an empty subject', { sub: '' }, 'claim-missing', 'ERR_TOKEN_CLAIM'],
  ];
  for (const [what, replaced, reason, code] of claims) {
    it(`are refused ${what}`, async () => {
      const changes = replaced.iss === 'trailing slash' ? { iss: `${provider.url}/` } : replaced;
      const error = await refusal(verifierFor(provider).verify(await provider.token(changes)));
      assert.equal(error.reason, reason);
      assert.equal(error.code, code);
    });
  }

  it('may expire within the clock skew that is configured', async () => {
    const token = await provider.token({ exp: now() - 20 });
    assert.equal((await refusal(verifierFor(provider).verify(token))).reason, 'token-expired');
    await verifierFor(provider, { 'clock-skew': '1m' }).verify(token);
  });

  it('are accepted for any of the configured audiences', async () => {
    const verifier = verifierFor(provider, { 'client-id': 'sigstore', audiences: ['npm.acme.example'] });
    await verifier.verify(await provider.token({ aud: 'npm.acme.example' }));
    await verifier.verify(await provider.token({ aud: ['other', 'sigstore'] }));
    assert.equal((await refusal(verifier.verify(await provider.token({ aud: 'other' })))).reason, 'wrong-audience');
  });

  it('are refused unsigned, whatever the spelling of "none"', async () => {
    const unsigned = new UnsecuredJWT({ iss: provider.url, aud: 'sigstore', sub: 's', exp: now() + 60 }).encode();
    assert.equal((await refusal(verifierFor(provider).verify(unsigned))).reason, 'algorithm-not-allowed');
    const [, payload] = unsigned.split('.');
    for (const alg of ['NONE', 'None', '']) {
      const error = await refusal(verifierFor(provider).verify(`${base64url({ alg })}.${payload}.`));
      assert.equal(error.reason, 'algorithm-not-allowed');
    }
  });

  it('are refused when the public key is used as an HMAC secret', async () => {
    const [key] = provider.keys;
    assert(key);
    const pem = createPublicKey({ key: key.publicJwk as import('node:crypto').JsonWebKey, format: 'jwk' }).export({
      type: 'spki',
      format: 'pem',
    });
    const head = `${base64url({ alg: 'HS256', kid: 'key-1' })}.${base64url({ iss: provider.url, aud: 'sigstore', sub: 's', exp: now() + 60 })}`;
    const token = `${head}.${createHmac('sha256', pem).update(head).digest('base64url')}`;
    assert.equal((await refusal(verifierFor(provider).verify(token))).reason, 'algorithm-not-allowed');
  });

  it('are refused with an algorithm that the issuer does not announce', async () => {
    const key = await makeKey('key-1', 'PS256');
    const error = await refusal(verifierFor(provider).verify(await provider.token({}, key)));
    assert.equal(error.reason, 'algorithm-not-allowed');
  });

  it("are refused when signed by another issuer's key of the same id", async () => {
    const key = await makeKey('key-1');
    assert.equal((await refusal(verifierFor(provider).verify(await provider.token({}, key)))).reason, 'bad-signature');
  });

  it('are refused when a claim was changed after signing', async () => {
    const [header, , signature] = (await provider.token()).split('.');
    const payload = base64url({ iss: provider.url, aud: 'sigstore', sub: 'somebody-else', exp: now() + 60 });
    assert.equal(
      (await refusal(verifierFor(provider).verify(`${header}.${payload}.${signature}`))).reason,
      'bad-signature',
    );
  });

  it('are refused with a critical header that is not understood', async () => {
    const [key] = provider.keys;
    assert(key);
    const token = await new SignJWT({ iss: provider.url, aud: 'sigstore', sub: 's', exp: now() + 60 })
      .setProtectedHeader({ alg: 'RS256', kid: 'key-1', crit: ['x-new'], 'x-new': true })
      .sign(key.privateKey, { crit: { 'x-new': true } });
    assert.equal((await refusal(verifierFor(provider).verify(token))).reason, 'malformed-token');
  });

  it('cannot bring their own key', async () => {
    const key = await makeKey('key-1');
    const token = await new SignJWT({ iss: provider.url, aud: 'sigstore', sub: 's', exp: now() + 60 })
      .setProtectedHeader({
        alg: 'RS256',
        kid: 'key-1',
        jwk: key.publicJwk as JWK & { kty: string },
        jku: 'http://127.0.0.1:1/',
      })
      .sign(key.privateKey);
    assert.equal((await refusal(verifierFor(provider).verify(token))).reason, 'bad-signature');
  });

  for (const token of [
    '',
    'x',
    'a.b',
    'a.b.c',
    '....',
    `${base64url({ alg: 'RS256' })}.bm8.x`,
    `${base64url({ alg: 'RS256' })}.${base64url([])}.x`,
    'é.é.é',
  ]) {
    it(`are refused when they are ${JSON.stringify(token)}`, async () => {
      const error = await refusal(verifierFor(provider).verify(token));
      assert.match(error.reason, /^(token-missing|malformed-token|issuer-not-trusted)$/);
    });
  }

  it('are refused when they are larger than any token', async () => {
    const error = await refusal(verifierFor(provider).verify(await provider.token({ padding: 'x'.repeat(40_000) })));
    assert.equal(error.reason, 'token-too-large');
  });

  it('never appear in what their refusal says', async () => {
    const verifier = verifierFor(provider, { 'required-claims': { team: 'a' } });
    const other = await makeKey('key-1');
    for (const token of [
      await provider.token(),
      await provider.token({ aud: 'x' }),
      await provider.token({ exp: 1 }),
      await provider.token({}, other),
      await provider.token({ iss: 'https://evil.example' }),
      'eyJhbGciOiJSUzI1NiJ9.secret-payload.secret-signature',
    ]) {
      const { inspect } = await import('node:util');
      const error = await refusal(verifier.verify(token));
      const shown = inspect(error, { depth: 9, showHidden: true });
      const [, payload = '', signature = ''] = token.split('.');
      assert(!shown.includes(payload) && !shown.includes(signature));
    }
  });

  it('of an issuer with static keys are verified without any request', async () => {
    const silent = await IdentityProvider.start('ES256');
    try {
      const keys = { keys: silent.keys.map((key) => key.publicJwk) };
      const verifier = verifierFor(silent, { 'static-jwks': keys });
      await verifier.verify(await silent.token());
      const other = await makeKey('key-9', 'ES256');
      assert.equal((await refusal(verifier.verify(await silent.token({}, other)))).reason, 'unknown-key');
      assert.equal(silent.requests.size, 0);
    } finally {
      await silent.stop();
    }
  });

  it('of an issuer that is not configured cause no request', async () => {
    const stranger = await IdentityProvider.start();
    try {
      await refusal(verifierFor(provider).verify(await stranger.token()));
      assert.equal(stranger.requests.size, 0);
    } finally {
      await stranger.stop();
    }
  });

  it('without key id are accepted when one of several keys fits', async () => {
    const many = await IdentityProvider.start();
    try {
      await many.addKey(undefined);
      const second = await many.addKey(undefined);
      await verifierFor(many).verify(await many.token({}, second));
      const stranger = await makeKey(undefined);
      assert.equal((await refusal(verifierFor(many).verify(await many.token({}, stranger)))).reason, 'bad-signature');
    } finally {
      await many.stop();
    }
  });
});

describe('keys of an issuer', () => {
  let provider: IdentityProvider;

  beforeEach(async () => {
    provider = await IdentityProvider.start('ES256');
  });

  afterEach(() => provider.stop());

  const fetches = () => provider.requests.get('/keys') ?? 0;

  it('are fetched once for many tokens at the same time', async () => {
    const verifier = verifierFor(provider);
    const tokens = await Promise.all(Array.from({ length: 20 }, () => provider.token()));
    await Promise.all(tokens.map((token) => verifier.verify(token)));
    assert.equal(fetches(), 1);
  });

  it('are accepted at once after a rotation', async () => {
    const verifier = verifierFor(provider);
    await verifier.verify(await provider.token());
    provider.keys = [await makeKey('key-2', 'ES256')];
    await verifier.verify(await provider.token());
    assert.equal(fetches(), 2);
  });

  it('are accepted at once after a rotation without key ids', async () => {
    provider.keys = [await makeKey(undefined, 'ES256')];
    const verifier = verifierFor(provider);
    await verifier.verify(await provider.token());
    provider.keys = [await makeKey(undefined, 'ES256')];
    await verifier.verify(await provider.token());
    assert.equal(fetches(), 2);
  });

  it('are not fetched for every token with an invented key id', async () => {
    const verifier = verifierFor(provider);
    await verifier.verify(await provider.token());
    for (let count = 0; count < 30; count++) {
      const invented = await makeKey(`invented-${count}`, 'ES256');
      assert.equal((await refusal(verifier.verify(await provider.token({}, invented)))).reason, 'unknown-key');
    }
    assert.equal(fetches(), 4);
    await verifier.verify(await provider.token());
  });

  it('earn new fetches with time, are renewed in the background and die when they cannot be renewed', async () => {
    let now = 0;
    const [issuer] = parseIssuers(JSON.stringify({ 'oidc-issuers': { [provider.url]: { type: 'email' } } })).issuers;
    assert(issuer);
    const source = new IssuerKeySource(issuer, () => now);
    let keys = await source.keys();
    for (let count = 0; count < 5; count++) keys = (await source.newerKeys(keys)) ?? keys;
    assert.equal(fetches(), 4);
    now += 10_000;
    keys = (await source.newerKeys(keys)) ?? keys;
    assert.equal(await source.newerKeys(keys), undefined);
    assert.equal(fetches(), 5);

    now += 6 * 60_000;
    assert.equal(await source.keys(), keys);
    while ((await source.keys()) === keys) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(fetches(), 6);

    provider.answers.set('/keys', (_request, response) => response.writeHead(503).end());
    now += 6 * 60_000;
    await source.keys();
    now += 15 * 60_000;
    await assert.rejects(source.keys(), { code: 'ERR_ISSUER_UNAVAILABLE' });
  });

  const bent: [string, (provider: IdentityProvider) => void, RegExp][] = [
    [
      'redirects',
      (p) =>
        p.answers.set('/.well-known/openid-configuration', (_q, r) =>
          r.writeHead(302, { location: `${p.url}/other` }).end(),
        ),
      /redirects/,
    ],
    [
      'redirects to its keys',
      (p) => p.answers.set('/keys', (_q, r) => r.writeHead(307, { location: `${p.url}/other` }).end()),
      /redirects/,
    ],
    ['answers garbage', (p) => p.answers.set('/keys', (_q, r) => r.end('<html>')), /not JSON/],
    ['answers 10 MB', (p) => p.answers.set('/keys', (_q, r) => r.end(Buffer.alloc(10_000_000, 0x20))), /larger than/],
    ['answers an error', (p) => p.answers.set('/keys', (_q, r) => r.writeHead(500).end()), /status 500/],
    ['breaks the connection', (p) => p.answers.set('/keys', (q) => q.socket.destroy()), /./],
    [
      'names another issuer',
      (p) => {
        p.discovery = { issuer: 'https://other.example' };
      },
      /another issuer/,
    ],
    [
      'names no issuer',
      (p) => {
        p.discovery = { issuer: undefined };
      },
      /another issuer/,
    ],
    [
      'has no keys',
      (p) => {
        p.discovery = { jwks_uri: undefined };
      },
      /no jwks_uri/,
    ],
    [
      'keeps its keys in a file',
      (p) => {
        p.discovery = { jwks_uri: 'file:///etc/passwd' };
      },
      /not https/,
    ],
    [
      'signs with secrets only',
      (p) => {
        p.discovery = { id_token_signing_alg_values_supported: ['HS256', 'none'] };
      },
      /no signature algorithm/,
    ],
    ['answers keys that are none', (p) => p.answers.set('/keys', (_q, r) => r.end('{"keys":[1]}')), /malformed/],
  ];
  for (const [what, bend, pattern] of bent) {
    it(`are not taken from an issuer that ${what}`, async () => {
      bend(provider);
      const error = await refusal(verifierFor(provider).verify(await provider.token()));
      assert.equal(error.code, 'ERR_ISSUER_UNAVAILABLE');
      assert.match(error.message, pattern);
    });
  }

  it('are not waited for when the issuer hangs', async function () {
    this.timeout(20_000);
    provider.answers.set('/keys', (_request, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write(' '), 100);
      response.on('close', () => clearInterval(timer));
    });
    const verifier = verifierFor(provider);
    const error = await refusal(verifier.verify(await provider.token()));
    assert.match(error.message, /no complete answer/);
    // The next token does not wait again.
    const again = await refusal(verifier.verify(await provider.token()));
    assert.equal(again, error);
  });

  it('are fetched for each concrete issuer behind a pattern', async () => {
    const url = provider.url.replace('127.0.0.1', 'localhost');
    provider.discovery = { issuer: url, jwks_uri: `${url}/keys` };
    const pattern = url.replace(/:\d+$/, ':*');
    const issuers = parseIssuers(JSON.stringify({ 'meta-issuers': { [pattern]: { type: 'email' } } }));
    const verifier = new TokenVerifier(issuers);
    const { issuer } = await verifier.verify(await provider.token({ iss: url }));
    assert.equal(issuer.url, url);
    await verifier.verify(await provider.token({ iss: url }));
    assert.equal(fetches(), 1);
  });
});

describe('single-use tokens', () => {
  let provider: IdentityProvider;

  before(async () => {
    provider = await IdentityProvider.start('ES256');
  });

  after(() => provider.stop());

  const email = { email: 'a@b.example', email_verified: true };
  const make = () =>
    makeAuthority({ 'oidc-issuers': { [provider.url]: { type: 'email', 'single-use-tokens': true } } });

  for (const [what, claims] of [
    ['with jti', { ...email, jti: 'one' }],
    ['without jti', email],
  ] as const) {
    it(`${what} give one certificate`, async () => {
      const { authority } = await make();
      const token = await provider.token(claims);
      await authority.issue({ token, ...(await prove(email.email)) });
      await assert.rejects(authority.issue({ token, ...(await prove(email.email)) }), {
        code: 'ERR_TOKEN_REPLAYED',
        reason: 'token-used',
      });
    });
  }

  it('are the same token when only the ECDSA signature was rewritten', async () => {
    const { authority } = await make();
    const token = await provider.token(email);
    await authority.issue({ token, ...(await prove(email.email)) });
    const [header, payload, signature = ''] = token.split('.');
    const bytes = Buffer.from(signature, 'base64url');
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    const s = order - BigInt(`0x${bytes.subarray(32).toString('hex')}`);
    const other = Buffer.concat([bytes.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')]);
    const rewritten = `${header}.${payload}.${other.toString('base64url')}`;
    await assert.rejects(authority.issue({ token: rewritten, ...(await prove(email.email)) }), {
      code: 'ERR_TOKEN_REPLAYED',
    });
  });

  it('give one certificate when two ask at the same time', async () => {
    const { authority } = await make();
    const token = await provider.token(email);
    const proofs = [await prove(email.email), await prove(email.email)];
    const results = await Promise.allSettled(proofs.map((proof) => authority.issue({ token, ...proof })));
    assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  });

  it('are not used up by a request that fails', async () => {
    const { authority, log } = await make();
    const token = await provider.token(email);
    await assert.rejects(authority.issue({ token, ...(await prove('nobody')) }), { code: 'ERR_PROOF_OF_POSSESSION' });
    const { bend } = log;
    log.bend = (sct) => ({ ...sct, signature: new Uint8Array(8) });
    await assert.rejects(authority.issue({ token, ...(await prove(email.email)) }), { code: 'ERR_CT_LOG' });
    log.bend = bend;
    await authority.issue({ token, ...(await prove(email.email)) });
  });

  it('are remembered until they expire and refused when memory is full', () => {
    let now = 0;
    const used = new MemoryUsedTokens(() => new Date(now), 2);
    assert(used.take('a', new Date(1000)));
    assert(used.take('b', new Date(2000)));
    assert(!used.take('a', new Date(1000)));
    assert(!used.take('c', new Date(3000)));
    now = 1500;
    assert(used.take('c', new Date(3000)));
    assert(!used.take('b', new Date(2000)));
  });
});
