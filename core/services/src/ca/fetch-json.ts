import http from 'node:http';
import https from 'node:https';

/** How an issuer's documents are fetched. */
export interface FetchJsonOptions {
  /** PEM of the authorities that vouch for the server, instead of the system's. */
  readonly caCertificates?: string;
  /** Sent as `Authorization: Bearer`, only to this URL. */
  readonly bearer?: string;
  /** For the whole answer. Default 5000. */
  readonly timeoutMilliseconds?: number;
  /** Default 512 KiB. */
  readonly maxBytes?: number;
}

const defaultTimeoutMilliseconds = 5000;
const defaultMaxBytes = 512 * 1024;

/**
 * GETs a JSON document from an issuer. Nothing is followed: a redirect would let an issuer's host aim this server at
 * addresses that only it can reach (notes/ca.md P14). The deadline covers the body too, so that a server that trickles
 * cannot hold a request open.
 *
 * @throws Error in words for a log; the caller gives it a code
 */
export async function fetchJson(url: string, options: FetchJsonOptions = {}): Promise<unknown> {
  const target = new URL(url);
  const client = target.protocol === 'https:' ? https : http;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const timeout = options.timeoutMilliseconds ?? defaultTimeoutMilliseconds;
  const deadline = AbortSignal.timeout(timeout);
  const request = client.request(target, {
    method: 'GET',
    signal: deadline,
    agent: false,
    headers: {
      accept: 'application/json',
      'user-agent': 'signet-ca',
      ...(options.bearer === undefined ? {} : { authorization: `Bearer ${options.bearer}` }),
    },
    ...(options.caCertificates === undefined ? {} : { ca: options.caCertificates }),
  });
  const fail = (error: Error) => {
    request.destroy();
    reject(deadline.aborted ? new Error(`no complete answer within ${timeout} ms`) : error);
  };
  request.on('error', fail);
  request.on('response', (response) => {
    const { statusCode = 0 } = response;
    if (statusCode !== 200) {
      fail(
        new Error(statusCode >= 300 && statusCode < 400 ? `it redirects (${statusCode})` : `HTTP status ${statusCode}`),
      );
      return;
    }
    const maxBytes = options.maxBytes ?? defaultMaxBytes;
    const chunks: Buffer[] = [];
    let length = 0;
    response.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > maxBytes) fail(new Error(`the answer is larger than ${maxBytes} bytes`));
      else chunks.push(chunk);
    });
    response.on('error', fail);
    response.on('aborted', () => fail(new Error('the connection broke')));
    response.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
  });
  request.end();
  const text = await promise;
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message would quote the answer.
    throw new Error('the answer is not JSON');
  }
}
