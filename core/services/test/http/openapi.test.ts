import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { utf8 } from '@signet/primitives/formats';
import { generateSigner } from '@signet/primitives/keys';
import { CertificateAuthority, caRoutes, createAuthority, parseIssuers } from '@signet/services/ca';
import { createTimestampChain, TimestampAuthority, tsaRoutes } from '@signet/services/tsa';
import { TufRepository, tufRoutes } from '@signet/services/tuf';
import fastify from 'fastify';

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, { responses: object; requestBody?: object }>>>>;
}

describe('the OpenAPI documents of the services', () => {
  it('name every route, with the schema that judges its body', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'signet-openapi-'));
    const app = fastify();
    try {
      const [rootSigner, signer] = [generateSigner(), generateSigner()];
      const { root, intermediate } = await createAuthority({ name: 'x', rootSigner, intermediateSigner: signer });
      const certificateLog = { addPreChain: () => assert.fail() };
      const issuers = parseIssuers('{"oidc-issuers":{"https://a.example":{"type":"email"}}}');
      const authority = new CertificateAuthority({ signer, chain: [intermediate, root], issuers, certificateLog });
      await app.register(caRoutes(authority), { prefix: '/ca' });
      const stamps = await createTimestampChain({ name: 'x', rootSigner, signer });
      await app.register(tsaRoutes(new TimestampAuthority({ signer, chain: [stamps.leaf, stamps.root] })), {
        prefix: '/tsa',
      });
      const online = generateSigner('PKIX_ED25519');
      const repository = await TufRepository.create({
        directory,
        signers: { online, offline: [online] },
        root: { signers: [online], threshold: 1 },
        targets: new Map([['a', { bytes: utf8('a') }]]),
      });
      await app.register(tufRoutes(repository), { prefix: '/tuf' });
      const expected = {
        ca: [
          '/api/v1/rootCert',
          '/api/v1/signingCert',
          '/api/v2/configuration',
          '/api/v2/signingCert',
          '/api/v2/trustBundle',
        ],
        tsa: ['/api/v1/timestamp', '/api/v1/timestamp/certchain'],
        tuf: ['/{path}'],
      };
      for (const [service, paths] of Object.entries(expected)) {
        const answer = await app.inject(`/${service}/openapi.json`);
        const document = answer.json<Document>();
        assert.equal(document.openapi, '3.1.0');
        assert.deepEqual(Object.keys(document.paths).sort(), [...paths, '/healthz', '/metrics'].sort(), service);
        const text = JSON.stringify(document);
        assert.ok(!text.includes('$ref') && !text.includes('definitions'), service);
        if (service === 'ca') assert.match(text, /"proofOfPossession":\{"type":"string"/);
      }
    } finally {
      await app.close();
      await rm(directory, { recursive: true });
    }
  });
});
