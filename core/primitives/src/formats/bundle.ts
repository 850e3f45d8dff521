import { toBase64 } from './bytes.ts';
import { type Envelope, envelopeToJson, parseEnvelope } from './dsse.ts';
import { SignetError } from './errors.ts';
import { type JsonObject, JsonReader, parseJson } from './json.ts';
import { parseTlogEntry, type TransparencyLogEntry, tlogEntryToJson } from './tlog-entry.ts';

export type BundleVersion = '0.1' | '0.2' | '0.3';

/** Hash algorithms of a bundle's message digest, by their names in protobuf-specs. */
export const hashAlgorithmNames = { SHA2_256: 'sha256', SHA2_384: 'sha384', SHA2_512: 'sha512' } as const;
export type BundleHashAlgorithm = (typeof hashAlgorithmNames)[keyof typeof hashAlgorithmNames];

export interface MessageSignature {
  readonly kind: 'message';
  /** A hint for finding the artifact; it is compared with the artifact and never stands for it. */
  readonly messageDigest?: { readonly algorithm: BundleHashAlgorithm; readonly digest: Uint8Array };
  readonly signature: Uint8Array;
}

/** What identifies the signer. */
export type KeyMaterial =
  | {
      readonly kind: 'certificate';
      /** DER of the leaf. */
      readonly certificate: Uint8Array;
      /** DER of what followed the leaf in bundles before v0.3. Untrusted and not needed. */
      readonly chain: readonly Uint8Array[];
    }
  | { readonly kind: 'publicKey'; readonly hint: string };

/** A Sigstore bundle, v0.1 to v0.3, with its bytes decoded (sigstore_bundle.proto). */
export interface Bundle {
  readonly mediaType: string;
  readonly version: BundleVersion;
  readonly key: KeyMaterial;
  readonly tlogEntries: readonly TransparencyLogEntry[];
  /** RFC 3161 TimeStampResp, DER. */
  readonly timestamps: readonly Uint8Array[];
  readonly content: MessageSignature | { readonly kind: 'dsse'; readonly envelope: Envelope };
}

/** The media type that new bundles have. */
export const bundleMediaType = 'application/vnd.dev.sigstore.bundle.v0.3+json';

const versions: ReadonlyMap<string, BundleVersion> = new Map([
  ['application/vnd.dev.sigstore.bundle+json;version=0.1', '0.1'],
  ['application/vnd.dev.sigstore.bundle+json;version=0.2', '0.2'],
  ['application/vnd.dev.sigstore.bundle+json;version=0.3', '0.3'],
  [bundleMediaType, '0.3'],
]);

const reader = new JsonReader('ERR_BUNDLE_FORMAT');
const bundleFields = new Set(['mediaType', 'verificationMaterial', 'messageSignature', 'dsseEnvelope']);
const materialFields = new Set([
  'certificate',
  'x509CertificateChain',
  'publicKey',
  'tlogEntries',
  'timestampVerificationData',
]);
const certificateFields = new Set(['rawBytes']);
const chainFields = new Set(['certificates']);
const publicKeyFields = new Set(['hint']);
const timestampDataFields = new Set(['rfc3161Timestamps']);
const timestampFields = new Set(['signedTimestamp']);
const messageFields = new Set(['messageDigest', 'signature']);
const digestFields = new Set(['algorithm', 'digest']);

/** More of them are not evidence but an attack on the verifier's time. */
const maxEvidence = 32;

/**
 * Reads a bundle and checks what its version demands of its shape: an inclusion promise in v0.1, an inclusion proof
 * with checkpoint from v0.2 on, a single certificate in v0.3 and a chain before, one signature in an envelope. Nothing
 * is verified.
 *
 * @param input JSON text, its UTF-8 bytes, or the value parsed from it
 * @throws ERR_BUNDLE_FORMAT, ERR_ENVELOPE_FORMAT, ERR_LOG_ENTRY_FORMAT, ERR_JSON, ERR_INPUT_TOO_LARGE
 */
