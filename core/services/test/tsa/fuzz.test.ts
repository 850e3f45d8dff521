import assert from 'node:assert/strict';
import { encodeTimestampRequest, parseDer, parseTimestampResponse } from '@signet/primitives/formats';
import { generateSigner } from '@signet/primitives/keys';
import { createTimestampChain, TimestampAuthority, tsaRoutes } from '@signet/services/tsa';
import fc from 'fast-check';
import fastify, { type FastifyInstance } from 'fastify';

describe('whatever the timestamp authority is asked', () => {
  let app: FastifyInstance;

  before(async () => {
    const signer = generateSigner('PKIX_ECDSA_P256_SHA_256');
    const { root, leaf } = await createTimestampChain({
      name: 'a',
      rootSigner: generateSigner('PKIX_ECDSA_P384_SHA_384'),
      signer,
    });
    app = fastify();
    await app.register(tsaRoutes(new TimestampAuthority({ signer, chain: [leaf, root] })));
  });

  after(() => app.close());

  const post = (payload: Buffer | string, type: string) =>
    app.inject({ method: 'POST', url: '/api/v1/timestamp', payload, headers: { 'content-type': type } });

  it('in DER is answered in DER, granted or rejected', async () => {
    const good = encodeTimestampRequest({
      messageImprint: { algorithm: 'sha256', digest: new Uint8Array(32) },
      nonce: 5n,
      certificateRequested: true,
    });
    const damaged = fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([index, byte]) => {
      const bytes = Uint8Array.from(good);
      bytes[index] = byte;
      return bytes;
    });
    const anything = fc.oneof(damaged, fc.uint8Array({ minLength: 1, maxLength: 100 }));
    await fc.assert(
      fc.asyncProperty(anything, async (bytes) => {
        const response = await post(Buffer.from(bytes), 'application/timestamp-query');
        assert.equal(response.statusCode, 200);
        const [statusInfo, token] = parseDer(new Uint8Array(response.rawPayload)).sequence();
        const status = statusInfo?.sequence()[0]?.integer();
        assert.equal(status, token === undefined ? 2n : 0n);
      }),
      { numRuns: 500 },
    );
  });

  it('in JSON keeps every nonce exactly', async () => {
    await fc.assert(
      fc.asyncProperty(fc.bigInt({ min: 0n, max: (1n << 256n) - 1n }), async (nonce) => {
        const body = `{"artifactHash":"${Buffer.alloc(32).toString('base64')}","hashAlgorithm":"sha256","nonce":${nonce}}`;
        const response = await post(body, 'application/json');
        assert.equal(response.statusCode, 200, response.body);
        assert.equal(parseTimestampResponse(new Uint8Array(response.rawPayload)).nonce, nonce);
      }),
      { numRuns: 100 },
    );
  });

  it('in JSON otherwise is answered with 400', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.json({ maxDepth: 2 })), async (body) => {
        assert.equal((await post(body, 'application/json')).statusCode, 400);
      }),
      { numRuns: 300 },
    );
  });
});
