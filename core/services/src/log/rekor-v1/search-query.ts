import { fromBase64, fromHex, parseJson, SignetError } from '@signet/primitives/formats';
import type { SearchQuery } from '../search/entry-index.ts';
import { indexedClaims, type SearchTerm } from '../search/search-keys.ts';
import type { EntryTypes } from '../types/index.ts';
import { validationError } from './errors.ts';

const digestPattern =
  /^(?:sha512:)?[0-9a-fA-F]{128}$|^(?:sha384:)?[0-9a-fA-F]{96}$|^(?:sha256:)?[0-9a-fA-F]{64}$|^(?:sha1:)?[0-9a-fA-F]{40}$/;
const algorithms: Readonly<Record<number, string>> = { 40: 'sha1', 64: 'sha256', 96: 'sha384', 128: 'sha512' };
const textFields = ['email', 'subject', 'issuer', 'purl'] as const;
const known = [...textFields, 'hash', 'publicKey', 'claims', 'operator', 'from', 'limit'];
const maximumLimit = 10_000;
const maximumText = 16_384;

/**
 * Reads `POST /api/v1/index/retrieve`, and beyond upstream `issuer`, `purl`, `claims` by Fulcio's names, and `from` and
 * `limit`: there an answer has everything at once.
 *
 * @throws ERR_LOG_REQUEST, ERR_JSON, ERR_LOG_SIGNATURE for a key that is none
 */
export function readSearchQuery(body: Uint8Array, types: EntryTypes): SearchQuery {
  const value = parseJson(body, 'the query', { maxLength: 1 << 20 });
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw validationError(601, 'query in body must be an object');
  const query = value as Record<string, unknown>;
  for (const key of Object.keys(query)) {
    if (!known.includes(key))
      throw validationError(616, `${JSON.stringify(key.slice(0, 80))} in body is a forbidden property`);
  }
  const terms: SearchTerm[] = [];
  for (const kind of textFields) {
    const text = optionalText(query[kind], kind);
    if (text !== undefined) terms.push({ kind, text });
  }
  const digest = optionalText(query.hash, 'hash');
  if (digest !== undefined) terms.push(digestTerm(digest));
  if (query.publicKey !== undefined && query.publicKey !== null) terms.push(...publicKeyTerms(query.publicKey, types));
  if (query.claims !== undefined && query.claims !== null) terms.push(...claimTerms(query.claims));
  if (terms.length === 0) {
    throw new SignetError(
      'ERR_LOG_REQUEST',
      'the query looks for nothing; give hash, publicKey, email, subject, issuer, purl or claims',
    );
  }
  return {
    terms,
    operator: operatorOf(query.operator),
    from: count(query.from, 'from', 0, Number.MAX_SAFE_INTEGER, 0),
    limit: count(query.limit, 'limit', 1, maximumLimit, maximumLimit),
  };
}

function digestTerm(text: string): SearchTerm {
  if (!digestPattern.test(text)) throw validationError(605, `hash in body should match '${digestPattern.source}'`);
  const digits = text.replace(/^sha\d+:/, '');
  return { kind: 'digest', algorithm: algorithms[digits.length] ?? '', value: fromHex(digits) };
}

function publicKeyTerms(value: unknown, types: EntryTypes): SearchTerm[] {
  const { format, content } = (typeof value === 'object' ? value : {}) as Record<string, unknown>;
  if (typeof format !== 'string') throw validationError(602, 'publicKey.format in body is required');
  if (typeof content !== 'string') throw validationError(602, 'publicKey.content in body is required');
  const { searchTerms } = types.publicKey(format, fromBase64(content, 'publicKey.content'));
  // By the key itself, whatever names are in a certificate around it.
  return searchTerms.filter(({ kind }) => kind === 'publicKey');
}

function claimTerms(value: unknown): SearchTerm[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw validationError(601, 'claims in body must be an object');
  return Object.entries(value).flatMap(([key, given]) => {
    const name = indexedClaims.find((indexed) => indexed === key);
    if (name === undefined) {
      const shown = JSON.stringify(key.slice(0, 80));
      throw validationError(616, `claims.${shown} in body is not indexed; indexed are ${indexedClaims.join(', ')}`);
    }
    const text = optionalText(given, `claims.${name}`);
    return text === undefined ? [] : [{ kind: 'claim', name, text } as const];
  });
}

function operatorOf(value: unknown): 'and' | 'or' {
  if (value === undefined || value === null || value === '' || value === 'or') return 'or';
  if (value === 'and') return 'and';
  throw validationError(606, 'operator in body should be one of [and or]');
}

/** Empty is absent, as Go's zero values are. */
function optionalText(value: unknown, name: string): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string') throw validationError(601, `${name} in body must be of type string`);
  if (value.length > maximumText)
    throw validationError(603, `${name} in body should be at most ${maximumText} chars long`);
  return value;
}

function count(value: unknown, name: string, least: number, most: number, fallback: number): number {
  if (value === undefined) return fallback;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw validationError(601, `${name} in body must be a whole number from ${least} to ${most}`);
}
