import { toBase64 } from './bytes.ts';
import { type JsonObject, JsonReader, parseJson } from './json.ts';

/** A closed interval of time; both ends belong to it (sigstore_common.proto, TimeRange). */
export interface TimeRange {
  readonly start: Date;
  readonly end?: Date;
}

/** A transparency log or certificate transparency log that a trusted root names. */
export interface LogInstance {
  /** Empty where it is not given, which a certificate log can do without: it is known by its id. */
  readonly baseUrl: string;
  readonly hashAlgorithm: 'sha256';
  /** DER; how it is encoded follows from `keyDetails`. */
  readonly publicKey: Uint8Array;
  /** Name in Sigstore's enum PublicKeyDetails. Deprecated names occur. */
  readonly keyDetails: string;
  readonly validFor: TimeRange;
  readonly logId: Uint8Array;
  readonly checkpointKeyId?: Uint8Array;
  readonly operator?: string;
}

/** A certificate or timestamp authority that a trusted root names. */
export interface AuthorityInstance {
  readonly subject: { readonly organization: string; readonly commonName: string };
  readonly uri: string;
  /** DER, the trust anchor last. */
  readonly certificates: readonly Uint8Array[];
  readonly validFor: TimeRange;
  readonly operator?: string;
}

/** Sigstore's TrustedRoot, v0.1 and v0.2 (sigstore_trustroot.proto). */
export interface TrustedRoot {
  readonly mediaType: string;
  readonly tlogs: readonly LogInstance[];
  readonly certificateAuthorities: readonly AuthorityInstance[];
  readonly ctlogs: readonly LogInstance[];
  readonly timestampAuthorities: readonly AuthorityInstance[];
}

/** The media type that new trusted roots have. */
export const trustedRootMediaType = 'application/vnd.dev.sigstore.trustedroot.v0.2+json';

const mediaTypes = [
  'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
  'application/vnd.dev.sigstore.trustedroot.v0.1+json',
  trustedRootMediaType,
] as const;

const reader = new JsonReader('ERR_TRUSTED_ROOT_FORMAT');
const rootFields = new Set(['mediaType', 'tlogs', 'certificateAuthorities', 'ctlogs', 'timestampAuthorities']);
const logFields = new Set(['baseUrl', 'hashAlgorithm', 'publicKey', 'logId', 'checkpointKeyId', 'operator']);
const keyFields = new Set(['rawBytes', 'keyDetails', 'validFor']);
const keyIdFields = new Set(['keyId']);
const authorityFields = new Set(['subject', 'uri', 'certChain', 'validFor', 'operator']);
const subjectFields = new Set(['organization', 'commonName']);
const chainFields = new Set(['certificates']);
const certificateFields = new Set(['rawBytes']);
const rangeFields = new Set(['start', 'end']);

/** Enough for decades of rotation. */
const maxInstances = 256;

/**
 * Reads a trusted root. Every key and authority must say from when on it is valid: a missing start is not the year
 * 1970. Certificates and keys are decoded, not parsed.
 *
 * @param input JSON text, its UTF-8 bytes, or the value parsed from it
 * @throws ERR_TRUSTED_ROOT_FORMAT, ERR_JSON, ERR_INPUT_TOO_LARGE
 */
export function parseTrustedRoot(input: unknown): TrustedRoot {
  const value =
    typeof input === 'string' || input instanceof Uint8Array
      ? parseJson(input, 'trusted root', { maxKeys: 100_000 })
      : input;
  const root = reader.object(value, 'trusted root', rootFields);
  const mediaTypeValue = reader.required(root, 'mediaType', 'trusted root');
  return {
    mediaType: reader.name(mediaTypeValue, 'trusted root.mediaType', mediaTypes),
    tlogs: instances(root, 'tlogs', readLog),
    certificateAuthorities: instances(root, 'certificateAuthorities', readAuthority),
    ctlogs: instances(root, 'ctlogs', readLog),
    timestampAuthorities: instances(root, 'timestampAuthorities', readAuthority),
  };
}

function instances<T>(root: JsonObject, key: string, read: (value: unknown, path: string) => T): T[] {
  return reader
    .list(root, key, 'trusted root', maxInstances)
    .map((element, index) => read(element, `trusted root.${key}[${index}]`));
}

