import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { parseJson, SignetError } from '@signet/primitives/formats';
import { Refusal } from './refusal.ts';
import type { Request } from './verdaccio-host.ts';

const decompress = promisify(gunzip);

/** Whether Verdaccio would read the body as JSON. */
export function isJson({ headers }: Request): boolean {
  return mediaType(headers['content-type'] ?? '') === 'application/json';
}

/**
 * Reads a body as JSON in place of Verdaccio, which sets no limit to its depth and takes the last of two keys of one name.
 *
 * @param limit bytes
 * @throws a refusal with status 400, 413 or 415
 */
export async function readJsonBody(request: Request, limit: number): Promise<void> {
  const charset = /;\s*charset\s*=\s*"?([^\s;"]*)/i.exec(request.headers['content-type'] ?? '')?.[1] ?? 'utf-8';
  if (!/^utf-?8$/i.test(charset)) throw new Refusal(415, 'ERR_REQUEST', 'JSON is taken in UTF-8 alone');
  const bytes = await readUpTo(request, limit);
  if (bytes === undefined) throw tooLarge(`The body is too large: at most ${limit} bytes are read`);
  setBody(request, bytes, limit);
}

/**
 * As {@link readJsonBody}, for a body that is compressed with gzip.
 *
 * @param limits bytes before and after decompression
 */
export async function readCompressedBody(
  request: Request,
  limits: { readonly compressed: number; readonly decompressed: number },
): Promise<void> {
  const compressed = await readUpTo(request, limits.compressed);
  if (compressed === undefined) throw tooLarge(`The body is too large: at most ${limits.compressed} bytes are read`);
  let bytes: Uint8Array;
  try {
    bytes = await decompress(compressed, { maxOutputLength: limits.decompressed });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE') {
      throw new Refusal(400, 'ERR_REQUEST', 'The body is not what gzip makes', cause);
    }
    throw tooLarge(`The body is larger than ${limits.decompressed} bytes once it is decompressed`, cause);
  }
  setBody(request, bytes, limits.decompressed);
}

function setBody(request: Request, bytes: Uint8Array, limit: number): void {
  if (bytes.length > 0) {
    try {
      request.body = parseJson(bytes, 'the body', { maxLength: limit });
    } catch (cause) {
      if (!(cause instanceof SignetError)) throw cause;
      throw new Refusal(400, 'ERR_REQUEST', cause.message, cause);
    }
  }
  // Body parsers of Express leave alone what was read.
  request._body = true;
}

/** @returns undefined when there is more; what comes after that is left unread, and the connection open for an answer */
function readUpTo(request: Request, limit: number): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let length = 0;
    const take = (chunk: Uint8Array) => {
      length += chunk.length;
      if (length <= limit) {
        chunks.push(chunk);
        return;
      }
      request.off('data', take);
      resolve(undefined);
    };
    request.on('data', take);
    request.once('end', () => resolve(Buffer.concat(chunks)));
    request.once('error', reject);
  });
}

function mediaType(header: string): string {
  return (header.split(';', 1)[0] ?? '').trim().toLowerCase();
}

function tooLarge(problem: string, cause?: unknown): Refusal {
  return new Refusal(413, 'ERR_INPUT_TOO_LARGE', problem, cause);
}
