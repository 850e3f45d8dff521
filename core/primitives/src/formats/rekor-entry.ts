import { type BundleHashAlgorithm, hashAlgorithmName, hashAlgorithmNames } from './bundle.ts';
import { fromBase64, fromBase64Lines, fromHex, fromUtf8, toBase64, toHex, utf8 } from './bytes.ts';
import { type Envelope, envelopeToJson } from './dsse.ts';
import { SignetError } from './errors.ts';
import { canonicalize } from './jcs.ts';
import { type JsonObject, JsonReader, parseJson } from './json.ts';
import { parsePem, toPem } from './pem.ts';
import { isKeyDetails, type KeyDetails } from './public-key.ts';

/** The key that a log entry names: DER of a certificate or of a SubjectPublicKeyInfo. */
export interface EntryVerifier {
  readonly kind: 'certificate' | 'publicKey';
  readonly bytes: Uint8Array;
  /** Only Rekor v2 names the algorithm. */
  readonly keyDetails?: KeyDetails;
}

export interface EntrySignature {
  readonly signature: Uint8Array;
  readonly verifier: EntryVerifier;
  /** DSSE key id; Rekor's intoto entries keep it where it was given. */
  readonly keyid?: string;
  /** The verifier's PEM as it was sent, which intoto entries keep; by default as Rekor writes it. */
  readonly pem?: string;
}

export interface EntryDigest {
  readonly algorithm: BundleHashAlgorithm;
  readonly value: Uint8Array;
}

/** The digest of a message (or, in v2, of a DSSE pre-authentication encoding) and a signature over it. */
export interface HashedRekordBody {
  readonly kind: 'hashedrekord';
  readonly version: '0.0.1' | '0.0.2';
  readonly digest: EntryDigest;
  readonly signature: EntrySignature;
}

/** A DSSE envelope by the hash of its payload and its signatures. */
export interface DsseBody {
  readonly kind: 'dsse';
  readonly version: '0.0.1' | '0.0.2';
  readonly payloadHash: EntryDigest;
  /** Hash of the envelope's JSON as it was submitted; v0.0.1 only. */
  readonly envelopeHash?: EntryDigest;
  readonly signatures: readonly EntrySignature[];
}

/** Rekor v1's older entry for DSSE envelopes. */
export interface IntotoBody {
  readonly kind: 'intoto';
  readonly version: '0.0.2';
  readonly payloadType: string;
  readonly payloadHash: EntryDigest;
  readonly envelopeHash: EntryDigest;
  readonly signatures: readonly EntrySignature[];
  /** Some logs left the payload in the leaf; base64 of base64, kept as text. */
  readonly payload?: string;
}

/** The first intoto entry names no signature: only the hash of the whole envelope's JSON binds it. */
export interface IntotoV1Body {
  readonly kind: 'intoto';
  readonly version: '0.0.1';
  readonly envelopeHash: EntryDigest;
  readonly payloadHash?: EntryDigest;
  readonly verifier: EntryVerifier;
  /** As in {@link EntrySignature}. */
  readonly pem?: string;
}

/** The canonical body of a log entry of one of the kinds that bundles use. */
export type RekorBody = HashedRekordBody | DsseBody | IntotoBody | IntotoV1Body;

const reader = new JsonReader('ERR_LOG_ENTRY_FORMAT');
const fields = (...names: string[]): ReadonlySet<string> => new Set(names);
const bodyFields = fields('apiVersion', 'kind', 'spec');
const hashFields = fields('algorithm', 'value');
const sha2Names = ['sha256', 'sha384', 'sha512'] as const;

/**
 * Reads the canonical body of a log entry.
 *
 * @param bytes the leaf, UTF-8 JSON
 * @throws ERR_LOG_ENTRY_FORMAT, also for kinds and versions that bundles do not use; ERR_JSON
 */
