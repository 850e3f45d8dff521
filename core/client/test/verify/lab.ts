import { createHash } from 'node:crypto';
import { TrustMaterial, type TrustMaterialOptions } from '@signet/client/verify';
import {
  type Bundle,
  bundleToJson,
  Certificate,
  concat,
  der,
  type EntryVerifier,
  type Envelope,
  encodeRekorBody,
  encodeTimestampResponse,
  envelopeToJson,
  formatCheckpoint,
  formatSignedNote,
  fulcioExtensions,
  hashChildren,
  hashLeaf,
  inTotoPayloadType,
  type KeyDetails,
  keyDetailsHash,
  logKeyId,
  type NoteSignature,
  oids,
  preAuthenticationEncoding,
  type RekorBody,
  sctListExtension,
  sctSignedData,
  toBase64,
  toHex,
  utf8,
} from '@signet/primitives/formats';
import { generateSigner, type Signer } from '@signet/primitives/keys';

export const issuer = 'https://issuer.example';
export const subject = 'https://git.example/acme/widgets/.workflows/release.yml@refs/heads/main';
export const identities = [{ issuer, subject }];
/** When everything in the lab is signed. */
export const signingTime: Date = new Date('2026-03-01T12:00:00Z');
export const artifact: Uint8Array = utf8('an artifact\n');

export type EntryKind = `${'hashedrekord' | 'dsse' | 'intoto'} ${'0.0.1' | '0.0.2'}`;

/** What a bundle is made of; everything has a default that verifies. */
export interface Recipe {
  readonly content?: 'message' | 'dsse';
  readonly entry?: EntryKind | 'none';
  /** Of one's own, where a key of this kind is not made by `generateSigner`. */
  readonly signer?: KeyDetails | Signer;
  readonly managedKey?: boolean;
  readonly san?: Uint8Array;
  /** Replaces the leaf's extensions by oid; undefined leaves one out. */
  readonly extensions?: Readonly<Record<string, Uint8Array | undefined>>;
  readonly notBefore?: Date;
  readonly sct?: 'none' | 'wrong' | 'otherLog';
  readonly timestamp?: Date | 'none';
  readonly embedCertificate?: boolean;
  readonly integratedTime?: Date | 'none';
  readonly proof?: false;
  readonly bundleVersion?: Bundle['version'];
  readonly statement?: unknown;
  readonly payloadType?: string;
  readonly body?: (body: RekorBody) => RekorBody;
  /** Text of the note, before it is signed. */
  readonly checkpoint?: (text: string) => string;
  readonly cosignatures?: readonly NoteSignature[] | ((noteText: string) => readonly NoteSignature[]);
}

export interface Made {
  readonly json: Record<string, unknown>;
  readonly signer: Signer;
  readonly certificate: Certificate | undefined;
}

function sha(algorithm: string, ...parts: readonly Uint8Array[]): Uint8Array {
  const hasher = createHash(algorithm);
  for (const part of parts) hasher.update(part);
  return new Uint8Array(hasher.digest());
}

function extension(oid: string, critical: boolean, value: Uint8Array): Uint8Array {
  return der.sequence(der.oid(oid), ...(critical ? [der.boolean(true)] : []), der.octetString(value));
}

function name(commonName: string): Uint8Array {
  return der.sequence(der.set(der.sequence(der.oid(oids.commonName), der.utf8String(commonName))));
}

const ecdsaOids: Readonly<Record<string, string>> = {
  PKIX_ECDSA_P256_SHA_256: oids.ecdsaWithSha256,
  PKIX_ECDSA_P384_SHA_384: oids.ecdsaWithSha384,
  PKIX_ECDSA_P521_SHA_512: oids.ecdsaWithSha512,
  PKIX_ED25519: oids.ed25519,
  PKIX_RSA_PKCS1V15_2048_SHA256: oids.sha256WithRsa,
};

interface CertificateFields {
  readonly subject: Uint8Array;
  readonly issuer: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly signer: Signer;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly extensions: readonly Uint8Array[];
}

