import {
  type Envelope,
  inert,
  inTotoPayloadType,
  parseStatement,
  SignetError,
  type Statement,
  toHex,
} from '@signet/primitives/formats';
import type { Artifact } from './artifact.ts';

/**
 * Reads the statement of a verified envelope. Any other payload type is refused (DSSE protocol.md, step 6).
 *
 * @throws ERR_PAYLOAD_TYPE, ERR_STATEMENT_FORMAT, ERR_JSON
 */
export function readStatement(envelope: Envelope): Statement {
  if (envelope.payloadType !== inTotoPayloadType) {
    throw new SignetError(
      'ERR_PAYLOAD_TYPE',
      `the envelope holds ${inert(envelope.payloadType)}, not an in-toto statement`,
      {
        expected: inTotoPayloadType,
        found: inert(envelope.payloadType),
      },
    );
  }
  return parseStatement(envelope.payload);
}

/** Digest algorithms of in-toto that count as the artifact's (in-toto digest_set.md). */
const accepted = ['sha256', 'sha384', 'sha512'] as const;

/**
 * Checks that the artifact is among the subjects: one of them has a digest that can be compared, and all of its digests
 * that can be compared are the artifact's (in-toto attestation spec v1, ResourceDescriptor).
 *
 * @throws ERR_ARTIFACT_MISMATCH
 */
export function checkSubject(statement: Statement, artifact: Artifact): void {
  const hexDigests = new Map<string, string>();
  for (const algorithm of accepted) {
    const value = statement.subject.some(({ digest }) => algorithm in digest) ? artifact.digest(algorithm) : undefined;
    if (value !== undefined) hexDigests.set(algorithm, toHex(value));
  }
  const found = statement.subject.some(({ digest }) => {
    const comparable = Object.entries(digest).filter(([algorithm]) => hexDigests.has(algorithm));
    return comparable.length > 0 && comparable.every(([algorithm, hex]) => hexDigests.get(algorithm) === hex);
  });
  if (found) return;
  throw new SignetError('ERR_ARTIFACT_MISMATCH', 'the artifact is none of the subjects of the statement', {
    expected: [...hexDigests].map(([algorithm, hex]) => `${algorithm}:${hex}`).join(', '),
    found: statement.subject.length === 0 ? 'no subjects' : `${statement.subject.length} subjects with other digests`,
  });
}