export function parseRekorBody(bytes: Uint8Array): RekorBody {
  const object = reader.object(parseJson(bytes, 'log entry', { maxKeys: 20_000 }), 'log entry', bodyFields);
  const kind = reader.string(object, 'kind', 'log entry');
  const version = reader.string(object, 'apiVersion', 'log entry');
  const spec = reader.field(object, 'spec', 'log entry');
  switch (`${kind} ${version}`) {
    case 'hashedrekord 0.0.1':
      return readHashedRekordV1(spec);
    case 'hashedrekord 0.0.2':
      return readHashedRekordV2(spec);
    case 'dsse 0.0.1':
      return readDsseV1(spec);
    case 'dsse 0.0.2':
      return readDsseV2(spec);
    case 'intoto 0.0.1':
      return readIntotoV1(spec);
    case 'intoto 0.0.2':
      return readIntotoV2(spec);
    default:
      throw reader.error('log entry', 'a kind and version that bundles use', `${kind} ${version}`);
  }
}

const hashedRekordFields = fields('data', 'signature');
const dataFields = fields('hash');
const signatureV1Fields = fields('content', 'publicKey');
const keyContentFields = fields('content');

function readHashedRekordV1(spec: JsonObject): HashedRekordBody {
  reader.object(spec, 'log entry.spec', hashedRekordFields);
  const signature = reader.field(spec, 'signature', 'log entry.spec', signatureV1Fields);
  const at = 'log entry.spec.signature';
  const publicKey = reader.field(signature, 'publicKey', at, keyContentFields);
  return {
    kind: 'hashedrekord',
    version: '0.0.1',
    digest: readHash(reader.field(spec, 'data', 'log entry.spec', dataFields), 'hash', 'log entry.spec.data'),
    signature: {
      signature: reader.bytes(signature, 'content', at),
      verifier: readPemVerifier(reader.bytes(publicKey, 'content', `${at}.publicKey`), `${at}.publicKey`),
    },
  };
}

const dsseFields = fields('envelopeHash', 'payloadHash', 'signatures');
const dsseSignatureFields = fields('signature', 'verifier');

function readDsseV1(spec: JsonObject): DsseBody {
  reader.object(spec, 'log entry.spec', dsseFields);
  return {
    kind: 'dsse',
    version: '0.0.1',
    envelopeHash: readHash(spec, 'envelopeHash', 'log entry.spec'),
    payloadHash: readHash(spec, 'payloadHash', 'log entry.spec'),
    signatures: reader.list(spec, 'signatures', 'log entry.spec', 16).map((element, index) => {
      const path = `log entry.spec.signatures[${index}]`;
      const object = reader.object(element, path, dsseSignatureFields);
      return {
        signature: reader.bytes(object, 'signature', path),
        verifier: readPemVerifier(reader.bytes(object, 'verifier', path), `${path}.verifier`),
      };
    }),
  };
}

const intotoFields = fields('content');
const intotoContentFields = fields('envelope', 'hash', 'payloadHash');
const intotoEnvelopeFields = fields('payload', 'payloadType', 'signatures');
const intotoSignatureFields = fields('keyid', 'publicKey', 'sig');

function readIntotoV2(spec: JsonObject): IntotoBody {
  reader.object(spec, 'log entry.spec', intotoFields);
  const content = reader.field(spec, 'content', 'log entry.spec', intotoContentFields);
  const at = 'log entry.spec.content';
  const envelope = reader.field(content, 'envelope', at, intotoEnvelopeFields);
  const payload = reader.optionalString(envelope, 'payload', `${at}.envelope`);
  const body: IntotoBody = {
    kind: 'intoto',
    version: '0.0.2',
    payloadType: reader.string(envelope, 'payloadType', `${at}.envelope`),
    payloadHash: readHash(content, 'payloadHash', at),
    envelopeHash: readHash(content, 'hash', at),
    signatures: reader.list(envelope, 'signatures', `${at}.envelope`, 16).map((element, index) => {
      const path = `${at}.envelope.signatures[${index}]`;
      const object = reader.object(element, path, intotoSignatureFields);
      const keyid = reader.optionalString(object, 'keyid', path);
      // Rekor kept the envelope's base64 as bytes and encoded them once more.
      const signature = innerBase64(reader.bytes(object, 'sig', path), `${path}.sig`);
      const { verifier, pem } = readSubmittedPem(reader.bytes(object, 'publicKey', path), `${path}.publicKey`);
      return keyid === undefined ? { signature, verifier, pem } : { signature, verifier, pem, keyid };
    }),
  };
  return payload === undefined ? body : { ...body, payload };
}