export function parseBundle(input: unknown): Bundle {
  const value =
    typeof input === 'string' || input instanceof Uint8Array ? parseJson(input, 'bundle', { maxKeys: 20_000 }) : input;
  const object = reader.object(value, 'bundle', bundleFields);
  const mediaType = reader.string(object, 'mediaType', 'bundle');
  const version = versions.get(mediaType);
  if (version === undefined) throw reader.error('bundle.mediaType', [...versions.keys()].join(' or '), mediaType);

  const path = 'bundle.verificationMaterial';
  const material = reader.field(object, 'verificationMaterial', 'bundle', materialFields);
  const tlogEntries = reader
    .list(material, 'tlogEntries', path, maxEvidence)
    .map((entry, index) => parseTlogEntry(entry, `${path}.tlogEntries[${index}]`));
  for (const [index, entry] of tlogEntries.entries()) checkEntry(entry, version, `${path}.tlogEntries[${index}]`);

  const timestampData = reader.optionalField(material, 'timestampVerificationData', path, timestampDataFields);
  const timestamps =
    timestampData === undefined ? [] : parseTimestamps(timestampData, `${path}.timestampVerificationData`);
  return new ParsedBundle({
    mediaType,
    version,
    key: parseKeyMaterial(material, version, path),
    tlogEntries,
    timestamps,
    content: parseContent(object),
  });
}

/**
 * Carries the proof that it was parsed in a private field: JSON can imitate any shape, and a WeakSet of all bundles would
 * cost the garbage collector more than parsing them.
 */
class ParsedBundle implements Bundle {
  readonly #parsed = true;
  readonly mediaType: string;
  readonly version: BundleVersion;
  readonly key: KeyMaterial;
  readonly tlogEntries: readonly TransparencyLogEntry[];
  readonly timestamps: readonly Uint8Array[];
  readonly content: Bundle['content'];

  constructor(bundle: Bundle) {
    this.mediaType = bundle.mediaType;
    this.version = bundle.version;
    this.key = bundle.key;
    this.tlogEntries = bundle.tlogEntries;
    this.timestamps = bundle.timestamps;
    this.content = bundle.content;
  }

  static is(value: object): value is ParsedBundle {
    return #parsed in value && value.#parsed;
  }
}

/** Whether `value` is a result of {@link parseBundle}. */
export function isBundle(value: unknown): value is Bundle {
  return typeof value === 'object' && value !== null && ParsedBundle.is(value);
}

function checkEntry(entry: TransparencyLogEntry, version: BundleVersion, path: string): void {
  if (version === '0.1') {
    if (entry.signedEntryTimestamp === undefined) {
      throw reader.error(`${path}.inclusionPromise`, 'an inclusion promise, which bundle v0.1 requires', undefined);
    }
  } else if (entry.inclusionProof?.checkpoint === undefined) {
    const what = `an inclusion proof with a checkpoint, which bundle v${version} requires`;
    throw reader.error(`${path}.inclusionProof`, what, undefined);
  }
}

function parseTimestamps(object: JsonObject, path: string): Uint8Array[] {
  return reader.list(object, 'rfc3161Timestamps', path, maxEvidence).map((element, index) => {
    const at = `${path}.rfc3161Timestamps[${index}]`;
    return reader.bytes(reader.object(element, at, timestampFields), 'signedTimestamp', at);
  });
}

function parseKeyMaterial(material: JsonObject, version: BundleVersion, path: string): KeyMaterial {
  const certificate = reader.optionalField(material, 'certificate', path, certificateFields);
  const chain = reader.optionalField(material, 'x509CertificateChain', path, chainFields);
  const publicKey = reader.optionalField(material, 'publicKey', path, publicKeyFields);
  const given = [certificate, chain, publicKey].filter((member) => member !== undefined);
  if (given.length !== 1) {
    throw reader.error(path, 'exactly one of certificate, x509CertificateChain and publicKey', given);
  }
  if (publicKey !== undefined) {
    return { kind: 'publicKey', hint: reader.optionalString(publicKey, 'hint', `${path}.publicKey`) ?? '' };
  }
  if (certificate !== undefined) {
    if (version !== '0.3')
      throw reader.error(`${path}.certificate`, `no such field in bundle v${version}`, certificate);
    return {
      kind: 'certificate',
      certificate: reader.bytes(certificate, 'rawBytes', `${path}.certificate`),
      chain: [],
    };
  }
  if (version === '0.3')
    throw reader.error(`${path}.x509CertificateChain`, 'a single certificate in bundle v0.3', chain);
  const at = `${path}.x509CertificateChain.certificates`;
  const [leaf, ...rest] = reader
    .list(chain as JsonObject, 'certificates', `${path}.x509CertificateChain`, 10)
    .map((element, index) => {
      const member = reader.object(element, `${at}[${index}]`, certificateFields);
      return reader.bytes(member, 'rawBytes', `${at}[${index}]`);
    });
  if (leaf === undefined) throw reader.error(at, 'at least the signing certificate', []);
  return { kind: 'certificate', certificate: leaf, chain: rest };
}

