import { setTimeout as sleep } from 'node:timers/promises';
import { parseJson, redact, SignetError } from '@signet/primitives/basics';
import { readBody } from './body.ts';
import { followRedirect } from './redirect.ts';
import type { Transport, TransportAnswer } from './transport.ts';

/** A request to a service, with every bound that a request must have. */
export interface ServiceRequest {
  /** Who is asked, for sentences: "the certificate authority". */
  readonly service: string;
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  /** Milliseconds for one attempt, body included. Default 20 000: a Rekor v2 log may take ten seconds. */
  readonly timeout?: number;
  /** The most bytes an answer may have. Default 1 MiB. */
  readonly maxBytes?: number;
  /** How often and how long to try again. Default {@link defaultRetry}. */
  readonly retry?: RetryPolicy;
  /** Statuses beyond 2xx that the caller wants to see instead of an error. */
  readonly alsoAccept?: readonly number[];
  readonly signal?: AbortSignal | undefined;
  /** What carries the request; for proxies and private TLS roots. Default: `node:http` and `node:https`. A `fetch` is one. */
  readonly transport?: Transport | undefined;
}

/** How several requests reach their services: what carries them, how long each may take, when to give up. */
export type ServiceAccess = Pick<ServiceRequest, 'signal' | 'transport' | 'retry' | 'timeout'>;

/** Bounds of trying again after network errors, 408, 429 and 5xx. */
export interface RetryPolicy {
  /** The most attempts, the first included. */
  readonly attempts: number;
  /** Milliseconds within which the last attempt must have begun. */
  readonly budget: number;
  /** Milliseconds before the second attempt; doubled for each further one, at most 10 s, with jitter. */
  readonly firstDelay: number;
  /** A point in time (milliseconds since 1970) that ends the budget of several requests together. */
  readonly deadline?: number;
}

export const defaultRetry: RetryPolicy = { attempts: 4, budget: 30_000, firstDelay: 250 };

export const noRetry: RetryPolicy = { attempts: 1, budget: 0, firstDelay: 0 };

/** A service's answer, read to its end. */
export interface ServiceResponse {
  readonly status: number;
  readonly headers: TransportAnswer['headers'];
  readonly body: Uint8Array;
}

/**
 * Asks a service and reads its answer within bounds: a time limit per attempt, a size limit, redirects only within the
 * origin, and bounded retries with backoff on network errors, 408, 429 and 5xx. Every request sent through here may be
 * repeated without harm: certificates and timestamps are simply issued anew, and a log answers a duplicate with the entry
 * it has.
 *
 * @throws ERR_NETWORK, ERR_NETWORK_TIMEOUT, ERR_HTTP_STATUS, ERR_HTTP_REDIRECT, ERR_RESPONSE_TOO_LARGE. An
 * {@link HttpStatusError} carries status and body for the caller that can say more.
 */
export async function request(url: URL | string, options: ServiceRequest): Promise<ServiceResponse> {
  const target = checkUrl(url, options.service);
  const policy = options.retry ?? defaultRetry;
  const deadline = policy.deadline ?? Date.now() + policy.budget;
  for (let attempt = 1; ; attempt++) {
    let failure: SignetError;
    let wait = Math.min(policy.firstDelay * 2 ** (attempt - 1), 10_000) * (0.75 + Math.random() / 2);
    try {
      const response = await attemptOnce(target, options);
      if (response.status < 300 || options.alsoAccept?.includes(response.status)) return response;
      failure = new HttpStatusError(options.service, target, response);
      if (!isTransient(response.status)) throw failure;
      wait = Math.max(wait, retryAfter(response.headers));
    } catch (thrown) {
      options.signal?.throwIfAborted();
      if (!(thrown instanceof SignetError) || !isWorthRepeating(thrown)) throw thrown;
      failure = thrown;
    }
    if (attempt >= policy.attempts || Date.now() + wait > deadline) throw failure;
    await sleep(wait, undefined, options.signal ? { signal: options.signal } : {}).catch((thrown: unknown) => {
      throw options.signal?.reason ?? thrown;
    });
  }
}