function innerBase64(bytes: Uint8Array, path: string): Uint8Array {
  try {
    return fromBase64(fromUtf8(bytes, path), path);
  } catch (cause) {
    throw new SignetError('ERR_LOG_ENTRY_FORMAT', `${path}: expected base64 within base64`, { cause });
  }
}

const intotoV1Fields = fields('content', 'publicKey');
const intotoV1ContentFields = fields('hash', 'payloadHash');

function readIntotoV1(spec: JsonObject): IntotoV1Body {
  reader.object(spec, 'log entry.spec', intotoV1Fields);
  const content = reader.field(spec, 'content', 'log entry.spec', intotoV1ContentFields);
  const at = 'log entry.spec.content';
  return {
    kind: 'intoto',
    version: '0.0.1',
    envelopeHash: readHash(content, 'hash', at),
    ...(reader.optional(content, 'payloadHash') === undefined
      ? {}
      : { payloadHash: readHash(content, 'payloadHash', at) }),
    ...readSubmittedPem(reader.bytes(spec, 'publicKey', 'log entry.spec'), 'log entry.spec.publicKey'),
  };
}

const hashedRekordV2Fields = fields('hashedRekordV002');
const dsseV2SpecFields = fields('dsseV002');
const dsseV2Fields = fields('payloadHash', 'signatures');

function readHashedRekordV2(spec: JsonObject): HashedRekordBody {
  reader.object(spec, 'log entry.spec', hashedRekordV2Fields);
  const at = 'log entry.spec.hashedRekordV002';
  const entry = reader.field(spec, 'hashedRekordV002', 'log entry.spec', hashedRekordFields);
  return {
    kind: 'hashedrekord',
    version: '0.0.2',
    digest: readHashOutput(entry, 'data', at),
    signature: readSignatureV2(reader.required(entry, 'signature', at), `${at}.signature`),
  };
}

function readDsseV2(spec: JsonObject): DsseBody {
  reader.object(spec, 'log entry.spec', dsseV2SpecFields);
  const at = 'log entry.spec.dsseV002';
  const entry = reader.field(spec, 'dsseV002', 'log entry.spec', dsseV2Fields);
  return {
    kind: 'dsse',
    version: '0.0.2',
    payloadHash: readHashOutput(entry, 'payloadHash', at),
    signatures: reader
      .list(entry, 'signatures', at, 16)
      .map((element, index) => readSignatureV2(element, `${at}.signatures[${index}]`)),
  };
}

const signatureV2Fields = fields('content', 'verifier');
const verifierV2Fields = fields('keyDetails', 'publicKey', 'x509Certificate');
const rawBytesFields = fields('rawBytes');

function readSignatureV2(value: unknown, path: string): EntrySignature {
  const object = reader.object(value, path, signatureV2Fields);
  const at = `${path}.verifier`;
  const verifier = reader.field(object, 'verifier', path, verifierV2Fields);
  const keyDetails = reader.string(verifier, 'keyDetails', at);
  if (!isKeyDetails(keyDetails)) throw reader.error(`${at}.keyDetails`, 'an algorithm of the registry', keyDetails);
  const certificate = reader.optionalField(verifier, 'x509Certificate', at, rawBytesFields);
  const publicKey = reader.optionalField(verifier, 'publicKey', at, rawBytesFields);
  const given = certificate ?? publicKey;
  if (given === undefined || (certificate !== undefined && publicKey !== undefined)) {
    throw reader.error(at, 'exactly one of publicKey and x509Certificate', given);
  }
  const kind = given === certificate ? 'certificate' : 'publicKey';
  return {
    signature: reader.bytes(object, 'content', path),
    verifier: { kind, bytes: reader.bytes(given, 'rawBytes', at), keyDetails },
  };
}

