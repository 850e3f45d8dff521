import { type DigestAlgorithm, nodeCrypto } from '../formats/index.ts';

/** Number of bytes of each digest. */
export const digestLengths: Readonly<Record<DigestAlgorithm, number>> = {
  sha1: 20,
  sha256: 32,
  sha384: 48,
  sha512: 64,
};

/** Digest of the concatenation of `parts`. */
export function digest(algorithm: DigestAlgorithm, ...parts: readonly Uint8Array[]): Uint8Array {
  const [first, ...rest] = parts;
  if (first !== undefined && rest.length === 0) {
    // As a string of octets the digest costs a third of what a new Buffer for it does.
    const value = Buffer.allocUnsafe(digestLengths[algorithm]);
    value.write(nodeCrypto().hash(algorithm, first, 'binary'), 'latin1');
    return value;
  }
  const hasher = nodeCrypto().createHash(algorithm);
  for (const part of parts) hasher.update(part);
  return hasher.digest();
}

/** Digest of a stream, in constant memory. */
export async function digestStream(algorithm: DigestAlgorithm, stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const hasher = nodeCrypto().createHash(algorithm);
  for await (const chunk of stream) hasher.update(chunk);
  return hasher.digest();
}

/** Several digests of one stream, read once and in constant memory. */
export async function digestStreamBy<Algorithm extends DigestAlgorithm>(
  algorithms: readonly Algorithm[],
  stream: AsyncIterable<Uint8Array>,
): Promise<{ readonly algorithm: Algorithm; readonly digest: Uint8Array }[]> {
  const hashers = algorithms.map((algorithm) => ({ algorithm, hasher: nodeCrypto().createHash(algorithm) }));
  for await (const chunk of stream) for (const { hasher } of hashers) hasher.update(chunk);
  return hashers.map(({ algorithm, hasher }) => ({ algorithm, digest: hasher.digest() }));
}