function encodeTbs(fields: CertificateFields): Uint8Array {
  return der.sequence(
    der.context(0, der.integer(2)),
    der.integer(fields.publicKey.length + 4711),
    algorithmOf(fields.signer),
    fields.issuer,
    der.sequence(der.time(fields.notBefore), der.time(fields.notAfter)),
    fields.subject,
    fields.publicKey,
    der.context(3, der.sequence(...fields.extensions)),
  );
}

function algorithmOf(signer: Signer): Uint8Array {
  const oid = ecdsaOids[signer.keyDetails] ?? '';
  return der.sequence(der.oid(oid), ...(oid === oids.sha256WithRsa ? [der.null()] : []));
}

async function encodeCertificate(fields: CertificateFields): Promise<Uint8Array> {
  const tbs = encodeTbs(fields);
  return der.sequence(tbs, algorithmOf(fields.signer), der.bitString(await fields.signer.sign(tbs)));
}

const authorityExtensions = (purpose: string): Uint8Array[] => [
  extension(oids.basicConstraints, true, der.sequence(der.boolean(true))),
  extension(oids.keyUsage, true, der.namedBits(5, 6)),
  extension(oids.extendedKeyUsage, false, der.sequence(der.oid(purpose))),
];

const start = new Date('2026-01-01T00:00:00Z');
const end = new Date('2030-01-01T00:00:00Z');

/** A whole Sigstore in memory: authority, certificate log, transparency logs of both kinds, timestamp authority. */
export class Lab {
  readonly caChain: readonly Uint8Array[];
  readonly tsaChain: readonly Uint8Array[];
  readonly ca: Signer;
  readonly ctLog: Signer;
  readonly rekorV1: Signer;
  readonly rekorV2: Signer;
  readonly tsa: Signer;

  private constructor(parts: Pick<Lab, 'caChain' | 'tsaChain' | 'ca' | 'ctLog' | 'rekorV1' | 'rekorV2' | 'tsa'>) {
    this.caChain = parts.caChain;
    this.tsaChain = parts.tsaChain;
    this.ca = parts.ca;
    this.ctLog = parts.ctLog;
    this.rekorV1 = parts.rekorV1;
    this.rekorV2 = parts.rekorV2;
    this.tsa = parts.tsa;
  }

  static async create(tsaDetails: KeyDetails = 'PKIX_ECDSA_P256_SHA_256'): Promise<Lab> {
    const root = await generateSigner('PKIX_ECDSA_P384_SHA_384');
    const ca = await generateSigner('PKIX_ECDSA_P384_SHA_384');
    const tsa = await generateSigner(tsaDetails);
    const validity = { notBefore: start, notAfter: end };
    const chain = async (purpose: string, common: string): Promise<Uint8Array> =>
      encodeCertificate({
        subject: name(common),
        issuer: name(common),
        publicKey: root.publicKey.spki,
        signer: root,
        ...validity,
        extensions: authorityExtensions(purpose),
      });
    const intermediate = await encodeCertificate({
      subject: name('intermediate'),
      issuer: name('root'),
      publicKey: ca.publicKey.spki,
      signer: root,
      ...validity,
      extensions: authorityExtensions(oids.codeSigning),
    });
    const tsaLeaf = await encodeCertificate({
      subject: name('tsa'),
      issuer: name('tsa root'),
      publicKey: tsa.publicKey.spki,
      signer: root,
      ...validity,
      extensions: [
        extension(oids.keyUsage, true, der.namedBits(0)),
        extension(oids.extendedKeyUsage, true, der.sequence(der.oid(oids.timeStamping))),
      ],
    });
    return new Lab({
      ca,
      tsa,
      ctLog: await generateSigner('PKIX_ECDSA_P256_SHA_256'),
      rekorV1: await generateSigner('PKIX_ECDSA_P256_SHA_256'),
      rekorV2: await generateSigner('PKIX_ED25519'),
      caChain: [intermediate, await chain(oids.codeSigning, 'root')],
      tsaChain: [tsaLeaf, await chain(oids.timeStamping, 'tsa root')],
    });
  }