function readHashOutput(parent: JsonObject, key: string, path: string): EntryDigest {
  const at = `${path}.${key}`;
  const object = reader.field(parent, key, path, digestV2Fields);
  const name = reader.name(reader.required(object, 'algorithm', at), `${at}.algorithm`, sha2ProtoNames);
  return checkDigest({ algorithm: hashAlgorithmNames[name], value: reader.bytes(object, 'digest', at) }, at);
}

const digestV2Fields = fields('algorithm', 'digest');
const sha2ProtoNames = ['SHA2_256', 'SHA2_384', 'SHA2_512'] as const;

function readHash(parent: JsonObject, key: string, path: string): EntryDigest {
  const at = `${path}.${key}`;
  const object = reader.field(parent, key, path, hashFields);
  const algorithm = reader.name(reader.required(object, 'algorithm', at), `${at}.algorithm`, sha2Names);
  try {
    return checkDigest({ algorithm, value: fromHex(reader.string(object, 'value', at), at) }, at);
  } catch (cause) {
    throw new SignetError('ERR_LOG_ENTRY_FORMAT', `${at}: expected a ${algorithm} digest in hexadecimal`, { cause });
  }
}

const digestLengths = { sha256: 32, sha384: 48, sha512: 64 } as const;

function checkDigest(digest: EntryDigest, path: string): EntryDigest {
  const expected = digestLengths[digest.algorithm];
  if (digest.value.length !== expected) throw reader.error(path, `${expected} bytes`, digest.value);
  return digest;
}

const certificateStart = '-----BEGIN CERTIFICATE-----\n';
const certificateEnd = '\n-----END CERTIFICATE-----';

/** The bytes of one PEM block as Rekor writes it; undefined where it is to be read with more care. */
function plainCertificate(text: string): Uint8Array | undefined {
  const end = text.endsWith('\n') ? text.length - 1 : text.length;
  if (!text.startsWith(certificateStart) || !text.endsWith(certificateEnd, end)) return undefined;
  const bytes = fromBase64Lines(text.slice(certificateStart.length, end - certificateEnd.length));
  return bytes === undefined || bytes.length === 0 ? undefined : bytes;
}

function readPemVerifier(pem: Uint8Array, path: string): EntryVerifier {
  return readPem(fromUtf8(pem, path), path);
}

function readPem(text: string, path: string): EntryVerifier {
  const plain = plainCertificate(text);
  if (plain !== undefined) return { kind: 'certificate', bytes: plain };
  let blocks: ReturnType<typeof parsePem>;
  try {
    blocks = parsePem(text, path);
  } catch (cause) {
    throw new SignetError('ERR_LOG_ENTRY_FORMAT', `${path}: expected PEM`, { cause });
  }
  // A chain may follow the certificate that signed (Rekor's x509 type).
  const [first] = blocks;
  if (first?.label === 'CERTIFICATE') return { kind: 'certificate', bytes: first.bytes };
  if (first?.label === 'PUBLIC KEY' && blocks.length === 1) return { kind: 'publicKey', bytes: first.bytes };
  throw reader.error(path, 'PEM of a certificate or of a public key', first?.label);
}

/** Rekor writes certificates and keys anew in all entries but intoto's, where lines and ends are as they were sent. */
function readSubmittedPem(bytes: Uint8Array, path: string): { verifier: EntryVerifier; pem: string } {
  const pem = fromUtf8(bytes, path);
  return { verifier: readPem(pem, path), pem };
}

/**
 * The canonical body (JCS) of an entry, byte for byte as Rekor writes it.
 *
 * @throws ERR_LOG_ENTRY_FORMAT for a v2 signature without `keyDetails`
 */
export function encodeRekorBody(body: RekorBody): Uint8Array {
  return utf8(canonicalize({ apiVersion: body.version, kind: body.kind, spec: specToJson(body) }));
}

