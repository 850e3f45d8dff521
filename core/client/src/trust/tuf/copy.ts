import {
  describeValue,
  fromBase64,
  JsonReader,
  parseJson,
  SignetError,
  toBase64,
  utf8,
} from '@signet/primitives/formats';

/**
 * A TUF repository as it was last read: the roots since the pinned one, the newest metadata and the targets that are used. One document, so
 * that it is replaced whole; nothing in it is believed without its signatures.
 */
export interface RepositoryCopy {
  readonly url: string;
  /** When the repository was last asked. */
  readonly refreshed: Date;
  /** Root files in ascending order, from the one after the pinned. */
  readonly roots: readonly Uint8Array[];
  readonly timestamp: Uint8Array;
  readonly snapshot: Uint8Array;
  readonly targets: Uint8Array;
  readonly files: ReadonlyMap<string, Uint8Array>;
}

const reader = new JsonReader('ERR_TRUST_ARCHIVE');
const fields = new Set(['format', 'type', 'url', 'refreshed', 'roots', 'timestamp', 'snapshot', 'targets', 'files']);
const type = 'signet-trust-copy';
/** tuf-js follows at most 256 rotations. */
const maximumRoots = 256;
const limits = { maxLength: 64 * 1024 * 1024 };

export function copyToJson(copy: RepositoryCopy): Record<string, unknown> {
  return {
    format: 1,
    type,
    url: copy.url,
    refreshed: copy.refreshed.toISOString(),
    roots: copy.roots.map(toBase64),
    timestamp: toBase64(copy.timestamp),
    snapshot: toBase64(copy.snapshot),
    targets: toBase64(copy.targets),
    files: Object.fromEntries([...copy.files].map(([name, bytes]) => [name, toBase64(bytes)])),
  };
}

export function formatCopy(copy: RepositoryCopy): Uint8Array {
  return utf8(`${JSON.stringify(copyToJson(copy), undefined, 1)}\n`);
}

/** @throws ERR_TRUST_ARCHIVE, ERR_JSON, ERR_INPUT_TOO_LARGE */
export function parseCopy(input: Uint8Array, what: string): RepositoryCopy {
  return copyFromJson(parseJson(input, what, limits), what);
}

/** @throws ERR_TRUST_ARCHIVE */
export function copyFromJson(value: unknown, what: string): RepositoryCopy {
  const object = reader.object(value, what, fields);
  checkFormat(object, type, what);
  const files = reader.field(object, 'files', what);
  return {
    url: reader.string(object, 'url', what),
    refreshed: reader.timestamp(reader.required(object, 'refreshed', what), `${what}.refreshed`),
    roots: reader
      .list(object, 'roots', what, maximumRoots)
      .map((root, at) => reader.bytesValue(root, `${what}.roots[${at}]`)),
    timestamp: reader.bytes(object, 'timestamp', what),
    snapshot: reader.bytes(object, 'snapshot', what),
    targets: reader.bytes(object, 'targets', what),
    files: new Map(
      Object.entries(files).map(([name, text]) => [name, fromBase64(reader.stringValue(text, `${what}.files`), what)]),
    ),
  };
}

/** @throws ERR_TRUST_ARCHIVE for another kind of document, or a newer format */
export function checkFormat(object: Readonly<Record<string, unknown>>, expected: string, what: string): void {
  if (object.type !== expected) throw reader.error(`${what}.type`, expected, object.type);
  if (object.format === 1) return;
  throw new SignetError(
    'ERR_TRUST_ARCHIVE',
    `${what} has format ${describeValue(object.format)}; this signet reads 1, update it`,
    {
      expected: '1',
      found: describeValue(object.format),
    },
  );
}