  /** The trusted root's JSON value, a fresh one each time. */
  trustedRoot() {
    const validFor: { start: string; end?: string } = { start: start.toISOString() };
    const log = (baseUrl: string, signer: Signer, logId: Uint8Array) => ({
      baseUrl,
      hashAlgorithm: 'SHA2_256',
      publicKey: {
        rawBytes: toBase64(signer.publicKey.spki),
        keyDetails: signer.keyDetails as string,
        validFor: { ...validFor },
      },
      logId: { keyId: toBase64(logId) },
    });
    const authority = (uri: string, chain: readonly Uint8Array[]) => ({
      subject: { organization: 'lab', commonName: uri },
      uri,
      certChain: { certificates: chain.map((bytes) => ({ rawBytes: toBase64(bytes) })) },
      validFor: { ...validFor },
    });
    const spkiHash = (signer: Signer) => sha('sha256', signer.publicKey.spki);
    return {
      mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
      tlogs: [
        log('https://rekor.example', this.rekorV1, spkiHash(this.rekorV1)),
        log('https://log.example/v2', this.rekorV2, logKeyId('log.example/v2', this.rekorV2.publicKey)),
      ],
      certificateAuthorities: [authority('https://ca.example', this.caChain)],
      ctlogs: [log('https://ct.example', this.ctLog, spkiHash(this.ctLog))],
      timestampAuthorities: [authority('https://tsa.example', this.tsaChain)],
    };
  }

  trust(options: TrustMaterialOptions = {}): TrustMaterial {
    return TrustMaterial.fromTrustedRoot(this.trustedRoot(), options);
  }

  async bundle(recipe: Recipe = {}): Promise<Made> {
    const given = recipe.signer ?? 'PKIX_ECDSA_P256_SHA_256';
    const signer = typeof given === 'string' ? await generateSigner(given) : given;
    const certificate = recipe.managedKey ? undefined : Certificate.parse(await this.issue(signer, recipe));
    const isDsse = recipe.content === 'dsse';
    const payload = utf8(JSON.stringify(recipe.statement ?? defaultStatement()));
    const payloadType = recipe.payloadType ?? inTotoPayloadType;
    const message = isDsse ? preAuthenticationEncoding(payloadType, payload) : artifact;
    const signature = await signer.sign(message);
    const envelope: Envelope = {
      payloadType,
      payload,
      signatures: [{ keyid: certificate === undefined ? 'lab key' : '', sig: signature }],
    };
    const verifier: EntryVerifier =
      certificate === undefined
        ? { kind: 'publicKey', bytes: signer.publicKey.spki }
        : { kind: 'certificate', bytes: certificate.bytes };
    const entry = recipe.entry ?? 'hashedrekord 0.0.1';
    const isV2 = entry.endsWith('0.0.2') && !entry.startsWith('intoto');
    const timestamp = recipe.timestamp ?? (isV2 ? signingTime : 'none');
    const content: Bundle['content'] = isDsse
      ? { kind: 'dsse', envelope }
      : {
          kind: 'message',
          messageDigest: { algorithm: 'sha256', digest: sha('sha256', artifact) },
          signature,
        };
    const bundle: Bundle = {
      version: recipe.bundleVersion ?? '0.3',
      mediaType:
        recipe.bundleVersion === '0.1'
          ? 'application/vnd.dev.sigstore.bundle+json;version=0.1'
          : 'application/vnd.dev.sigstore.bundle.v0.3+json',
      key:
        certificate === undefined
          ? { kind: 'publicKey', hint: 'lab key' }
          : { kind: 'certificate', certificate: certificate.bytes, chain: [] },
      timestamps: timestamp === 'none' ? [] : [await this.timestamp(signature, timestamp, recipe)],
      tlogEntries:
        entry === 'none'
          ? []
          : [await this.log(entry, { signer, verifier, signature, message, envelope }, recipe, isV2)],
      content,
    };
    return { json: JSON.parse(JSON.stringify(bundleToJson(bundle))), signer, certificate };
  }

