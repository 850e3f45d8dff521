import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digest } from '@signet/primitives/crypto';
import {
  Certificate,
  encodeTimestampRequest,
  type KeyDetails,
  toBase64,
  toPem,
  utf8,
} from '@signet/primitives/formats';
import { generateSigner } from '@signet/primitives/keys';
import { CertificateAuthority, caRoutes, createAuthority, parseIssuers } from '@signet/services/ca';
import { openCertificateLog } from '@signet/services/log';
import { createTimestampChain, TimestampAuthority, tsaRoutes } from '@signet/services/tsa';
import fastify, { type FastifyPluginAsync } from 'fastify';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { sendLoad } from './authority-load.ts';

const p256 = 'PKIX_ECDSA_P256_SHA_256';
const p384 = 'PKIX_ECDSA_P384_SHA_384';
/** As an instance opens the keys of its services. */
const aside = { aside: true };
const connections = 64;
const seconds = 5;

/**
 * Measures the authorities over HTTP, the load coming from another thread of this process: certificates for a GitHub
 * token with proof, precertificate, a certificate log on disk and SCT; timestamps; and beside them the same certificate
 * twice by @peculiar/x509, which is what issuing with it costs. The processor time of a request, in the server's thread, in
 * the load generator's and in the whole process with both, says what the rates of a busy machine do not.
 */
export async function bench(): Promise<void> {
  process.stdout.write(`${seconds} s each, ${connections} connections, load generator in a second thread\n`);
  process.stdout.write(
    row('', 'per second', 'failures', 'p50 ms', 'p99 ms', 'p99 at half', 'thread us', 'load us', 'process us'),
  );
  for (const [name, root, intermediate] of [['P-384', p384, p384] as const, ['P-256', p256, p256] as const]) {
    await measureAuthority(`certificates, ${name}`, root, intermediate);
  }
  for (const [name, details] of [['P-256', p256] as const, ['P-384', p384] as const]) {
    await measureTimestamps(`timestamps, ${name}`, details);
  }
  for (const [name, curve, hash] of [['P-384', 'P-384', 'SHA-384'] as const, ['P-256', 'P-256', 'SHA-256'] as const]) {
    process.stdout.write(row(`@peculiar/x509 alone, ${name}`, (await peculiarRate(curve, hash)).toFixed(0)));
  }
}

function row(name: string, ...columns: string[]): string {
  return `${name.padEnd(32)}${columns.map((column) => column.padStart(14)).join('')}\n`;
}

async function measure(
  name: string,
  routes: FastifyPluginAsync,
  path: string,
  contentType: string,
  bodies: Uint8Array[],
) {
  const app = fastify();
  await app.register(routes);
  const url = `${await app.listen({ port: 0, host: '127.0.0.1' })}${path}`;
  try {
    const load = { url, contentType, bodies, connections };
    await sendLoad({ ...load, seconds: 1 });
    const [threadBefore, processBefore] = [process.threadCpuUsage(), process.cpuUsage()];
    const full = await sendLoad({ ...load, seconds });
    const [thread, whole] = [process.threadCpuUsage(threadBefore), process.cpuUsage(processBefore)];
    const [ofThread, ofProcess] = [thread, whole].map(({ user, system }) =>
      ((user + system) / (full.perSecond * seconds)).toFixed(0),
    );
    const half = await sendLoad({ ...load, seconds, rate: full.perSecond / 2 });
    const numbers = [full.perSecond, full.failures + half.failures].map((number) => number.toFixed(0));
    process.stdout.write(
      row(
        name,
        ...numbers,
        ...[full.p50, full.p99, half.p99].map((number) => number.toFixed(1)),
        `${ofThread}`,
        full.cost.toFixed(0),
        `${ofProcess}`,
      ),
    );
  } finally {
    await app.close();
  }
}

async function measureAuthority(name: string, rootDetails: KeyDetails, intermediateDetails: KeyDetails) {
  const directory = await mkdtemp(join(tmpdir(), 'signet-bench-'));
  const issuer = await startIssuer();
  const rootSigner = generateSigner(rootDetails);
  const signer = generateSigner(intermediateDetails, aside);
  const notBefore = new Date(Date.now() - 60_000);
  const { root, intermediate } = await createAuthority({
    name: 'bench',
    rootSigner,
    intermediateSigner: signer,
    notBefore,
  });
  const logSigner = generateSigner(p256, aside);
  const certificateLog = await openCertificateLog({
    directory: join(directory, 'ct'),
    origin: 'bench.example/ct',
    signer: logSigner,
    acceptedRoots: [root],
  });
  try {
    const authority = new CertificateAuthority({
      signer,
      chain: [intermediate, root],
      issuers: parseIssuers(JSON.stringify({ 'oidc-issuers': { [issuer.url]: { type: 'github-workflow' } } })),
      certificateLog: { addPreChain: (chain) => certificateLog.addIssued(chain) },
      certificateLogKey: logSigner.publicKey.spki,
      certificateLogIsHere: true,
    });
    const bodies = await Promise.all(Array.from({ length: 64 }, () => certificateRequest(issuer)));
    await measure(name, caRoutes(authority), '/api/v2/signingCert', 'application/json', bodies);
  } finally {
    await certificateLog.close();
    issuer.server.close();
    await rm(directory, { recursive: true });
  }
}

