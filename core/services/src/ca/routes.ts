import { randomUUID } from 'node:crypto';
import { redact, SignetError, toPem } from '@signet/primitives/formats';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { type Operation, serveOpenApi } from '../http/index.ts';
import type { CertificateAuthority, IssuedCertificate } from './certificate-authority.ts';
import { errorAnswer } from './http-errors.ts';
import {
  type LegacySigningCertificateJson,
  legacySigningCertificateSchema,
  readLegacySigningCertificateRequest,
  readSigningCertificateRequest,
  type SigningCertificateJson,
  signingCertificateSchema,
} from './http-requests.ts';
import { IssuanceError } from './issuance-error.ts';
import type { Issuer } from './issuer.ts';
import { AuthorityMetrics } from './metrics.ts';

/** Far above any request with an RSA-4096 key and a long token, far below what would cost memory. */
const bodyLimit = 192 * 1024;
const pemChainType = 'application/pem-certificate-chain';

/**
 * Fulcio's HTTP API, version 2 and 1, below the authority's base URL. Handlers translate between JSON and
 * {@link CertificateAuthority} and decide nothing.
 */
export function caRoutes(authority: CertificateAuthority): FastifyPluginAsync {
  return async (app) => {
    const metrics = new AuthorityMetrics(authority);
    app.setErrorHandler((error, request, reply) => answerError(error, request, reply, metrics));
    app.setNotFoundHandler((request, reply) => {
      reply.code(404).send({ code: 5, message: 'Not Found', details: [{ requestId: requestId(request) }] });
    });
    app.addHook('onRequest', async (request, reply) => {
      // Any page may use the authority: what it needs is a token, and there are no cookies.
      reply.header('access-control-allow-origin', '*').header('x-request-id', requestId(request));
    });

    serveOpenApi(app, { title: 'Certificate authority', description: 'Fulcio’s HTTP API, versions 2 and 1.' });
    const chain = authority.chain.map((bytes) => toPem('CERTIFICATE', bytes));
    const embedded = embeddedAnswer(chain);
    app.post<{ Body: SigningCertificateJson }>(
      '/api/v2/signingCert',
      { bodyLimit, schema: { body: signingCertificateSchema }, config: operation(issueSummary, json) },
      async (request, reply) => {
        const issued = await authority.issue(
          readSigningCertificateRequest(request.body, request.headers.authorization),
        );
        recordIssued(request, issued, metrics);
        return reply.type(json).send(embedded(leafPem(issued)));
      },
    );
    app.post<{ Body: LegacySigningCertificateJson }>(
      '/api/v1/signingCert',
      {
        bodyLimit,
        schema: { body: legacySigningCertificateSchema },
        config: operation(issueSummary, pemChainType, '201'),
      },
      async (request, reply) => {
        const issued = await authority.issue(
          readLegacySigningCertificateRequest(request.body, request.headers.authorization),
        );
        recordIssued(request, issued, metrics);
        return reply
          .code(201)
          .type(pemChainType)
          .send([leafPem(issued), ...chain].join('').trimEnd());
      },
    );

    app.get('/api/v2/trustBundle', { config: operation('The authority’s certificates', json) }, async () => ({
      chains: [{ certificates: chain }],
    }));
    app.get(
      '/api/v1/rootCert',
      { config: operation('The authority’s certificates', pemChainType) },
      async (_request, reply) => reply.type(pemChainType).send(chain.join('').trimEnd()),
    );

    const configuration = {
      issuers: [...authority.issuers.issuers, ...authority.issuers.metaIssuers].map(describeIssuer),
    };
    app.get(
      '/api/v2/configuration',
      { config: operation('The issuers whose tokens count', json) },
      async () => configuration,
    );
    app.get('/healthz', { config: operation('Whether certificates can be issued', json) }, async (_request, reply) => {
      if (authority.isServing) return { status: 'SERVING' };
      return reply.code(503).send({ status: 'NOT_SERVING' });
    });
    app.get('/metrics', { config: operation('Counters for Prometheus', 'text/plain') }, async (_request, reply) =>
      reply.type('text/plain; version=0.0.4').send(metrics.toText()),
    );
    app.options('/*', async (_request, reply) =>
      reply
        .code(204)
        .header('access-control-allow-methods', 'GET, POST')
        .header('access-control-allow-headers', 'Authorization, Content-Type')
        .send(),
    );
  };
}