  private async issue(signer: Signer, recipe: Recipe): Promise<Uint8Array> {
    const notBefore = recipe.notBefore ?? new Date(signingTime.getTime() - 60_000);
    const defaults: Record<string, Uint8Array | undefined> = {
      [oids.keyUsage]: extension(oids.keyUsage, true, der.namedBits(0)),
      [oids.extendedKeyUsage]: extension(oids.extendedKeyUsage, false, der.sequence(der.oid(oids.codeSigning))),
      [oids.subjectAlternativeName]: extension(
        oids.subjectAlternativeName,
        true,
        der.sequence(recipe.san ?? der.contextPrimitive(6, utf8(subject))),
      ),
      ...recipe.extensions,
    };
    const extensions = [
      ...Object.values(defaults).filter((value) => value !== undefined),
      ...fulcioExtensions({ issuer, sourceRepositoryUri: 'https://git.example/acme/widgets' }),
    ];
    const fields: CertificateFields = {
      subject: der.sequence(),
      issuer: name('intermediate'),
      publicKey: signer.publicKey.spki,
      signer: this.ca,
      notBefore,
      notAfter: new Date(notBefore.getTime() + 600_000),
      extensions,
    };
    if (recipe.sct === 'none') return encodeCertificate(fields);
    const promised = { timestamp: notBefore, extensions: new Uint8Array() };
    const issuerKeyHash = sha('sha256', this.ca.publicKey.spki);
    const data = sctSignedData(promised, { type: 'precertificate', issuerKeyHash, tbs: encodeTbs(fields) });
    const log = recipe.sct === 'otherLog' ? this.rekorV1 : this.ctLog;
    const sct = {
      ...promised,
      logId: sha('sha256', log.publicKey.spki),
      hashAlgorithm: 4,
      signatureAlgorithm: 3,
      signature: await log.sign(recipe.sct === 'wrong' ? concat(data, utf8('x')) : data),
    };
    return encodeCertificate({ ...fields, extensions: [...extensions, sctListExtension([sct])] });
  }

  private async timestamp(signature: Uint8Array, time: Date, recipe: Recipe): Promise<Uint8Array> {
    const certificate = Certificate.parse(this.tsaChain[0] ?? new Uint8Array());
    const hash = (keyDetailsHash(this.tsa.keyDetails) ?? 'sha512') as 'sha256' | 'sha384' | 'sha512';
    return encodeTimestampResponse({
      messageImprint: { algorithm: 'sha256', digest: sha('sha256', signature) },
      policy: '1.2.3.4',
      serialNumber: new Uint8Array([1, 2, 3]),
      genTime: time,
      accuracy: 1,
      certificate,
      certificateDigest: sha('sha256', certificate.bytes),
      certificates: recipe.embedCertificate ? [certificate.bytes] : [],
      digestAlgorithm: hash,
      signatureAlgorithm: ecdsaOids[this.tsa.keyDetails] ?? '',
      digest: (bytes) => sha(hash, bytes),
      sign: (message) => this.tsa.sign(message),
    });
  }

