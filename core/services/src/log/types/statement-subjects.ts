import { parseStatement, SignetError } from '@signet/primitives/formats';

/**
 * What an in-toto statement is about: names that are package URLs, and digests. Upstream finds entries by the digests too, as
 * long as its index is not built again.
 *
 * @param payload of a DSSE envelope; nothing comes of one that holds something else
 */
export function statementSubjects(payload: Uint8Array): string[] {
  try {
    const { subject } = parseStatement(payload);
    return subject.flatMap(({ name, digest }) => [
      ...(name.startsWith('pkg:') ? [name] : []),
      ...Object.entries(digest).map(([algorithm, value]) => `${algorithm}:${value.toLowerCase()}`),
    ]);
  } catch (error) {
    if (error instanceof SignetError) return [];
    throw error;
  }
}
