import assert from 'node:assert/strict';
import { SignetError } from '@signet/primitives/formats';
import { caRoutes, parseIssuers } from '@signet/services/ca';
import fc from 'fast-check';
import fastify, { type FastifyInstance } from 'fastify';
import { compileTemplate, MissingValueError } from '../../src/ca/go-template.ts';
import { readSigningRequest } from '../../src/ca/signing-request.ts';
import { TokenVerifier } from '../../src/ca/token-verifier.ts';
import { makeAuthority } from './authority.ts';

const runs = { numRuns: 400 };

/** Runs what may throw errors of ours and nothing else. */
function onlyOurErrors(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof SignetError) && !(error instanceof MissingValueError)) throw error;
  }
}

describe('whatever comes from outside', () => {
  let app: FastifyInstance;

  before(async () => {
    const { authority } = await makeAuthority({ 'oidc-issuers': { 'https://a.example': { type: 'email' } } });
    app = fastify();
    await app.register(caRoutes(authority));
  });

  after(() => app.close());

  it('is no reason for templates to fail otherwise than in words', () => {
    const words = [
      '{{',
      '}}',
      '-',
      ' ',
      '.',
      '.url',
      'if',
      'else',
      'end',
      'eq',
      'index',
      '"a"',
      '(',
      ')',
      '`',
      '/*',
      '*/',
      '\\',
      'x',
    ];
    const source = fc.array(fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 3 })), { maxLength: 12 });
    fc.assert(
      fc.property(source, (parts) =>
        onlyOurErrors(() => {
          const text = compileTemplate(parts.join('')).render(new Map([['url', 'x']]));
          assert.equal(typeof text, 'string');
        }),
      ),
      { numRuns: 3000 },
    );
  });

  it('as plain text renders to itself around a field', () => {
    const plain = fc.string().filter((text) => !/\{\{|\}\}|\{$|^\}/.test(text));
    fc.assert(
      fc.property(plain, plain, fc.string(), (before, after, value) => {
        const rendered = compileTemplate(`${before}{{ .claim }}${after}`).render(new Map([['claim', value]]));
        assert.equal(rendered, before + value + after);
      }),
      runs,
    );
  });

  it('is no reason for a configuration to fail otherwise than in words', () => {
    const text = fc.oneof(
      fc.string(),
      fc.json(),
      fc
        .dictionary(
          fc.constantFrom(
            'type',
            'client-id',
            'required-claims',
            'static-jwks',
            'clock-skew',
            'ca-cert',
            'audiences',
            'issuer-claim',
            'subject-domain',
          ),
          fc.jsonValue(),
        )
        .map((issuer) => JSON.stringify({ 'oidc-issuers': { 'https://a.example': { type: 'email', ...issuer } } })),
    );
    fc.assert(
      fc.property(text, (value) => onlyOurErrors(() => void parseIssuers(value))),
      runs,
    );
  });

  it('is no reason for a token to fail otherwise than in words', async () => {
    const verifier = new TokenVerifier(parseIssuers('oidc-issuers: { "https://a.example": { type: email } }'));
    const part = fc.oneof(
      fc.string(),
      fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value)).toString('base64url')),
      fc
        .record({ alg: fc.constantFrom('RS256', 'none', 'HS256'), iss: fc.jsonValue() })
        .map((value) => Buffer.from(JSON.stringify(value)).toString('base64url')),
    );
    const token = fc.array(part, { maxLength: 5 }).map((parts) => parts.join('.'));
    await fc.assert(
      fc.asyncProperty(token, async (value) => {
        await assert.rejects(verifier.verify(value), { name: 'SignetError' });
      }),
      runs,
    );
  });

  it('is no reason for a signing request to fail otherwise than in words', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        await assert.rejects(readSigningRequest(bytes), { code: 'ERR_CSR_FORMAT' });
      }),
      runs,
    );
  });

  it('is answered with a status of the client', async () => {
    const names = [
      'credentials',
      'oidcIdentityToken',
      'publicKeyRequest',
      'publicKey',
      'content',
      'proofOfPossession',
      'certificateSigningRequest',
    ];
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.string(),
        fc.integer(),
        fc.constant(null),
        fc.boolean(),
        fc.array(tie('value'), { maxLength: 2 }),
        tie('object'),
      ),
      object: fc.dictionary(fc.constantFrom(...names), tie('value'), { maxKeys: 4 }),
    }));
    const body = fc.oneof(
      fc.string(),
      value.map((json) => JSON.stringify(json)),
    );
    await fc.assert(
      fc.asyncProperty(body, fc.constantFrom('/api/v2/signingCert', '/api/v1/signingCert'), async (payload, url) => {
        const response = await app.inject({
          method: 'POST',
          url,
          payload,
          headers: { 'content-type': 'application/json' },
        });
        assert(response.statusCode >= 400 && response.statusCode < 500, `${response.statusCode}: ${payload}`);
        assert.equal(response.json().code, 3);
      }),
      runs,
    );
  });
});
