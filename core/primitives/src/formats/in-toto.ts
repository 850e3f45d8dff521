import { SignetError } from './errors.ts';
import { type JsonObject, JsonReader, parseJson } from './json.ts';

/** One subject of a statement: a name and its digests in lower-case hexadecimal by algorithm. */
export interface Subject {
  readonly name: string;
  readonly digest: Readonly<Record<string, string>>;
}

/** An in-toto statement, v0.1 or v1. */
export interface Statement {
  readonly type: 'https://in-toto.io/Statement/v0.1' | 'https://in-toto.io/Statement/v1';
  readonly subject: readonly Subject[];
  readonly predicateType: string;
  readonly predicate: JsonObject;
}

const reader = new JsonReader('ERR_STATEMENT_FORMAT');
const types = ['https://in-toto.io/Statement/v1', 'https://in-toto.io/Statement/v0.1'] as const;

/**
 * Reads the payload of an envelope as an in-toto statement. Fields that the specification does not name are ignored
 * (in-toto attestation spec v1, parsing rules).
 *
 * @param bytes UTF-8 JSON
 * @throws ERR_STATEMENT_FORMAT, ERR_JSON, ERR_INPUT_TOO_LARGE
 */
export function parseStatement(bytes: Uint8Array): Statement {
  // Predicates are other people's documents, SBOMs for example, and nest deeper than our own.
  const object = reader.object(parseJson(bytes, 'statement', { maxDepth: 256, maxKeys: 1_000_000 }), 'statement');
  const type = reader.name(reader.required(object, '_type', 'statement'), 'statement._type', types);
  const subject = reader.list(object, 'subject', 'statement', 100_000).map(readSubject);
  const predicateType = reader.string(object, 'predicateType', 'statement');
  if (predicateType === '') throw reader.error('statement.predicateType', 'a URI', predicateType);
  const predicate = reader.optionalField(object, 'predicate', 'statement') ?? {};
  return { type, subject, predicateType, predicate };
}

function readSubject(value: unknown, index: number): Subject {
  const path = `statement.subject[${index}]`;
  const object = reader.object(value, path);
  const name = reader.optionalString(object, 'name', path) ?? '';
  // A plain prototype would let the digest "__proto__" or "constructor" be found where none is.
  const digest: Record<string, string> = Object.create(null);
  for (const [algorithm, hex] of Object.entries(reader.optionalField(object, 'digest', path) ?? {})) {
    digest[algorithm] = reader.stringValue(hex, `${path}.digest.${algorithm.slice(0, 40)}`);
  }
  return { name, digest };
}

/**
 * The JSON value of a Statement v1, to be serialised by the caller.
 *
 * @throws ERR_STATEMENT_FORMAT without a subject or with a subject without a digest
 */
export function statementV1(content: {
  readonly subject: readonly Subject[];
  readonly predicateType: string;
  readonly predicate: JsonObject;
}): { _type: string; subject: readonly Subject[]; predicateType: string; predicate: JsonObject } {
  if (content.subject.length === 0 || content.subject.some(({ digest }) => Object.keys(digest).length === 0)) {
    throw new SignetError('ERR_STATEMENT_FORMAT', 'a statement needs a subject, and each subject a digest');
  }
  const { subject, predicateType, predicate } = content;
  return { _type: 'https://in-toto.io/Statement/v1', subject, predicateType, predicate };
}
