import { digestStreamBy } from '@signet/primitives/crypto';
import {
  type Bundle,
  Certificate,
  defaultKeyDetails,
  type EntryDigest,
  isBundle,
  keyDetailsHash,
  parseBundle,
  parseRekorBody,
  SignetError,
} from '@signet/primitives/formats';
import type { ExpectedKey, VerifyOptions } from './options.ts';
import { importExpectedKey } from './signature.ts';
import { readStatement } from './statement.ts';
import type { VerifiedBundle } from './verified-bundle.ts';
import { verifyBundle } from './verify-bundle.ts';

export interface VerifyStreamOptions extends Omit<VerifyOptions, 'artifact'> {
  /** Chunks of the artifact, such as a file's or a response's. It is read once, in constant memory. */
  readonly artifact: AsyncIterable<Uint8Array>;
}

/**
 * Verifies a bundle whose artifact comes as a stream, as {@link verifyBundle} does otherwise. What comes out of the stream is
 * not known to be the artifact before this has returned.
 *
 * @example
 * const verified = await verifyBundleStream(bundle, { trust, identities, artifact: createReadStream('large.iso') });
 *
 * @throws what {@link verifyBundle} throws; ERR_DIGEST_UNSUPPORTED, before anything is read, where the signature is by an
 *   algorithm that signs whole messages (Ed25519, ML-DSA); what the stream throws
 */
export async function verifyBundleStream(bundle: unknown, options: VerifyStreamOptions): Promise<VerifiedBundle> {
  const { artifact: stream, ...rest } = options;
  const parsed = isBundle(bundle) ? bundle : parseBundle(bundle);
  const artifact = await digestStreamBy(neededDigests(parsed, options.key), stream);
  return verifyBundle(parsed, { ...rest, artifact });
}

/** The digests that a verification will ask for: usually one, and every stream is hashed for each of them. */
function neededDigests(bundle: Bundle, key: ExpectedKey | undefined): readonly Accepted[] {
  const needed = new Set<Accepted>();
  const { content } = bundle;
  if (content.kind === 'dsse') {
    for (const { digest } of readStatement(content.envelope).subject) {
      for (const algorithm of accepted) if (algorithm in digest) needed.add(algorithm);
    }
    return needed.size === 0 ? ['sha256'] : [...needed];
  }
  if (content.messageDigest !== undefined) needed.add(content.messageDigest.algorithm);
  for (const { canonicalizedBody } of bundle.tlogEntries) {
    const body = parseRekorBody(canonicalizedBody);
    // The signature is over this digest, also where the key's own algorithm has another (Ed25519ph, older ECDSA).
    if (body.kind === 'hashedrekord') needed.add(body.digest.algorithm);
  }
  const hash = hashOfKey(bundle, key, needed);
  if (hash !== undefined) needed.add(hash);
  return [...needed];
}

type Accepted = EntryDigest['algorithm'];
const accepted: readonly Accepted[] = ['sha256', 'sha384', 'sha512'];

function hashOfKey(
  bundle: Bundle,
  expected: ExpectedKey | undefined,
  logged: ReadonlySet<Accepted>,
): Accepted | undefined {
  const info =
    bundle.key.kind === 'certificate'
      ? Certificate.parse(bundle.key.certificate).publicKey
      : expected === undefined
        ? undefined
        : importExpectedKey(expected.publicKey).info;
  if (info === undefined) return undefined;
  // With Ed25519 an entry over SHA-512 says Ed25519ph; whether it is will be found out.
  if (info.algorithm === 'ed25519' && logged.has('sha512')) return 'sha512';
  const hash = keyDetailsHash(expected?.keyDetails ?? defaultKeyDetails(info));
  const found = accepted.find((algorithm) => algorithm === hash);
  if (found !== undefined) return found;
  throw new SignetError(
    'ERR_DIGEST_UNSUPPORTED',
    `${info.algorithm} signs whole messages, which a stream is not kept for; give the artifact as bytes`,
  );
}
