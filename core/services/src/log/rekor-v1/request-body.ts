import { SignetError, utf8 } from '@signet/primitives/formats';
import type { FastifyRequest } from 'fastify';
import { parseDocument } from 'yaml';

// Reading YAML costs many times what JSON costs, on the thread that answers everybody. What people write by hand is shorter.
const maximumYaml = 256 << 10;

/**
 * The JSON text of a request. Rekor's OpenAPI document takes YAML too, where the content type says so.
 *
 * @throws ERR_LOG_REQUEST, ERR_INPUT_TOO_LARGE
 */
export function requestBody(request: FastifyRequest): Uint8Array {
  if (!Buffer.isBuffer(request.body)) return new Uint8Array();
  const [type = ''] = (request.headers['content-type'] ?? '').split(';');
  return /^application\/(x-)?yaml$/i.test(type.trim()) ? jsonOfYaml(request.body) : request.body;
}

function jsonOfYaml(bytes: Buffer): Uint8Array {
  if (bytes.length > maximumYaml) {
    throw new SignetError(
      'ERR_INPUT_TOO_LARGE',
      `Request Entity Too Large. Limit of YAML set to ${maximumYaml}; this one has ${bytes.length} bytes. Send JSON`,
    );
  }
  const document = read(() => parseDocument(bytes.toString('utf8'), { uniqueKeys: true, version: '1.2' }));
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) throw malformed(problem);
  // Without aliases: a few lines of them would grow to gigabytes.
  return utf8(JSON.stringify(read((): unknown => document.toJS({ maxAliasCount: 0 }))) ?? 'null');
}

/** Whatever a reader of YAML makes of hostile input, nested too deep for example, is the client's doing. */
function read<Result>(reader: () => Result): Result {
  try {
    return reader();
  } catch (cause) {
    throw malformed(cause);
  }
}

function malformed(cause: unknown): SignetError {
  const [reason = ''] = (cause instanceof Error ? cause.message : String(cause)).split('\n');
  return new SignetError('ERR_LOG_REQUEST', `error processing entry: the YAML cannot be read: ${reason}`, { cause });
}
