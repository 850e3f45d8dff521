import { type ErrorCode, SignetError } from '@signet/primitives/formats';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { RateLimitError } from './rate-limits.ts';

/** HTTP status and gRPC code of an error that a client can do something about. */
const answers: Partial<Record<ErrorCode, readonly [status: number, grpc: number]>> = {
  ERR_LOG_REQUEST: [400, 3],
  ERR_LOG_SIGNATURE: [400, 3],
  ERR_JSON: [400, 3],
  ERR_ENCODING: [400, 3],
  ERR_CT_CHAIN: [400, 3],
  ERR_LOG_READER: [401, 16],
  ERR_LOG_RANGE: [404, 5],
  ERR_TILE_PATH: [404, 5],
  // As upstream says that a log is frozen.
  ERR_LOG_FROZEN: [405, 12],
  ERR_LOG_ENTRY_SIZE: [413, 3],
  ERR_INPUT_TOO_LARGE: [413, 3],
  ERR_LOG_RATE: [429, 8],
  ERR_LOG_OVERLOADED: [503, 14],
  ERR_LOG_CLOSED: [503, 14],
  ERR_LOG_FULL: [503, 14],
  ERR_LOG_INDEX: [503, 14],
};

/** An answer in the way of gRPC's HTTP gateway, which Rekor's clients read. */
export function sendError(reply: FastifyReply, status: number, code: number, message: string): FastifyReply {
  return reply.code(status).send({ code, message, details: [] });
}

/** Turns errors of the log and of Fastify into answers. What is not the client's doing is logged and not told. */
export function handleError(
  error: FastifyError | SignetError,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  if (error instanceof SignetError) {
    const answer = answers[error.code];
    if (answer !== undefined) {
      const [status, code] = answer;
      if (error instanceof RateLimitError) reply.header('retry-after', String(error.retryAfter));
      if (status === 503) reply.header('retry-after', '1');
      if (status === 401) reply.header('www-authenticate', 'Bearer');
      if (status === 405) reply.header('allow', 'GET, HEAD');
      return sendError(reply, status, code, error.message);
    }
  } else if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    const limit = request.routeOptions.bodyLimit;
    const size = request.headers['content-length'];
    const found = size === undefined ? '' : `, and this one has ${size}`;
    return sendError(reply, 413, 3, `the request is too large: this server reads at most ${limit} bytes${found}`);
  } else if (error.statusCode !== undefined && error.statusCode < 500) {
    return sendError(reply, error.statusCode, 3, error.message);
  }
  request.log.error({ err: error }, 'request failed');
  return sendError(reply, 500, 13, 'internal error; the server log has the reason');
}

/** 404 in the same form. */
export function handleNotFound(_request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendError(reply, 404, 5, 'Not Found');
}
