import { type ErrorCode, SignetError } from '@signet/primitives/formats';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { RateLimitError } from '../http/rate-limits.ts';

/** HTTP status of an error that a client can do something about. */
const statuses: Partial<Record<ErrorCode, number>> = {
  ERR_LOG_REQUEST: 400,
  ERR_LOG_SIGNATURE: 400,
  ERR_JSON: 400,
  ERR_ENCODING: 400,
  ERR_LOG_READER: 401,
  ERR_LOG_RANGE: 404,
  ERR_LOG_FROZEN: 405,
  ERR_LOG_ENTRY_SIZE: 413,
  ERR_INPUT_TOO_LARGE: 413,
  ERR_LOG_RATE: 429,
  ERR_LOG_PKI_UNAVAILABLE: 501,
  ERR_LOG_OVERLOADED: 503,
  ERR_LOG_CLOSED: 503,
  ERR_LOG_FULL: 503,
  ERR_LOG_INDEX: 503,
};

/** A request that does not match the OpenAPI document: 422 with a code above 600, as go-openapi answers it. */
export class ValidationError extends SignetError {
  readonly validationCode: number;

  constructor(validationCode: number, message: string) {
    super('ERR_LOG_REQUEST', message);
    this.validationCode = validationCode;
  }
}

/** @param code 601 type, 602 required, 603 too long, 605 pattern, 606 enumeration, 609 too small, 611 too many, 616 unknown */
export function validationError(code: number, message: string): ValidationError {
  return new ValidationError(code, message);
}

/** Rekor's error model (openapi.yaml, Error). */
export function sendError(reply: FastifyReply, status: number, message: string, code = status): FastifyReply {
  return reply.code(status).send({ code, message });
}

/** Turns errors of the log and of Fastify into answers. What is not the client's doing is logged and not told. */
export function handleError(
  error: FastifyError | SignetError,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  if (error instanceof ValidationError) return sendError(reply, 422, error.message, error.validationCode);
  if (error instanceof SignetError) {
    const status = statuses[error.code];
    // Upstream's NotFound has no body, and clients do not expect one.
    if (status === 404) return reply.code(404).send();
    if (error instanceof RateLimitError) reply.header('retry-after', String(error.retryAfter));
    if (status === 503) reply.header('retry-after', '1');
    if (status === 401) reply.header('www-authenticate', 'Bearer');
    if (status !== undefined) return sendError(reply, status, error.message);
  } else if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    const limit = request.routeOptions.bodyLimit;
    const size = request.headers['content-length'];
    const found = size === undefined ? '' : `; this one has ${size} bytes`;
    return sendError(reply, 413, `Request Entity Too Large. Limit set to ${limit}${found}`);
  } else if (error.statusCode !== undefined && error.statusCode < 500) {
    return sendError(reply, error.statusCode, error.message);
  }
  request.log.error({ err: error }, 'request failed');
  return sendError(reply, 500, 'internal error; the server log has the reason');
}