function parseContent(object: JsonObject): Bundle['content'] {
  const message = reader.optionalField(object, 'messageSignature', 'bundle', messageFields);
  const envelopeValue = reader.optional(object, 'dsseEnvelope');
  if ((message === undefined) === (envelopeValue === undefined)) {
    throw new SignetError('ERR_BUNDLE_FORMAT', 'bundle: expected exactly one of messageSignature and dsseEnvelope');
  }
  if (message === undefined) {
    const envelope = parseEnvelope(envelopeValue, 'bundle.dsseEnvelope');
    // sigstore_bundle.proto: a client MUST reject an envelope with another number of signatures.
    if (envelope.signatures.length !== 1) {
      throw reader.error('bundle.dsseEnvelope.signatures', 'exactly one signature', envelope.signatures);
    }
    return { kind: 'dsse', envelope };
  }
  const path = 'bundle.messageSignature';
  const signature = reader.bytes(message, 'signature', path);
  const digestObject = reader.optionalField(message, 'messageDigest', path, digestFields);
  if (digestObject === undefined) return { kind: 'message', signature };
  const at = `${path}.messageDigest`;
  const messageDigest = {
    algorithm: parseHashAlgorithm(reader.required(digestObject, 'algorithm', at), `${at}.algorithm`),
    digest: reader.bytes(digestObject, 'digest', at),
  };
  return { kind: 'message', messageDigest, signature };
}

function parseHashAlgorithm(value: unknown, path: string): BundleHashAlgorithm {
  return hashAlgorithmNames[reader.name(value, path, ['SHA2_256', 'SHA2_384', 'SHA2_512'])];
}

/** protobuf-specs' name of a hash algorithm. */
export function hashAlgorithmName(algorithm: BundleHashAlgorithm): keyof typeof hashAlgorithmNames {
  return algorithm === 'sha256' ? 'SHA2_256' : algorithm === 'sha384' ? 'SHA2_384' : 'SHA2_512';
}

/** The bundle's JSON value, with the names and order that sigstore-js writes. */
export function bundleToJson(bundle: Bundle): Record<string, unknown> {
  const { key, content } = bundle;
  return {
    mediaType: bundle.mediaType,
    verificationMaterial: {
      ...keyMaterialToJson(key, bundle.version),
      tlogEntries: bundle.tlogEntries.map(tlogEntryToJson),
      timestampVerificationData: {
        rfc3161Timestamps: bundle.timestamps.map((timestamp) => ({ signedTimestamp: toBase64(timestamp) })),
      },
    },
    ...(content.kind === 'dsse'
      ? { dsseEnvelope: envelopeToJson(content.envelope) }
      : { messageSignature: messageToJson(content) }),
  };
}

function keyMaterialToJson(key: KeyMaterial, version: BundleVersion): Record<string, unknown> {
  if (key.kind === 'publicKey') return { publicKey: { hint: key.hint } };
  if (version === '0.3') return { certificate: { rawBytes: toBase64(key.certificate) } };
  const certificates = [key.certificate, ...key.chain].map((bytes) => ({ rawBytes: toBase64(bytes) }));
  return { x509CertificateChain: { certificates } };
}

function messageToJson({ messageDigest, signature }: MessageSignature): Record<string, unknown> {
  if (messageDigest === undefined) return { signature: toBase64(signature) };
  const algorithm = hashAlgorithmName(messageDigest.algorithm);
  return { messageDigest: { algorithm, digest: toBase64(messageDigest.digest) }, signature: toBase64(signature) };
}