  private async log(
    entry: EntryKind,
    parts: {
      signer: Signer;
      verifier: EntryVerifier;
      signature: Uint8Array;
      message: Uint8Array;
      envelope: Envelope;
    },
    recipe: Recipe,
    isV2: boolean,
  ): Promise<Bundle['tlogEntries'][number]> {
    const body = makeBody(entry, parts);
    const canonicalizedBody = encodeRekorBody(recipe.body?.(body) ?? body);
    const log = isV2 ? this.rekorV2 : this.rekorV1;
    const logName = isV2 ? 'log.example/v2' : 'rekor.example';
    const logId = isV2 ? logKeyId(logName, log.publicKey) : sha('sha256', log.publicKey.spki);
    const integratedTime = recipe.integratedTime ?? (isV2 ? 'none' : signingTime);
    const logIndex = isV2 ? 1n : 1001n;

    const others = [hashLeaf(utf8('first')), hashLeaf(utf8('third'))] as const;
    const rootHash = hashChildren(hashChildren(others[0], hashLeaf(canonicalizedBody)), others[1]);
    const origin = isV2 ? logName : `${logName} - 12345`;
    const plain = formatCheckpoint({ origin, treeSize: 3n, rootHash });
    const text = recipe.checkpoint?.(plain) ?? plain;
    const own = { name: logName, keyHint: logId.subarray(0, 4), signature: await log.sign(utf8(text)) };
    const cosignatures = typeof recipe.cosignatures === 'function' ? recipe.cosignatures(text) : recipe.cosignatures;
    const checkpoint = formatSignedNote({ text, signatures: [...(cosignatures ?? []), own] });
    const seconds = integratedTime === 'none' ? 0n : BigInt(integratedTime.getTime() / 1000);
    const promise = utf8(
      `{"body":"${toBase64(canonicalizedBody)}","integratedTime":${seconds},"logID":"${toHex(logId)}","logIndex":${logIndex}}`,
    );
    const [kind = '', version = ''] = entry.split(' ');
    return {
      logIndex,
      logId,
      kind,
      version,
      integratedTime: seconds,
      canonicalizedBody,
      ...(integratedTime === 'none' ? {} : { signedEntryTimestamp: await log.sign(promise) }),
      ...(recipe.proof === false
        ? {}
        : { inclusionProof: { logIndex: 1n, treeSize: 3n, rootHash, hashes: [...others], checkpoint } }),
    };
  }
}

export function defaultStatement(): Record<string, unknown> {
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: 'artifact', digest: { sha256: toHex(sha('sha256', artifact)) } }],
    predicateType: 'https://predicate.example/v1',
    predicate: { builder: 'lab' },
  };
}

function makeBody(
  entry: EntryKind,
  parts: { signer: Signer; verifier: EntryVerifier; signature: Uint8Array; message: Uint8Array; envelope: Envelope },
): RekorBody {
  const { signer, signature, message, envelope } = parts;
  const payloadHash = { algorithm: 'sha256', value: sha('sha256', envelope.payload) } as const;
  const { payload, payloadType, signatures } = envelopeToJson(envelope);
  const goEnvelope = JSON.stringify({
    payloadType,
    payload,
    signatures: signatures.map(({ sig, keyid }) => ({ keyid, sig })),
  });
  const envelopeHash = { algorithm: 'sha256', value: sha('sha256', utf8(goEnvelope)) } as const;
  const v1 = { signature, verifier: parts.verifier };
  const v2 = { signature, verifier: { ...parts.verifier, keyDetails: signer.keyDetails } };
  const hash = (keyDetailsHash(signer.keyDetails) ?? 'sha512') as 'sha256' | 'sha384' | 'sha512';
  const digest = { algorithm: hash, value: sha(hash, message) } as const;
  switch (entry) {
    case 'hashedrekord 0.0.1':
      return { kind: 'hashedrekord', version: '0.0.1', digest, signature: v1 };
    case 'hashedrekord 0.0.2':
      return { kind: 'hashedrekord', version: '0.0.2', digest, signature: v2 };
    case 'dsse 0.0.1':
      return { kind: 'dsse', version: '0.0.1', payloadHash, envelopeHash, signatures: [v1] };
    case 'dsse 0.0.2':
      return { kind: 'dsse', version: '0.0.2', payloadHash, signatures: [v2] };
    case 'intoto 0.0.1':
      return { kind: 'intoto', version: '0.0.1', payloadHash, envelopeHash, verifier: parts.verifier };
    case 'intoto 0.0.2':
      return { kind: 'intoto', version: '0.0.2', payloadType, payloadHash, envelopeHash, signatures: [v1] };
  }
}
