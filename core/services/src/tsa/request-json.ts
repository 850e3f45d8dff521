import { fromBase64, SignetError, type TimestampRequest } from '@signet/primitives/formats';
import { TimestampRefusal } from './timestamp-authority.ts';

const hashes = { sha256: 32, sha384: 48, sha512: 64 } as const;
const maxNonceDigits = 80;

/**
 * Reads the JSON form of a timestamp request (sigstore/timestamp-authority, openapi.yaml):
 * `{artifactHash, hashAlgorithm, certificates, nonce, tsaPolicyOID}`. The nonce is an integer of any size, which
 * JSON.parse alone would round.
 *
 * @throws ERR_REQUEST, ERR_TIMESTAMP_REFUSED
 */
export function readTimestampRequestJson(text: string): TimestampRequest {
  const value = parse(text);
  const hashAlgorithm = value.hashAlgorithm;
  if (hashAlgorithm === 'sha1') throw new TimestampRefusal('badAlg', 'The hash sha1 is too weak to be stamped.');
  if (hashAlgorithm !== 'sha256' && hashAlgorithm !== 'sha384' && hashAlgorithm !== 'sha512') {
    throw malformed('hashAlgorithm', 'sha256, sha384 or sha512');
  }
  if (typeof value.artifactHash !== 'string') throw malformed('artifactHash', 'base64');
  let digest: Uint8Array;
  try {
    digest = fromBase64(value.artifactHash, 'artifactHash');
  } catch (cause) {
    throw malformed('artifactHash', 'base64', cause);
  }
  if (digest.length !== hashes[hashAlgorithm]) throw malformed('artifactHash', `${hashes[hashAlgorithm]} bytes`);
  const { certificates = false, nonce, tsaPolicyOID } = value;
  if (typeof certificates !== 'boolean') throw malformed('certificates', 'true or false');
  if (nonce !== undefined && typeof nonce !== 'bigint') throw malformed('nonce', 'an integer that is not negative');
  if (tsaPolicyOID !== undefined && (typeof tsaPolicyOID !== 'string' || !/^\d+(\.\d+){1,32}$/.test(tsaPolicyOID))) {
    throw malformed('tsaPolicyOID', 'a dotted object identifier');
  }
  return {
    messageImprint: { algorithm: hashAlgorithm, digest },
    certificateRequested: certificates,
    hasExtensions: false,
    ...(nonce === undefined ? {} : { nonce }),
    ...(tsaPolicyOID === undefined || tsaPolicyOID === '' ? {} : { policy: tsaPolicyOID }),
  };
}

function parse(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    // The third argument carries the number's digits as they were written (ECMA-262, JSON.parse source text access).
    value = JSON.parse(text, (key: string, parsed: unknown, context?: { source?: string }) => {
      if (key !== 'nonce' || typeof parsed !== 'number') return parsed;
      const digits = context?.source ?? '';
      return new RegExp(`^\\d{1,${maxNonceDigits}}$`).test(digits) ? BigInt(digits) : parsed;
    });
  } catch (cause) {
    throw new SignetError('ERR_REQUEST', 'The timestamp request is not JSON.', { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SignetError('ERR_REQUEST', 'The timestamp request is not a JSON object.');
  }
  return value as Record<string, unknown>;
}

function malformed(member: string, expected: string, cause?: unknown): SignetError {
  return new SignetError('ERR_REQUEST', `The timestamp request's ${member} is unusable.`, {
    expected,
    ...(cause === undefined ? {} : { cause }),
  });
}
