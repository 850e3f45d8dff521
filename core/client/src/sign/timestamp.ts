import { randomBytes } from 'node:crypto';
import { digest } from '@signet/primitives/crypto';
import {
  encodeTimestampRequest,
  equalBytes,
  parseTimestampResponse,
  SignetError,
  type TimestampToken,
} from '@signet/primitives/formats';
import { HttpStatusError, isTransient, request, type ServiceAccess, saying } from '../http/index.ts';
import { endpoint } from './signing-services.ts';

/** A timestamp that answers our request; whether its authority is trusted is for the verifier. */
export interface IssuedTimestamp {
  /** DER of the TimeStampResp, as bundles carry it. */
  readonly response: Uint8Array;
  readonly token: TimestampToken;
}

/**
 * Obtains an RFC 3161 timestamp over `signature` and checks that it answers this request: the same imprint, the same
 * nonce (RFC 3161 §2.4.2).
 *
 * @throws ERR_TSA_REFUSED, ERR_TSA_RESPONSE, ERR_TSA_MISMATCH, and what `request` throws
 */
export async function requestTimestamp(
  tsaUrl: string,
  signature: Uint8Array,
  http: ServiceAccess = {},
): Promise<IssuedTimestamp> {
  const messageImprint = { algorithm: 'sha256', digest: digest('sha256', signature) } as const;
  // 63 bits: some authorities read the nonce into a signed integer.
  const nonce = randomBytes(8).readBigUInt64BE() >> 1n;
  const response = await ask(
    tsaUrl,
    encodeTimestampRequest({ messageImprint, nonce, certificateRequested: true }),
    http,
  );
  const token = read(response);
  if (token.messageImprint.algorithm !== 'sha256' || !equalBytes(token.messageImprint.digest, messageImprint.digest)) {
    throw new SignetError('ERR_TSA_MISMATCH', 'the timestamp is over other bytes than the signature that was sent');
  }
  if (token.nonce !== nonce) {
    throw new SignetError(
      'ERR_TSA_MISMATCH',
      'the timestamp answers another request: its nonce is not the one that was sent',
    );
  }
  return { response, token };
}

async function ask(tsaUrl: string, query: Uint8Array, http: ServiceAccess): Promise<Uint8Array> {
  const url = /\/timestamp\/?$/.test(tsaUrl) ? tsaUrl : endpoint(tsaUrl, '/api/v1/timestamp');
  try {
    const { body } = await request(url, {
      service: 'the timestamp authority',
      method: 'POST',
      headers: { 'content-type': 'application/timestamp-query', accept: 'application/timestamp-reply' },
      body: Uint8Array.from(query),
      maxBytes: 96 * 1024,
      ...http,
    });
    return body;
  } catch (thrown) {
    if (!(thrown instanceof HttpStatusError) || isTransient(thrown.status)) throw thrown;
    throw new SignetError(
      'ERR_TSA_REFUSED',
      `the timestamp authority refuses (status ${thrown.status}): ${saying(thrown.body)}`,
    );
  }
}

function read(response: Uint8Array): TimestampToken {
  try {
    return parseTimestampResponse(response);
  } catch (cause) {
    throw new SignetError('ERR_TSA_RESPONSE', 'the answer of the timestamp authority is no granted timestamp', {
      cause,
    });
  }
}
