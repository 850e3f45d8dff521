import http from 'node:http';
import https from 'node:https';

/** How a JSON document is fetched from another server. */
export interface FetchJsonOptions {
  /** PEM of the authorities that vouch for the server, instead of the system's. */
  readonly caCertificates?: string;
  /** Sent as `Authorization: Bearer`, only to this URL. */
  readonly bearer?: string;
  /** For the whole answer. Default 5000. */
  readonly timeoutMilliseconds?: number;
  /** Default 512 KiB. */
  readonly maxBytes?: number;
  /** Posted as JSON; absent: the document is fetched by GET. */
  readonly body?: unknown;
}

const defaultTimeoutMilliseconds = 5000;
const defaultMaxBytes = 512 * 1024;

/**
 * Fetches a JSON document. Nothing is followed: a redirect would let the other host aim this server at addresses that
 * only it can reach (notes/ca.md P14). The deadline covers the body too, so that a server that trickles
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
  const body = options.body === undefined ? undefined : Buffer.from(JSON.stringify(options.body));
  const request = client.request(target, {
    method: body === undefined ? 'GET' : 'POST',
    signal: deadline,
    agent: false,
    headers: {
      accept: 'application/json',
      'user-agent': 'signet-ca',
      ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': body.length }),
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
  request.end(body);
  const text = await promise;
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message would quote the answer.
    throw new Error('the answer is not JSON');
  }
}
