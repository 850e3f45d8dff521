import { digest, digestLengths } from '@signet/primitives/crypto';
import { type DigestAlgorithm, SignetError } from '@signet/primitives/formats';
import type { ArtifactDigest, ArtifactInput } from './options.ts';

/** The artifact of a verification: its bytes, or what digests of it are known. */
export class Artifact {
  readonly bytes: Uint8Array | undefined;
  readonly #digests = new Map<DigestAlgorithm, Uint8Array>();

  /** @throws ERR_ARTIFACT_DIGEST for a digest of another length than its algorithm's, or SHA-1 */
  constructor(input: ArtifactInput) {
    if (input instanceof Uint8Array) {
      this.bytes = input;
      return;
    }
    const given: readonly ArtifactDigest[] = Array.isArray(input) ? input : [input as ArtifactDigest];
    for (const { algorithm, digest: value } of given) {
      if (algorithm === 'sha1' || value.length !== digestLengths[algorithm]) {
        throw new SignetError('ERR_ARTIFACT_DIGEST', 'the artifact digest is not one of SHA-256, SHA-384 or SHA-512', {
          found: `${algorithm} of ${value.length} bytes`,
        });
      }
      this.#digests.set(algorithm, value);
    }
  }

  /** The digest, computed where the bytes are there; undefined where it cannot be known. */
  digest(algorithm: DigestAlgorithm): Uint8Array | undefined {
    const known = this.#digests.get(algorithm);
    if (known !== undefined || this.bytes === undefined) return known;
    const computed = digest(algorithm, this.bytes);
    this.#digests.set(algorithm, computed);
    return computed;
  }

  /** @throws ERR_ARTIFACT_DIGEST where only digests of other algorithms were given */
  requireDigest(algorithm: DigestAlgorithm, why: string): Uint8Array {
    const value = this.digest(algorithm);
    if (value !== undefined) return value;
    const found = [...this.#digests.keys()].join(', ');
    throw new SignetError(
      'ERR_ARTIFACT_DIGEST',
      `${why} needs the ${algorithm} digest of the artifact, only ${found} was given; give it or the artifact itself`,
      { expected: algorithm, found },
    );
  }
}
