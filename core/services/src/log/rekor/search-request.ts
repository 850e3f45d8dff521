import { hash } from 'node:crypto';
import {
  Certificate,
  fromBase64,
  fromHex,
  fromUtf8,
  parseJson,
  parsePem,
  SignetError,
} from '@signet/primitives/formats';
import { indexedClaims, type SearchTerm } from '../search/search-keys.ts';
import { requestError } from './proto-message.ts';
import type { ShardedQuery } from './search-shards.ts';

const algorithmsByDigits: Readonly<Record<number, string>> = { 40: 'sha1', 64: 'sha256', 96: 'sha384', 128: 'sha512' };
const textFields = ['email', 'subject', 'issuer', 'purl'] as const;
const fields = new Set(['hash', 'publicKey', 'operator', 'claims', 'limit', 'from', ...textFields]);
const packageUrl = /^pkg:[a-z0-9.+-]+\/[\x21-\x2b\x2d-\x7e]{1,1000}$/;
const maximumPackageUrls = 16;
const maximumText = 16_384;
const maximumLimit = 100;

/**
 * Reads a search: the query of Rekor v1's `POST /api/v1/index/retrieve` (email, subject, hash, publicKey, operator), and
 * beyond it `issuer`, `purl`, `claims` by Fulcio's names, and `limit` and `from` to go through the results.
 *
 * @throws ERR_LOG_REQUEST, ERR_JSON
 */
export function readSearchRequest(body: Uint8Array): ShardedQuery {
  const value = parseJson(body, 'the request', { maxLength: 64 << 10 });
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw requestError('it is not an object');
  for (const key of Object.keys(value)) {
    if (!fields.has(key)) {
      throw requestError(`unknown field ${JSON.stringify(key.slice(0, 80))}; known are ${[...fields].join(', ')}`);
    }
  }
  const query = value as Record<string, unknown>;
  const terms: SearchTerm[] = [];
  for (const kind of textFields) {
    const given = query[kind];
    if (given !== undefined) terms.push({ kind, text: text(given, kind) });
  }
  if (query.hash !== undefined) terms.push(digestTerm(text(query.hash, 'hash')));
  if (query.publicKey !== undefined) terms.push(publicKeyTerm(query.publicKey));
  if (query.claims !== undefined) terms.push(...claimTerms(query.claims));
  if (terms.length === 0)
    throw requestError('it looks for nothing; give hash, publicKey, email, subject, issuer, purl or claims');
  // Rekor's default.
  const operator = query.operator ?? 'or';
  if (operator !== 'and' && operator !== 'or') throw requestError('operator is neither "and" nor "or"');
  return {
    terms,
    operator,
    limit: count(query.limit ?? maximumLimit, 'limit', 1, maximumLimit),
    from: query.from === undefined ? undefined : text(query.from, 'from'),
  };
}

/**
 * Package URLs of the header `signet-package-url`, separated by commas (which stand in a URL as %2C).
 *
 * @throws ERR_LOG_REQUEST
 */
export function readPackageUrls(header: string | readonly string[] | undefined): string[] {
  if (header === undefined) return [];
  const urls = [header].flat().flatMap((value) => value.split(',').map((url) => url.trim()));
  if (urls.length > maximumPackageUrls || !urls.every((url) => packageUrl.test(url))) {
    throw requestError(`signet-package-url is not 1 to ${maximumPackageUrls} package URLs, separated by commas`);
  }
  return [...new Set(urls)];
}

/** `sha256:<hex>`, or hexadecimal digits whose number tells the algorithm. */
function digestTerm(given: string): SearchTerm {
  const [, named, digits = ''] = /^(?:(sha(?:1|256|384|512)):)?([0-9a-fA-F]+)$/.exec(given) ?? [];
  const algorithm = algorithmsByDigits[digits.length];
  if (algorithm === undefined || (named !== undefined && named !== algorithm)) {
    throw requestError('hash is not a SHA-1, SHA-256, SHA-384 or SHA-512 in hexadecimal, with or without "sha256:"');
  }
  return { kind: 'digest', algorithm, value: fromHex(digits) };
}

/** `{format: "x509", content: base64 of PEM}`, of a key or a certificate. */
function publicKeyTerm(given: unknown): SearchTerm {
  const { format, content } = (typeof given === 'object' && given !== null ? given : {}) as Record<string, unknown>;
  if (format !== undefined && format !== 'x509') throw requestError('publicKey.format is not "x509"');
  try {
    const [block] = parsePem(
      fromUtf8(fromBase64(text(content, 'publicKey.content'), 'publicKey.content')),
      'publicKey',
    );
    if (block?.label === 'PUBLIC KEY') return { kind: 'publicKey', fingerprint: hash('sha256', block.bytes, 'buffer') };
    if (block?.label === 'CERTIFICATE') {
      const { spki } = Certificate.parse(block.bytes).publicKey;
      return { kind: 'publicKey', fingerprint: hash('sha256', spki, 'buffer') };
    }
  } catch (cause) {
    if (!(cause instanceof SignetError)) throw cause;
    throw requestError(`publicKey cannot be read: ${cause.message}`);
  }
  throw requestError('publicKey.content is not base64 of PEM of a public key or a certificate');
}

function claimTerms(given: unknown): SearchTerm[] {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw requestError('claims is not an object');
  return Object.entries(given).map(([key, value]) => {
    const name = indexedClaims.find((known) => known === key);
    if (name === undefined) {
      throw requestError(
        `claim ${JSON.stringify(key.slice(0, 80))} is not indexed; indexed are ${indexedClaims.join(', ')}`,
      );
    }
    return { kind: 'claim', name, text: text(value, `claims.${name}`) };
  });
}

function text(value: unknown, name: string): string {
  if (typeof value !== 'string' || value === '' || value.length > maximumText) {
    throw requestError(`${name} is not a string of 1 to ${maximumText} characters`);
  }
  return value;
}

function count(value: unknown, name: string, least: number, most: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw requestError(`${name} is not a whole number from ${least} to ${most}`);
}