/** A status that means failure, with what the service said about it. */
export class HttpStatusError extends SignetError {
  readonly status: number;
  readonly body: Uint8Array;

  constructor(service: string, url: URL, response: ServiceResponse) {
    const said = saying(response.body);
    super('ERR_HTTP_STATUS', `${service} (${place(url)}) answers ${response.status}${said ? `: ${said}` : ''}`, {
      expected: 'status 2xx',
      found: `status ${response.status}`,
    });
    this.status = response.status;
    this.body = response.body;
  }
}

/** Where a URL leads, without credentials and query: what may stand in an error. */
export function place(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

/** The sentence inside an error body, whatever its dialect: gRPC gateway, npm, plain text; without secrets. */
export function saying(body: Uint8Array): string {
  const text = Buffer.from(body.buffer, body.byteOffset, Math.min(body.byteLength, 2000)).toString('utf8').trim();
  try {
    const value = parseJson(text, 'answer');
    if (typeof value === 'object' && value !== null) {
      for (const key of ['message', 'error_description', 'error', 'reason', 'detail']) {
        const said = (value as Record<string, unknown>)[key];
        if (typeof said === 'string' && said !== '') return redact(said).slice(0, 500);
      }
    }
  } catch {
    // Not JSON: a proxy's page or plain text. Markup says nothing to a person at a terminal.
    if (text.startsWith('<')) return '';
  }
  return redact(text).slice(0, 300);
}

async function attemptOnce(url: URL, options: ServiceRequest): Promise<ServiceResponse> {
  const limit = AbortSignal.timeout(options.timeout ?? 20_000);
  const signal = options.signal ? AbortSignal.any([limit, options.signal]) : limit;
  try {
    const response = await followRedirect(url, options, signal);
    const body = await readBody(response, options.maxBytes ?? 1 << 20, options.service);
    return { status: response.status, headers: response.headers, body };
  } catch (thrown) {
    if (thrown instanceof SignetError) throw thrown;
    options.signal?.throwIfAborted();
    if (limit.aborted) {
      throw new SignetError(
        'ERR_NETWORK_TIMEOUT',
        `${options.service} (${place(url)}) did not answer within ${(options.timeout ?? 20_000) / 1000} s`,
      );
    }
    throw new SignetError(
      'ERR_NETWORK',
      `${options.service} (${place(url)}) cannot be reached: ${redact(reason(thrown))}`,
    );
  }
}

function checkUrl(url: URL | string, service: string): URL {
  if (typeof url === 'string' && !URL.canParse(url)) {
    throw new SignetError('ERR_SERVICES', `the URL of ${service} is not a URL`, { found: url });
  }
  const target = new URL(url);
  if (target.protocol !== 'https:' && target.protocol !== 'http:') {
    throw new SignetError('ERR_SERVICES', `the URL of ${service} is neither http nor https`, {
      found: target.protocol,
    });
  }
  if (target.username !== '' || target.password !== '') {
    throw new SignetError('ERR_SERVICES', `the URL of ${service} carries a password; URLs are logged and shown`, {
      expected: `${target.origin}${target.pathname}`,
    });
  }
  return target;
}

/** Whether the same request may be answered otherwise a little later (RFC 9110 §15.5.9, RFC 6585 §4). */
export function isTransient(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

function isWorthRepeating(error: SignetError): boolean {
  if (error instanceof HttpStatusError) return isTransient(error.status);
  return error.code === 'ERR_NETWORK' || error.code === 'ERR_NETWORK_TIMEOUT';
}

/** Milliseconds that `Retry-After` asks for (RFC 9110 §10.2.3), seconds or a date; 0 without one. */
function retryAfter(headers: TransportAnswer['headers']): number {
  const value = headers.get('retry-after');
  if (value === null) return 0;
  if (/^\d{1,6}$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? 0 : Math.max(0, date - Date.now());
}

/** `fetch failed` says nothing; the socket's own error beneath it does. */
function reason(thrown: unknown): string {
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown;
  if (cause instanceof AggregateError && cause.errors[0] instanceof Error) return cause.errors[0].message;
  return cause instanceof Error ? cause.message || cause.name : String(cause);
}
