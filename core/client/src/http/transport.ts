import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';

/** What one request consists of; of what `fetch` takes, only what is used here. Redirects are never followed. */
export interface TransportRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly redirect: 'manual';
  readonly signal: AbortSignal;
}

/** An answer whose body is still to come; a `Response` is one. */
export interface TransportAnswer {
  readonly status: number;
  /** By name, in any case; values of a header that came several times are joined with commas. */
  readonly headers: { get(name: string): string | null };
  readonly body: (AsyncIterable<Uint8Array> & { cancel(): Promise<void> }) | null;
}

/** What carries a request: `fetch`, or anything that does the same. */
export type Transport = (url: string, request: TransportRequest) => Promise<TransportAnswer>;

/**
 * Carries a request by `node:http` and `node:https`, over the connections that their global agents keep open. `fetch` does the same, but
 * loading it takes longer than a signature, and each request through it several times as long.
 */
export const directTransport: Transport = async (url, request) => {
  const target = new URL(url);
  // Not imported: a module namespace of node:http reads all of its members, one of which loads all that fetch consists of.
  const { request: open } = process.getBuiltinModule(target.protocol === 'https:' ? 'node:https' : 'node:http');
  const { method, headers, body, signal } = request;
  // Compression pays on the way through the internet, and costs more than it saves on the way to this machine.
  const encoding = target.protocol === 'https:' ? { 'accept-encoding': 'gzip, br' } : {};
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  const all = { accept: '*/*', 'user-agent': 'signet', ...encoding, ...headers, ...length };
  for (;;) {
    const sent = open(target, { method, headers: all, signal });
    try {
      return await answerOf(await responseTo(sent, body));
    } catch (error) {
      // The server closed a connection that was kept open just when it was used again, and has most probably read nothing. Whether
      // more than a question is sent twice is for the caller to say.
      const { code } = error as NodeJS.ErrnoException;
      if (method !== 'GET' || !sent.reusedSocket || (code !== 'ECONNRESET' && code !== 'EPIPE')) throw error;
    }
  }
};

function responseTo(sent: ClientRequest, body: TransportRequest['body']): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    sent.on('response', resolve);
    // Also heard after the answer has begun, where its body says the same.
    sent.on('error', reject);
    sent.end(body);
  });
}

async function answerOf(response: IncomingMessage): Promise<TransportAnswer> {
  const { headers } = response;
  const body = await decoded(response);
  return {
    status: response.statusCode ?? 0,
    headers: {
      get: (name) => {
        const value = headers[name.toLowerCase()];
        return Array.isArray(value) ? value.join(', ') : (value ?? null);
      },
    },
    body: {
      [Symbol.asyncIterator]: () => body[Symbol.asyncIterator](),
      cancel: async () => {
        response.destroy();
      },
    },
  };
}

/** The body in clear: some servers compress without being asked. What it becomes is limited where it is read. */
async function decoded(response: IncomingMessage): Promise<Readable> {
  const coding = response.headers['content-encoding']?.trim().toLowerCase();
  if (coding === undefined || coding === '' || coding === 'identity') return response;
  const [{ createBrotliDecompress, createGunzip, createInflate }, { pipeline }] = await Promise.all([
    import('node:zlib'),
    import('node:stream'),
  ]);
  const decoders = { gzip: createGunzip, 'x-gzip': createGunzip, deflate: createInflate, br: createBrotliDecompress };
  if (!Object.hasOwn(decoders, coding)) {
    response.destroy();
    throw new Error(`the answer is encoded as ${coding.slice(0, 40)}, which was not asked for`);
  }
  // An error comes out of the decoder, to whoever reads it.
  return pipeline(response, decoders[coding as keyof typeof decoders](), () => undefined);
}