interface BenchIssuer {
  readonly url: string;
  readonly server: Server;
  readonly privateKey: Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];
}

/** An OpenID issuer with one RSA key. */
async function startIssuer(): Promise<BenchIssuer> {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  const keys = [{ ...(await exportJWK(publicKey)), kid: '1', alg: 'RS256' }];
  let url = '';
  const server = createServer((request, response) => {
    const discovery = { issuer: url, jwks_uri: `${url}/keys`, id_token_signing_alg_values_supported: ['RS256'] };
    response.end(JSON.stringify(request.url === '/keys' ? { keys } : discovery));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, server, privateKey };
}

async function certificateRequest(issuer: BenchIssuer): Promise<Uint8Array> {
  const subject = 'repo:example-organization/example-package:ref:refs/tags/v1.2.3';
  const workflow = 'example-organization/example-package/.github/workflows/release.yml@refs/tags/v1.2.3';
  const sha = '0123456789abcdef0123456789abcdef01234567';
  const token = await new SignJWT({
    sub: subject,
    event_name: 'push',
    sha,
    workflow: 'Release',
    repository: 'example-organization/example-package',
    ref: 'refs/tags/v1.2.3',
    job_workflow_ref: workflow,
    job_workflow_sha: sha,
    runner_environment: 'github-hosted',
    repository_id: '123456789',
    repository_owner: 'example-organization',
    repository_owner_id: '987654321',
    workflow_ref: workflow,
    workflow_sha: sha,
    run_id: '1234567890',
    run_attempt: '1',
    repository_visibility: 'private',
    environment: 'npm',
  })
    .setProtectedHeader({ alg: 'RS256', kid: '1' })
    .setIssuer(issuer.url)
    .setAudience('sigstore')
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(issuer.privateKey);
  const signer = generateSigner(p256);
  return utf8(
    JSON.stringify({
      credentials: { oidcIdentityToken: token },
      publicKeyRequest: {
        publicKey: { algorithm: 'ECDSA', content: toPem('PUBLIC KEY', signer.publicKey.spki) },
        proofOfPossession: toBase64(await signer.sign(utf8(subject))),
      },
    }),
  );
}

async function measureTimestamps(name: string, details: KeyDetails) {
  const signer = generateSigner(details, aside);
  const { root, leaf } = await createTimestampChain({ name: 'bench', rootSigner: generateSigner(p384), signer });
  const authority = new TimestampAuthority({ signer, chain: [leaf, root] });
  const bodies = Array.from({ length: 64 }, (_, index) =>
    encodeTimestampRequest({
      messageImprint: { algorithm: 'sha256', digest: new Uint8Array(digest('sha256', Uint8Array.of(index))) },
      nonce: BigInt(index + 1),
      certificateRequested: true,
    }),
  );
  await measure(name, tsaRoutes(authority), '/api/v1/timestamp', 'application/timestamp-query', bodies);
}

/** Issuances per second when @peculiar/x509 writes precertificate and certificate, without any of the other work. */
async function peculiarRate(namedCurve: string, hash: string): Promise<number> {
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  const algorithm = { name: 'ECDSA', namedCurve, hash };
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const leafKeys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const extensions = [
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.codeSigning]),
    ...Array.from(
      { length: 22 },
      (_, arc) => new x509.Extension(`1.3.6.1.4.1.57264.1.${arc + 8}`, false, utf8('0c'.repeat(30))),
    ),
  ];
  const create = () =>
    x509.X509CertificateGenerator.create({
      issuer: 'CN=bench',
      publicKey: leafKeys.publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: algorithm,
      extensions,
    });
  let count = 0;
  const start = performance.now();
  while (performance.now() - start < 2000) {
    await create();
    Certificate.parse(new Uint8Array((await create()).rawData));
    count++;
  }
  return (count * 1000) / (performance.now() - start);
}
