import { digest } from '@signet/primitives/crypto';
import {
  Certificate,
  fulcioClaims,
  fulcioIssuer,
  inert,
  parseRekorBody,
  type RekorBody,
  SignetError,
  toHex,
} from '@signet/primitives/formats';
import type { VerifiedEntry } from './remote-log.ts';

/** What an entry says: it has been logged, and whoever signed it is named by a certificate that nobody has checked here. */
export interface EntryDescription {
  readonly origin: string;
  readonly index: string;
  readonly kind: string;
  readonly digests: readonly string[];
  readonly signers: readonly string[];
  readonly treeSize: string;
}

/** All text is inert. */
export function describeEntry({ entry, checkpoint }: VerifiedEntry): EntryDescription {
  const body = readBody(entry.canonicalizedBody);
  const { kind, version } = entry;
  return {
    origin: inert(checkpoint.origin),
    index: String(entry.logIndex),
    kind: inert(`${kind} ${version}`),
    digests: body === undefined ? [] : digestsOf(body),
    signers: body === undefined ? [] : verifiersOf(body).map(nameOf),
    treeSize: String(checkpoint.treeSize),
  };
}

/** One line for people. */
export function entryLine({ index, digests, signers }: EntryDescription): string {
  return `${index.padStart(8)}  ${(digests[0] ?? '-').slice(0, 23)}…  ${signers.join(', ') || '-'}`;
}

function readBody(bytes: Uint8Array): RekorBody | undefined {
  try {
    return parseRekorBody(bytes);
  } catch (error) {
    // A kind that this version does not know is in the log all the same.
    if (error instanceof SignetError) return undefined;
    throw error;
  }
}

function digestsOf(body: RekorBody): string[] {
  const found = body.kind === 'hashedrekord' ? [body.digest] : [body.payloadHash, body.envelopeHash];
  return found.flatMap((one) => (one === undefined ? [] : [`${one.algorithm}:${toHex(one.value)}`]));
}

function verifiersOf(body: RekorBody): readonly { readonly kind: string; readonly bytes: Uint8Array }[] {
  if (body.kind === 'hashedrekord') return [body.signature.verifier];
  return 'verifier' in body ? [body.verifier] : body.signatures.map(({ verifier }) => verifier);
}

function nameOf({ kind, bytes }: { readonly kind: string; readonly bytes: Uint8Array }): string {
  if (kind !== 'certificate') return `key sha256:${toHex(digest('sha256', bytes))}`;
  try {
    const certificate = Certificate.parse(bytes);
    const names = certificate.subjectAlternativeNames.map(({ value }) => value).join(', ');
    const issuer = fulcioIssuer(fulcioClaims(certificate));
    return inert(`${names || 'a certificate without a name'}${issuer === undefined ? '' : ` (${issuer})`}`);
  } catch (error) {
    if (error instanceof SignetError) return 'a certificate that cannot be read';
    throw error;
  }
}
