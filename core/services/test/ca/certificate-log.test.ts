import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Certificate, embeddedScts } from '@signet/primitives/formats';
import { generateSigner } from '@signet/primitives/keys';
import {
  CertificateAuthority,
  createAuthority,
  type PrecertificateLog,
  parseIssuers,
  remotePrecertificateLog,
} from '@signet/services/ca';
import { type CertificateLog, ctRoutes, openCertificateLog } from '@signet/services/log';
import fastify, { type FastifyInstance } from 'fastify';
import { prove } from './authority.ts';
import { IdentityProvider } from './identity-provider.ts';

describe('an authority with a certificate log', () => {
  let provider: IdentityProvider;
  let directory: string;
  let log: CertificateLog;
  let app: FastifyInstance;
  let url: string;
  let chain: { root: Uint8Array; intermediate: Uint8Array };
  const signer = generateSigner('PKIX_ECDSA_P384_SHA_384');
  const logSigner = generateSigner('PKIX_ECDSA_P256_SHA_256');

  before(async () => {
    provider = await IdentityProvider.start('ES256');
    directory = await mkdtemp(join(tmpdir(), 'signet-ct-'));
    chain = await createAuthority({
      name: 'a',
      rootSigner: generateSigner('PKIX_ECDSA_P384_SHA_384'),
      intermediateSigner: signer,
    });
    log = await openCertificateLog({
      directory: join(directory, 'ct'),
      origin: 'ct.test',
      signer: logSigner,
      acceptedRoots: [chain.root],
    });
    app = fastify();
    await app.register(ctRoutes(log));
    url = await app.listen({ port: 0, host: '127.0.0.1' });
  });

  after(async () => {
    await app.close();
    await log.close();
    await provider.stop();
    await rm(directory, { recursive: true });
  });

  async function issueWith(certificateLog: PrecertificateLog) {
    const authority = new CertificateAuthority({
      signer,
      chain: [chain.intermediate, chain.root],
      issuers: parseIssuers(JSON.stringify({ 'oidc-issuers': { [provider.url]: { type: 'email' } } })),
      certificateLog,
      certificateLogKey: logSigner.publicKey.spki,
    });
    const token = await provider.token({ email: 'a@b.example', email_verified: true });
    const { certificate } = await authority.issue({ token, ...(await prove('a@b.example')) });
    return embeddedScts(Certificate.parse(certificate));
  }

  it('in its own process embeds the promise of that log', async () => {
    const [sct] = await issueWith(log);
    assert.deepEqual(Buffer.from(sct?.logId ?? []), Buffer.from(log.logId));
  });

  it('by its URL embeds the promise of that log', async () => {
    const [sct] = await issueWith(remotePrecertificateLog({ url: `${url}/` }));
    assert.deepEqual(Buffer.from(sct?.logId ?? []), Buffer.from(log.logId));
  });

  it('that does not accept its root issues nothing', async () => {
    const other = await openCertificateLog({
      directory: join(directory, 'other'),
      origin: 'other.test',
      signer: logSigner,
      acceptedRoots: [],
    });
    try {
      await assert.rejects(issueWith(other), { code: 'ERR_CT_LOG' });
    } finally {
      await other.close();
    }
  });

  const answers: [string, number, string][] = [
    ['an error', 503, '{}'],
    ['a redirect', 302, '{}'],
    ['garbage', 200, 'garbage'],
    ['null', 200, 'null'],
    ['another version', 200, '{"sct_version":1,"id":"","timestamp":1,"extensions":"","signature":""}'],
    ['a short id', 200, '{"sct_version":0,"id":"AAAA","timestamp":1,"extensions":"","signature":"BAMAAA=="}'],
    ['no base64', 200, '{"sct_version":0,"id":"!","timestamp":1,"extensions":"","signature":""}'],
    ['a megabyte', 200, ' '.repeat(1_000_000)],
  ];
  for (const [what, status, body] of answers) {
    it(`by a URL that answers ${what} issues nothing`, async () => {
      const server = createServer((_request, response) => response.writeHead(status, { location: url }).end(body));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      try {
        await assert.rejects(issueWith(remotePrecertificateLog({ url: `http://127.0.0.1:${port}` })), {
          code: 'ERR_CT_LOG',
        });
      } finally {
        server.closeAllConnections();
        server.close();
      }
    });
  }

  it('is not made from a URL that is none', () => {
    assert.throws(() => remotePrecertificateLog({ url: 'ct.example' }), { code: 'ERR_CT_LOG' });
    assert.throws(() => remotePrecertificateLog({ url: 'file:///ct' }), { code: 'ERR_CT_LOG' });
  });
});
