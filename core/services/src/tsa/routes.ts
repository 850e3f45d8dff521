import {
  encodeTimestampRejection,
  fromUtf8,
  parseTimestampRequest,
  SignetError,
  toPem,
} from '@signet/primitives/formats';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { type Operation, serveOpenApi } from '../http/index.ts';
import { readTimestampRequestJson } from './request-json.ts';
import { type TimestampAuthority, TimestampRefusal } from './timestamp-authority.ts';

const queryType = 'application/timestamp-query';
const replyType = 'application/timestamp-reply';
const derLimit = 4 * 1024;
const jsonLimit = 1024;

/**
 * RFC 3161 over HTTP below the authority's base URL, as sigstore/timestamp-authority has it. Whoever asks in DER is
 * refused in DER, with a status of the protocol; whoever asks in JSON gets JSON.
 */
export function tsaRoutes(authority: TimestampAuthority): FastifyPluginAsync {
  return async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(queryType, { parseAs: 'buffer', bodyLimit: derLimit }, (_request, body, done) => {
      done(null, body);
    });
    app.addContentTypeParser(
      'application/json',
      { parseAs: 'buffer', bodyLimit: jsonLimit },
      (_request, body, done) => {
        done(null, body);
      },
    );
    const counts = { granted: 0, refused: 0, failed: 0 };
    app.setErrorHandler((error, request, reply) => {
      if (statusOf(error) >= 500) counts.failed++;
      else counts.refused++;
      answerError(error, request, reply);
    });
    app.setNotFoundHandler((_request, reply) => {
      reply.code(404).send({ code: 404, message: 'Not Found' });
    });

    serveOpenApi(app, { title: 'Timestamp authority', description: 'RFC 3161 over HTTP.' });
    app.post('/api/v1/timestamp', { config: { operation: stampOperation } }, async (request, reply) => {
      const body = bytesOf(request.body);
      const timestampRequest = isDer(request)
        ? parseTimestampRequest(body)
        : readTimestampRequestJson(fromUtf8(body, 'timestamp request'));
      const response = await authority.stamp(timestampRequest);
      counts.granted++;
      return reply.type(replyType).send(Buffer.from(response));
    });
    const chain = authority.chain.map((bytes) => toPem('CERTIFICATE', bytes)).join('');
    app.get(
      '/api/v1/timestamp/certchain',
      { config: get('The authority’s certificates', 'application/pem-certificate-chain') },
      async (_request, reply) => reply.type('application/pem-certificate-chain').send(chain),
    );
    app.get(
      '/healthz',
      { config: get('Whether timestamps can be given', 'application/json') },
      async (_request, reply) => {
        if (authority.isServing) return { status: 'SERVING' };
        return reply.code(503).send({ status: 'NOT_SERVING' });
      },
    );
    app.get('/metrics', { config: get('Counters for Prometheus', 'text/plain') }, async (_request, reply) => {
      const lines = [
        '# TYPE signet_tsa_requests_total counter',
        ...Object.entries(counts).map(([result, count]) => `signet_tsa_requests_total{result="${result}"} ${count}`),
        '# TYPE signet_tsa_serving_until_seconds gauge',
        `signet_tsa_serving_until_seconds ${authority.servingUntil.getTime() / 1000}`,
        ...(authority.driftMilliseconds === undefined
          ? []
          : [
              '# TYPE signet_tsa_clock_drift_seconds gauge',
              `signet_tsa_clock_drift_seconds ${authority.driftMilliseconds / 1000}`,
            ]),
      ];
      return reply.type('text/plain; version=0.0.4').send(`${lines.join('\n')}\n`);
    });
  };
}

const stampOperation: Operation = {
  summary: 'Stamp a digest',
  bodyTypes: [queryType, 'application/json'],
  answers: {
    '200': { type: replyType, description: 'A TimeStampResp in DER; a refusal too, for who asked in DER' },
    '400': { type: 'application/json', description: 'Refused, for who asked in JSON' },
    '413': { type: 'application/json', description: 'The request is too large' },
    '415': { type: 'application/json', description: 'The request is of another type' },
  },
};

function get(summary: string, type: string): { operation: Operation } {
  return { operation: { summary, answers: { '200': { type, description: summary } } } };
}

function isDer(request: FastifyRequest): boolean {
  return request.headers['content-type']?.split(';')[0]?.trim().toLowerCase() === queryType;
}

function bytesOf(body: unknown): Uint8Array {
  if (body instanceof Uint8Array && body.length > 0) return body;
  throw new SignetError('ERR_REQUEST', 'The timestamp request is empty.');
}

function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const status = statusOf(error);
  const facts = { code: error instanceof SignetError ? error.code : 'ERR_INTERNAL', status };
  const message = error instanceof Error ? error.message : String(error);
  if (status >= 500) request.log.error({ ...facts, message }, 'timestamp not issued');
  else request.log.info({ ...facts, message }, 'timestamp refused');
  if (isDer(request) && status !== 413 && status !== 415) {
    // RFC 3161 §2.4.2: the refusal is an answer of the protocol, so the HTTP status is that of an answer.
    const failure = failureOf(error, status);
    const text = status >= 500 ? 'The timestamp authority failed.' : message;
    reply
      .code(200)
      .type(replyType)
      .send(Buffer.from(encodeTimestampRejection(failure, text)));
    return;
  }
  const answers: Record<number, string> = {
    413: 'The timestamp request is too large.',
    415: `The content type must be ${queryType} or application/json.`,
    500: 'Error generating timestamp response',
  };
  reply.code(status).send({ code: status, message: answers[status] ?? message });
}

function failureOf(error: unknown, status: number) {
  if (error instanceof TimestampRefusal) return error.failure;
  if (error instanceof SignetError && error.code === 'ERR_TIMESTAMP_FORMAT') return 'badDataFormat';
  return status >= 500 ? 'systemFailure' : 'badRequest';
}

function statusOf(error: unknown): number {
  if (error instanceof SignetError) return error.code === 'ERR_INPUT_TOO_LARGE' ? 413 : isRefusal(error) ? 400 : 500;
  if (typeof error === 'object' && error !== null && 'statusCode' in error && typeof error.statusCode === 'number') {
    if (error.statusCode >= 400 && error.statusCode < 500) return error.statusCode;
  }
  return 500;
}

function isRefusal(error: SignetError): boolean {
  return ['ERR_REQUEST', 'ERR_TIMESTAMP_REFUSED', 'ERR_TIMESTAMP_FORMAT', 'ERR_DER', 'ERR_ENCODING'].includes(
    error.code,
  );
}
