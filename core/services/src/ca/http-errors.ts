import { type ErrorCode, SignetError } from '@signet/primitives/formats';
import { IssuanceError, type RefusalDetails } from './issuance-error.ts';

/** The body that grpc-gateway gives upstream's errors, with our safe details. */
export interface ErrorBody {
  /** gRPC status: 3 invalid argument, 5 not found, 13 internal. */
  readonly code: number;
  readonly message: string;
  readonly details: readonly (Partial<RefusalDetails> & { readonly requestId: string })[];
}

/** Upstream's sentences (sigstore/fulcio, pkg/server/error.go): clients and their users know them. */
const messages: Partial<Record<ErrorCode, string>> = {
  ERR_TOKEN_REJECTED: 'There was an error processing the identity token',
  ERR_TOKEN_ISSUER: 'There was an error processing the identity token',
  ERR_TOKEN_CLAIM: 'There was an error processing the identity token',
  ERR_TOKEN_REPLAYED: 'There was an error processing the identity token',
  ERR_ISSUER_UNAVAILABLE: 'There was an error processing the identity token',
  ERR_KEY_UNSUPPORTED: 'The public key supplied in the request could not be parsed',
  ERR_KEY_WEAK: 'The public key supplied in the request is insecure',
  ERR_CSR_FORMAT: 'The certificate signing request could not be parsed',
  ERR_PROOF_OF_POSSESSION: 'The signature supplied in the request could not be verified',
  ERR_REQUEST: 'The request is malformed',
};

/**
 * What a client is told of an error. A refused request is 400 with upstream's sentence, a bad token too (upstream never
 * answers 401); a certificate log that fails and everything unforeseen are 500 and say nothing of the inside.
 */
export function errorAnswer(error: unknown, requestId: string): { status: number; body: ErrorBody } {
  if (error instanceof IssuanceError) {
    const message = messages[error.code] ?? 'The request was refused';
    return { status: 400, body: { code: 3, message, details: [{ ...error.details(), requestId }] } };
  }
  const status = httpStatusOf(error);
  if (status !== undefined && status >= 400 && status < 500) {
    const message = status === 413 ? 'The request is too large' : 'The request is malformed';
    return { status, body: { code: 3, message, details: [{ reason: 'malformed-request', requestId }] } };
  }
  const message =
    error instanceof SignetError && error.code === 'ERR_CT_LOG'
      ? 'Error entering certificate in CTL'
      : 'error communicating with CA backend';
  return { status: 500, body: { code: 13, message, details: [{ requestId }] } };
}

/** Fastify's own errors (body too large, unknown media type, not JSON, schema) carry their status. */
function httpStatusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('statusCode' in error)) return undefined;
  return typeof error.statusCode === 'number' ? error.statusCode : undefined;
}
