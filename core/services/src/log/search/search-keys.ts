import { hash } from 'node:crypto';
import {
  Certificate,
  type EntryDigest,
  type EntryVerifier,
  type FulcioClaimName,
  fulcioClaims,
  fulcioIssuer,
  parseRekorBody,
  type RekorBody,
  SignetError,
  toHex,
} from '@signet/primitives/formats';

/**
 * Claims that entries are found by: who and what was built from which commit. Others are in the certificates of what is
 * found; each one here costs room for every entry.
 */
export const indexedClaims = [
  'sourceRepositoryUri',
  'sourceRepositoryIdentifier',
  'sourceRepositoryOwnerIdentifier',
  'sourceRepositoryDigest',
  'buildSignerUri',
  'buildConfigUri',
] as const satisfies readonly FulcioClaimName[];

export type IndexedClaim = (typeof indexedClaims)[number];

/** What entries are found by. */
export type SearchTerm =
  | { readonly kind: 'digest'; readonly algorithm: string; readonly value: Uint8Array }
  /** SHA-256 of the DER of SubjectPublicKeyInfo. */
  | { readonly kind: 'publicKey'; readonly fingerprint: Uint8Array }
  | { readonly kind: 'email' | 'subject' | 'issuer'; readonly text: string }
  /** What a submitter has named. Versions are exact. */
  | { readonly kind: 'purl'; readonly text: string }
  | { readonly kind: 'claim'; readonly name: IndexedClaim; readonly text: string };

/** Bytes of a key in the index. */
const searchKeySize = 16;

/**
 * The key of a term: a cut SHA-256, so that terms of all kinds and lengths lie in one table. Addresses and names are found
 * whatever their case, as Rekor does it; claims are exact.
 *
 * @returns Latin-1, a character a byte: as text, keys are made, compared and thrown away at a fraction of what arrays cost
 */
export function searchKey(term: SearchTerm): string {
  const text = termText(term);
  // Those come again with every entry of a repository or a person; digests and keys do not.
  if (term.kind === 'digest' || term.kind === 'publicKey' || text.length > longestRemembered) return keyOf(text);
  let key = recentKeys.get(text);
  if (key === undefined) {
    key = keyOf(text);
    if (recentKeys.size >= maximumRecentKeys) recentKeys.clear();
    recentKeys.set(text, key);
  }
  return key;
}

const maximumRecentKeys = 4096;
const longestRemembered = 500;
const recentKeys = new Map<string, string>();

function keyOf(text: string): string {
  return hash('sha256', text, 'binary').slice(0, searchKeySize);
}

function termText(term: SearchTerm): string {
  switch (term.kind) {
    case 'digest':
      return `digest\0${term.algorithm}\0${toHex(term.value)}`;
    case 'publicKey':
      return `publicKey\0${toHex(term.fingerprint)}`;
    case 'claim':
      return `claim\0${term.name}\0${term.text}`;
    case 'purl':
      return `purl\0${term.text}`;
    default:
      return `${term.kind}\0${term.text.toLowerCase()}`;
  }
}

/** Everything that an entry is found by; nothing for an entry of a kind that is not understood. */
export function entryTerms(body: Uint8Array): SearchTerm[] {
  const parsed = readable(() => parseRekorBody(body));
  if (parsed === undefined) return [];
  return [...digestsOf(parsed).map(digestTerm), ...verifiersOf(parsed).flatMap(verifierTerms)];
}

function digestTerm({ algorithm, value }: EntryDigest): SearchTerm {
  return { kind: 'digest', algorithm, value };
}

function digestsOf(body: RekorBody): EntryDigest[] {
  if (body.kind === 'hashedrekord') return [body.digest];
  const { payloadHash, envelopeHash } = body;
  return [payloadHash, envelopeHash].filter((digest) => digest !== undefined);
}

function verifiersOf(body: RekorBody): EntryVerifier[] {
  if (body.kind === 'hashedrekord') return [body.signature.verifier];
  return 'verifier' in body ? [body.verifier] : body.signatures.map(({ verifier }) => verifier);
}

function verifierTerms({ kind, bytes }: EntryVerifier): SearchTerm[] {
  if (kind === 'publicKey') return [{ kind: 'publicKey', fingerprint: hash('sha256', bytes, 'buffer') }];
  const certificate = readable(() => Certificate.parse(bytes));
  return certificate === undefined ? [] : certificateTerms(certificate);
}

/** What an entry with this certificate is found by. */
export function certificateTerms(certificate: Certificate): SearchTerm[] {
  const terms: SearchTerm[] = [
    { kind: 'publicKey', fingerprint: hash('sha256', certificate.publicKey.spki, 'buffer') },
  ];
  for (const { type, value } of readable(() => certificate.subjectAlternativeNames) ?? []) {
    if (type === 'email') terms.push({ kind: 'email', text: value });
    terms.push({ kind: 'subject', text: value });
  }
  const claims = readable(() => fulcioClaims(certificate)) ?? {};
  const issuer = fulcioIssuer(claims);
  if (issuer !== undefined) terms.push({ kind: 'issuer', text: issuer });
  for (const name of indexedClaims) {
    const text = claims[name];
    if (text !== undefined) terms.push({ kind: 'claim', name, text });
  }
  return terms;
}

/** What an entry says in a form that cannot be read is not found by it; nobody can stop the index with such an entry. */
function readable<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof SignetError) return undefined;
    throw error;
  }
}