function specToJson(body: RekorBody): unknown {
  switch (body.kind) {
    case 'hashedrekord':
      if (body.version === '0.0.1') {
        const content = toBase64(pemOf(body.signature.verifier));
        const signature = { content: toBase64(body.signature.signature), publicKey: { content } };
        return { data: { hash: hashToJson(body.digest) }, signature };
      }
      return {
        hashedRekordV002: { data: hashOutputToJson(body.digest), signature: signatureV2ToJson(body.signature) },
      };
    case 'dsse':
      if (body.version === '0.0.1') {
        return {
          ...(body.envelopeHash === undefined ? {} : { envelopeHash: hashToJson(body.envelopeHash) }),
          payloadHash: hashToJson(body.payloadHash),
          signatures: body.signatures.map(({ signature, verifier }) => ({
            signature: toBase64(signature),
            verifier: toBase64(pemOf(verifier)),
          })),
        };
      }
      return {
        dsseV002: {
          payloadHash: hashOutputToJson(body.payloadHash),
          signatures: body.signatures.map(signatureV2ToJson),
        },
      };
    case 'intoto':
      return body.version === '0.0.1' ? intotoV1ToJson(body) : intotoV2ToJson(body);
  }
}

function intotoV1ToJson(body: IntotoV1Body): unknown {
  return {
    content: {
      hash: hashToJson(body.envelopeHash),
      ...(body.payloadHash === undefined ? {} : { payloadHash: hashToJson(body.payloadHash) }),
    },
    publicKey: toBase64(body.pem === undefined ? pemOf(body.verifier) : utf8(body.pem)),
  };
}

function intotoV2ToJson(body: IntotoBody): unknown {
  return {
    content: {
      envelope: {
        ...(body.payload === undefined ? {} : { payload: body.payload }),
        payloadType: body.payloadType,
        signatures: body.signatures.map(({ signature, verifier, keyid, pem }) => ({
          ...(keyid === undefined ? {} : { keyid }),
          publicKey: toBase64(pem === undefined ? pemOf(verifier) : utf8(pem)),
          sig: toBase64(utf8(toBase64(signature))),
        })),
      },
      hash: hashToJson(body.envelopeHash),
      payloadHash: hashToJson(body.payloadHash),
    },
  };
}

function pemOf(verifier: EntryVerifier): Uint8Array {
  return utf8(toPem(verifier.kind === 'certificate' ? 'CERTIFICATE' : 'PUBLIC KEY', verifier.bytes));
}

function hashToJson(digest: EntryDigest): unknown {
  return { algorithm: digest.algorithm, value: toHex(digest.value) };
}

function hashOutputToJson(digest: EntryDigest): unknown {
  return { algorithm: hashAlgorithmName(digest.algorithm), digest: toBase64(digest.value) };
}

/** A signature with its verifier as Rekor v2's requests and bodies have it. */
export function signatureV2ToJson({ signature, verifier }: EntrySignature): Record<string, unknown> {
  if (verifier.keyDetails === undefined) {
    throw new SignetError('ERR_LOG_ENTRY_FORMAT', 'a Rekor v2 signature needs the algorithm of its key (keyDetails)');
  }
  const key = verifier.kind === 'certificate' ? 'x509Certificate' : 'publicKey';
  return {
    content: toBase64(signature),
    verifier: { keyDetails: verifier.keyDetails, [key]: { rawBytes: toBase64(verifier.bytes) } },
  };
}

/** JSON body of `POST /api/v2/log/entries` for a hashedrekord 0.0.2 (rekor-v2-spec §6.1.1). */
export function hashedRekordRequestV2(digest: Uint8Array, signature: EntrySignature): Record<string, unknown> {
  return { hashedRekordRequestV002: { digest: toBase64(digest), signature: signatureV2ToJson(signature) } };
}

/** JSON body of `POST /api/v2/log/entries` for a dsse 0.0.2: the envelope whole, with the key of its one signature. */
export function dsseRequestV2(envelope: Envelope, signature: EntrySignature): Record<string, unknown> {
  const { verifier } = signatureV2ToJson(signature);
  return { dsseRequestV002: { envelope: envelopeToJson(envelope), verifiers: [verifier] } };
}
