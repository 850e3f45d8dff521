import { connect as connectSocket, isIP, type Socket } from 'node:net';
import { concat, fromUtf8, SignetError } from '@signet/primitives/formats';
import { IdentityToken } from './identity-token.ts';
import { protobufField, protobufFields } from './protobuf.ts';
import type { TokenSource } from './token-source.ts';

const method = '/SpiffeWorkloadAPI/FetchJWTSVID';
const maximumAnswer = 256 * 1024;
const timeout = 10_000;

/**
 * SPIFFE: the agent of this machine gives the workload a JWT-SVID (SPIFFE Workload API §5 and §6.2; gRPC over HTTP/2 on a local
 * socket). Where `SPIFFE_ENDPOINT_SOCKET` says, and nowhere else: an agent that nobody named is nobody's choice.
 */
export const spiffeToken: TokenSource = {
  name: 'SPIFFE',
  unavailable(env) {
    const given = env.SPIFFE_ENDPOINT_SOCKET;
    if (!given) return 'SPIFFE_ENDPOINT_SOCKET is not set';
    return addressOf(given) === undefined
      ? 'SPIFFE_ENDPOINT_SOCKET is neither unix:///path nor tcp://address:port'
      : undefined;
  },
  async obtain({ env, audience, signal }) {
    const address = addressOf(env.SPIFFE_ENDPOINT_SOCKET ?? '');
    if (address === undefined) throw failure('its address is unknown');
    const message = await call(address, protobufField(1, audience), signal);
    // JWTSVIDResponse.svids = 1; JWTSVID.svid = 2. The first is the default identity of the workload.
    const [svid] = protobufFields(message, 1);
    const [token] = svid === undefined ? [] : protobufFields(svid, 2);
    if (token === undefined) throw failure('it answers without a JWT-SVID');
    return IdentityToken.parse(fromUtf8(token, 'the JWT-SVID'));
  },
};

type Address = { readonly path: string } | { readonly host: string; readonly port: number };

/** SPIFFE Workload Endpoint §4: `unix:///path`, `unix:/path`, or `tcp://` with an address, never a name. */
function addressOf(text: string): Address | undefined {
  const [, path] = /^unix:(?:\/\/)?(\/.+)$/.exec(text) ?? [];
  if (path !== undefined) return { path };
  const url = /^tcp:\/\//.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  const host = url?.hostname.replace(/^\[(.*)\]$/, '$1') ?? '';
  return url !== undefined && isIP(host) > 0 && url.port !== '' ? { host, port: Number(url.port) } : undefined;
}

async function call(address: Address, message: Uint8Array, signal: AbortSignal | undefined): Promise<Uint8Array> {
  // Loaded here: every command that signs knows of this source, and few meet an agent.
  const { connect: connectHttp2 } = await import('node:http2');
  return await new Promise((resolve, reject) => {
    const session = connectHttp2('http://localhost', { createConnection: (): Socket => connectSocket(address) });
    const timer = setTimeout(() => end(failure(`it did not answer within ${timeout / 1000} s`)), timeout);
    const abort = () => end(signal?.reason);
    let ended = false;
    const end = (error: unknown, answer?: Uint8Array) => {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      session.destroy();
      if (answer === undefined) reject(error);
      else resolve(answer);
    };
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted) return abort();
    session.on('error', (error) => end(failure(`it cannot be reached: ${error.message}`)));
    const stream = session.request({
      ':method': 'POST',
      ':path': method,
      'content-type': 'application/grpc',
      te: 'trailers',
      // Workload API §5: without it an agent refuses, so that a browser cannot be made to ask.
      'workload.spiffe.io': 'true',
    });
    const chunks: Uint8Array[] = [];
    let length = 0;
    let status: { readonly code: string; readonly said: string } | undefined;
    const noteStatus = (headers: Readonly<Record<string, unknown>>) => {
      if (headers['grpc-status'] === undefined) return;
      status = { code: String(headers['grpc-status']), said: String(headers['grpc-message'] ?? '') };
    };
    stream.on('response', noteStatus);
    stream.on('trailers', noteStatus);
    stream.on('data', (chunk: Uint8Array) => {
      length += chunk.length;
      if (length > maximumAnswer) end(failure('its answer is too large'));
      else chunks.push(chunk);
    });
    stream.on('error', (error) => end(failure(`it cannot be reached: ${error.message}`)));
    stream.on('end', () => {
      // 7, permission denied: the agent knows no entry for this process.
      if (status !== undefined && status.code !== '0') {
        return end(
          failure(`it refuses (status ${status.code}): ${decodeURIComponentSafely(status.said).slice(0, 300)}`),
        );
      }
      const body = concat(...chunks);
      const size = body.length < 5 ? -1 : new DataView(body.buffer, body.byteOffset).getUint32(1);
      // One message, not compressed (gRPC over HTTP/2, Length-Prefixed-Message).
      if (body[0] !== 0 || size !== body.length - 5) return end(failure('its answer is malformed'));
      end(undefined, body.subarray(5));
    });
    const prefix = new Uint8Array(5);
    new DataView(prefix.buffer).setUint32(1, message.length);
    stream.end(concat(prefix, message));
  });
}

function decodeURIComponentSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function failure(problem: string): SignetError {
  return new SignetError('ERR_IDENTITY_PROVIDER', `the SPIFFE agent gives no token: ${problem}`);
}