function readLog(value: unknown, path: string): LogInstance {
  const object = reader.object(value, path, logFields);
  const key = reader.field(object, 'publicKey', path, keyFields);
  const algorithm = reader.required(object, 'hashAlgorithm', path);
  // RFC 6962 §2.1 trees are SHA-256; no Sigstore log is of another kind.
  reader.name(algorithm, `${path}.hashAlgorithm`, ['SHA2_256']);
  const checkpointKeyId = reader.optionalField(object, 'checkpointKeyId', path, keyIdFields);
  const logId = reader.optionalField(object, 'logId', path, keyIdFields) ?? checkpointKeyId;
  return {
    baseUrl: reader.optionalString(object, 'baseUrl', path) ?? '',
    hashAlgorithm: 'sha256',
    publicKey: reader.bytes(key, 'rawBytes', `${path}.publicKey`),
    keyDetails: reader.string(key, 'keyDetails', `${path}.publicKey`),
    validFor: readRange(key, `${path}.publicKey`),
    // logId is to give way to checkpointKeyId (sigstore_trustroot.proto).
    logId: reader.bytes(logId ?? reader.field(object, 'logId', path, keyIdFields), 'keyId', `${path}.logId`),
    ...(checkpointKeyId === undefined
      ? {}
      : { checkpointKeyId: reader.bytes(checkpointKeyId, 'keyId', `${path}.checkpointKeyId`) }),
    ...operatorOf(object, path),
  };
}

function readAuthority(value: unknown, path: string): AuthorityInstance {
  const object = reader.object(value, path, authorityFields);
  const subject = reader.optionalField(object, 'subject', path, subjectFields) ?? {};
  const chain = reader.field(object, 'certChain', path, chainFields);
  const certificates = reader.list(chain, 'certificates', `${path}.certChain`, 10).map((element, index) => {
    const at = `${path}.certChain.certificates[${index}]`;
    return reader.bytes(reader.object(element, at, certificateFields), 'rawBytes', at);
  });
  if (certificates.length === 0) throw reader.error(`${path}.certChain.certificates`, 'at least one certificate', []);
  return {
    subject: {
      organization: reader.optionalString(subject, 'organization', `${path}.subject`) ?? '',
      commonName: reader.optionalString(subject, 'commonName', `${path}.subject`) ?? '',
    },
    uri: reader.optionalString(object, 'uri', path) ?? '',
    certificates,
    validFor: readRange(object, path),
    ...operatorOf(object, path),
  };
}

function operatorOf(object: JsonObject, path: string): { operator?: string } {
  const operator = reader.optionalString(object, 'operator', path);
  return operator === undefined || operator === '' ? {} : { operator };
}

function readRange(parent: JsonObject, path: string): TimeRange {
  const range = reader.field(parent, 'validFor', path, rangeFields);
  const at = `${path}.validFor`;
  const start = reader.timestamp(reader.required(range, 'start', at), `${at}.start`);
  const endValue = reader.optional(range, 'end');
  return endValue === undefined ? { start } : { start, end: reader.timestamp(endValue, `${at}.end`) };
}

/** Whether `time` lies in the closed interval. */
export function isWithin(range: TimeRange, time: Date): boolean {
  const moment = time.getTime();
  return range.start.getTime() <= moment && (range.end === undefined || moment <= range.end.getTime());
}

/** The trusted root's JSON value. */
export function trustedRootToJson(root: TrustedRoot): Record<string, unknown> {
  return {
    mediaType: root.mediaType,
    tlogs: root.tlogs.map(logToJson),
    certificateAuthorities: root.certificateAuthorities.map(authorityToJson),
    ctlogs: root.ctlogs.map(logToJson),
    timestampAuthorities: root.timestampAuthorities.map(authorityToJson),
  };
}

function logToJson(log: LogInstance): Record<string, unknown> {
  return {
    baseUrl: log.baseUrl,
    hashAlgorithm: 'SHA2_256',
    publicKey: {
      rawBytes: toBase64(log.publicKey),
      keyDetails: log.keyDetails,
      validFor: timeRangeToJson(log.validFor),
    },
    logId: { keyId: toBase64(log.logId) },
    ...(log.checkpointKeyId === undefined ? {} : { checkpointKeyId: { keyId: toBase64(log.checkpointKeyId) } }),
    ...(log.operator === undefined ? {} : { operator: log.operator }),
  };
}

function authorityToJson(authority: AuthorityInstance): Record<string, unknown> {
  return {
    subject: authority.subject,
    uri: authority.uri,
    certChain: { certificates: authority.certificates.map((bytes) => ({ rawBytes: toBase64(bytes) })) },
    validFor: timeRangeToJson(authority.validFor),
    ...(authority.operator === undefined ? {} : { operator: authority.operator }),
  };
}

/** A time range's JSON value. */
export function timeRangeToJson(range: TimeRange): { start: string; end?: string } {
  const start = range.start.toISOString();
  return range.end === undefined ? { start } : { start, end: range.end.toISOString() };
}