const json = 'application/json';
const issueSummary = 'Issue a certificate for an identity token and a key that is proven to be held';

function operation(summary: string, type: string, status = '200'): { operation: Operation } {
  const refusals = {
    '400': { type: json, description: 'Refused; `details` holds reason, claim and expected value' },
    '500': { type: json, description: 'The authority failed' },
  };
  const answer = { [status]: { type, description: summary } };
  return { operation: { summary, answers: summary === issueSummary ? { ...answer, ...refusals } : answer } };
}

const requestIds = new WeakMap<FastifyRequest, string>();

/** Names a request in the answer and in the log, so that a user's report can be found again. */
function requestId(request: FastifyRequest): string {
  let id = requestIds.get(request);
  if (id === undefined) {
    id = randomUUID();
    requestIds.set(request, id);
  }
  return id;
}

function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply, metrics: AuthorityMetrics): void {
  const id = requestId(request);
  const { status, body } = errorAnswer(error, id);
  if (status >= 500) metrics.countFailed();
  else metrics.countRefused(error instanceof IssuanceError ? error.reason : 'malformed-request');
  // Only words of ours go to the log: neither headers nor body nor other libraries' errors, which may quote either.
  const facts = {
    requestId: id,
    code: error instanceof SignetError ? error.code : 'ERR_INTERNAL',
    ...(error instanceof IssuanceError ? { ...error.details(), found: error.found } : {}),
  };
  if (status >= 500) request.log.error({ ...facts, cause: causes(error) }, 'certificate not issued');
  else request.log.info({ ...facts, message: messageOf(error) }, 'certificate refused');
  reply.code(status).send(body);
}

function messageOf(error: unknown): string {
  return redact(error instanceof Error ? error.message : String(error));
}

/** The messages of an error and of what led to it. */
function causes(error: unknown): string[] {
  const messages: string[] = [];
  for (let current: unknown = error; current instanceof Error && messages.length < 8; current = current.cause) {
    messages.push(messageOf(current));
  }
  return messages;
}

function recordIssued(request: FastifyRequest, { principal }: IssuedCertificate, metrics: AuthorityMetrics): void {
  const { subject, claims } = principal;
  metrics.countIssued(subject.type);
  request.log.info({ requestId: requestId(request), subject, issuer: claims.issuer }, 'certificate issued');
}

/** Makes answers of version 2 as bytes: all of one but the leaf is always the same, and its text is ASCII. */
function embeddedAnswer(chain: readonly string[]): (leaf: string) => Buffer {
  const mark = 'LEAF';
  const answer = { signedCertificateEmbeddedSct: { chain: { certificates: [mark, ...chain] } } };
  const [before = '', after = ''] = JSON.stringify(answer).split(JSON.stringify(mark));
  return (leaf) => Buffer.from(`${before}${JSON.stringify(leaf)}${after}`, 'latin1');
}

function leafPem({ certificate }: IssuedCertificate): string {
  return toPem('CERTIFICATE', certificate);
}

/** OIDCIssuer of Fulcio's fulcio.proto. */
function describeIssuer(issuer: Issuer) {
  return {
    ...(issuer.meta ? { wildcardIssuerUrl: issuer.url } : { issuerUrl: issuer.url }),
    audience: issuer.audiences[0],
    challengeClaim: issuer.challengeClaim,
    spiffeTrustDomain: issuer.spiffeTrustDomain ?? '',
    issuerType: issuer.declaredType,
    subjectDomain: issuer.subjectDomain ?? '',
    skipEmailVerification: issuer.skipEmailVerification,
  };
}
