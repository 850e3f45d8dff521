import { type DerNode, parseDer, tags } from './der.ts';
import { SignetError } from './errors.ts';
import { oids } from './oids.ts';
import type { DigestAlgorithm } from './public-key.ts';

/** What a timestamp is about: the digest of the stamped bytes. */
export interface MessageImprint {
  readonly algorithm: DigestAlgorithm;
  readonly digest: Uint8Array;
}

/** How a token names its signer: by issuer and serial number, or by key identifier (RFC 5652 §5.3). */
export type TimestampSigner =
  | { readonly issuer: Uint8Array; readonly serialNumber: Uint8Array }
  | { readonly subjectKeyId: Uint8Array };

/** The hash of its certificate that the signer signed along (RFC 5816, RFC 5035). */
export interface SigningCertificateHash {
  readonly algorithm: DigestAlgorithm;
  readonly hash: Uint8Array;
}

/** An RFC 3161 TimeStampToken, read but not verified. */
export interface TimestampToken {
  /** The DER of the ContentInfo. */
  readonly bytes: Uint8Array;
  /** The DER of TSTInfo: what the messageDigest attribute is the digest of. */
  readonly info: Uint8Array;
  readonly policy: string;
  readonly messageImprint: MessageImprint;
  /** Contents of the INTEGER. */
  readonly serialNumber: Uint8Array;
  readonly genTime: Date;
  readonly nonce?: bigint;
  /** The only signer. */
  readonly signer: TimestampSigner;
  readonly digestAlgorithm: DigestAlgorithm;
  /** Dotted OID of the signature algorithm. */
  readonly signatureAlgorithm: string;
  /** DER of the signed attributes with the tag of SET: what the signature is over (RFC 5652 §5.4). */
  readonly signedAttributes: Uint8Array;
  /** Value of the messageDigest attribute. */
  readonly messageDigest: Uint8Array;
  /** Hashes of the signer's certificate, from signingCertificateV2 or signingCertificate; the first is the signer's. */
  readonly signingCertificate?: SigningCertificateHash;
  readonly signature: Uint8Array;
  /** DER of the certificates that came along, in their order. They are claims, not trust. */
  readonly certificates: readonly Uint8Array[];
}

const maximumToken = 64 * 1024;
const maximumCertificates = 16;

/** An error of this format; every reader and writer of it uses this one. */
export function timestampError(problem: string, clause: string, cause?: unknown): SignetError {
  return new SignetError('ERR_TIMESTAMP_FORMAT', `timestamp: ${problem} (${clause})`, { cause });
}

const digestsByOid: Readonly<Record<string, DigestAlgorithm>> = {
  [oids.sha1]: 'sha1',
  [oids.sha256]: 'sha256',
  [oids.sha384]: 'sha384',
  [oids.sha512]: 'sha512',
};

/** Reads an AlgorithmIdentifier of a digest; parameters are absent or NULL (RFC 5754 §2). */
export function readDigestAlgorithm(node: DerNode): DigestAlgorithm {
  const [oid, parameters, ...rest] = node.sequence();
  const algorithm = oid === undefined ? undefined : digestsByOid[oid.oid()];
  if (algorithm === undefined || rest.length > 0 || (parameters !== undefined && parameters.tag !== tags.null)) {
    throw timestampError('a digest algorithm is none of SHA-1, SHA-256, SHA-384, SHA-512', 'RFC 5754 §2');
  }
  return algorithm;
}

const imprintLengths: Readonly<Record<DigestAlgorithm, number>> = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 };

export function readMessageImprint(node: DerNode): MessageImprint {
  const [algorithmNode, digestNode, ...rest] = node.sequence();
  if (algorithmNode === undefined || digestNode === undefined || rest.length > 0) {
    throw timestampError('MessageImprint is malformed', 'RFC 3161 §2.4.1');
  }
  const algorithm = readDigestAlgorithm(algorithmNode);
  const digest = digestNode.octetString();
  if (digest.length !== imprintLengths[algorithm]) {
    throw timestampError(`the imprint has ${digest.length} bytes, not those of ${algorithm}`, 'RFC 3161 §2.4.1');
  }
  return { algorithm, digest };
}

/** Turns whatever reading raised into an error of this format, so that callers see one code. */
export function readingTimestamp<Value>(what: string, read: () => Value): Value {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof SignetError && cause.code === 'ERR_DER')
      throw timestampError(`${what} is malformed`, 'RFC 3161', cause);
    throw cause;
  }
}

/**
 * Reads a TimeStampToken.
 *
 * @param bytes DER of a ContentInfo with SignedData over TSTInfo
 * @throws ERR_TIMESTAMP_FORMAT, ERR_INPUT_TOO_LARGE (above 64 KiB)
 */
export function parseTimestampToken(bytes: Uint8Array): TimestampToken {
  if (bytes.length > maximumToken) throw new SignetError('ERR_INPUT_TOO_LARGE', 'timestamp is longer than 64 KiB');
  return readingTimestamp('TimeStampToken', () => readToken(parseDer(bytes, 'timestamp')));
}

function readToken(node: DerNode): TimestampToken {
  const [contentType, wrapper, ...rest] = node.sequence();
  if (contentType?.oid() !== oids.signedData || wrapper?.tag !== 0xa0 || rest.length > 0) {
    throw timestampError('the content is not SignedData', 'RFC 5652 §3');
  }
  const [signedData, ...others] = wrapper.children();
  if (signedData === undefined || others.length > 0) throw timestampError('SignedData is malformed', 'RFC 5652 §5.1');
  const [version, digestAlgorithms, encapsulated, ...tail] = signedData.sequence();
  if (version === undefined || digestAlgorithms === undefined || encapsulated === undefined) {
    throw timestampError('SignedData is malformed', 'RFC 5652 §5.1');
  }
  version.smallInteger();
  digestAlgorithms.expect(tags.set);
  const info = readEncapsulatedInfo(encapsulated);

  const certificates: Uint8Array[] = [];
  let signerInfos: DerNode | undefined;
  for (const part of tail) {
    if (signerInfos !== undefined) throw timestampError('SignedData has parts after signerInfos', 'RFC 5652 §5.1');
    if (part.tag === 0xa0 && certificates.length === 0) {
      certificates.push(...part.children().map((certificate) => certificate.bytes));
    } else if (part.tag === tags.set) {
      signerInfos = part;
    } else if (part.tag !== 0xa1) {
      throw timestampError('SignedData has unknown parts', 'RFC 5652 §5.1');
    }
  }
  if (certificates.length > maximumCertificates) {
    throw new SignetError('ERR_INPUT_TOO_LARGE', `timestamp carries more than ${maximumCertificates} certificates`);
  }
  const signers = signerInfos?.children() ?? [];
  const [signerInfo] = signers;
  // RFC 3161 §2.4.2: the token must not contain any signatures other than that of the TSA.
  if (signerInfo === undefined || signers.length !== 1) {
    throw timestampError(`it has ${signers.length} signers, expected one`, 'RFC 3161 §2.4.2');
  }
  return { bytes: node.bytes, info, ...readTimestampInfo(info), ...readSignerInfo(signerInfo), certificates };
}

function readEncapsulatedInfo(node: DerNode): Uint8Array {
  const [type, wrapper, ...rest] = node.sequence();
  const [content, ...others] = wrapper?.tag === 0xa0 ? wrapper.children() : [];
  if (type?.oid() !== oids.timestampInfo || content === undefined || rest.length + others.length > 0) {
    throw timestampError('the signed content is not TSTInfo', 'RFC 3161 §2.4.2');
  }
  return content.octetString();
}

type TimestampInfo = Pick<TimestampToken, 'policy' | 'messageImprint' | 'serialNumber' | 'genTime' | 'nonce'>;

function readTimestampInfo(bytes: Uint8Array): TimestampInfo {
  const [version, policy, imprint, serial, time, ...tail] = parseDer(bytes, 'TSTInfo').sequence();
  if (version?.smallInteger() !== 1) throw timestampError('the version of TSTInfo is not 1', 'RFC 3161 §2.4.2');
  if (policy === undefined || imprint === undefined || serial === undefined || time === undefined) {
    throw timestampError('TSTInfo lacks fields', 'RFC 3161 §2.4.2');
  }
  // Optional fields, each at most once and in this order.
  const order: readonly number[] = [tags.sequence, tags.boolean, tags.integer, 0xa0, 0xa1];
  let nonce: bigint | undefined;
  let last = -1;
  for (const part of tail) {
    const place = order.indexOf(part.tag);
    if (place <= last) throw timestampError('TSTInfo has unknown fields or an unknown order', 'RFC 3161 §2.4.2');
    last = place;
    if (part.tag === tags.integer) nonce = part.integer();
    if (part.tag === 0xa1 && hasCriticalExtension(part)) {
      throw timestampError('TSTInfo has a critical extension that is not understood', 'RFC 3161 §2.4.2');
    }
  }
  return {
    policy: policy.oid(),
    messageImprint: readMessageImprint(imprint),
    serialNumber: serial.integerBytes(),
    genTime: time.timeWithFraction(),
    ...(nonce === undefined ? {} : { nonce }),
  };
}

function hasCriticalExtension(extensions: DerNode): boolean {
  return extensions.children().some((extension) => {
    const critical = extension.sequence()[1];
    return critical?.tag === tags.boolean && critical.boolean();
  });
}

type SignerInfo = Omit<TimestampToken, keyof TimestampInfo | 'bytes' | 'info' | 'certificates'>;

function readSignerInfo(node: DerNode): SignerInfo {
  const [version, signerId, digestNode, attributes, algorithm, signature, unsigned, ...rest] = node.sequence();
  if (version === undefined || signerId === undefined || digestNode === undefined || signature === undefined) {
    throw timestampError('SignerInfo lacks fields', 'RFC 5652 §5.3');
  }
  // TSTInfo is not id-data, so signed attributes must be there (RFC 5652 §5.3).
  if (attributes?.tag !== 0xa0) throw timestampError('SignerInfo has no signed attributes', 'RFC 5652 §5.3');
  if (rest.length > 0 || (unsigned !== undefined && unsigned.tag !== 0xa1)) {
    throw timestampError('SignerInfo has unknown fields', 'RFC 5652 §5.3');
  }
  const signatureAlgorithm = algorithm?.sequence()[0]?.oid();
  if (signatureAlgorithm === undefined) throw timestampError('SignerInfo lacks its algorithm', 'RFC 5652 §5.3');
  version.smallInteger();

  const signedAttributes = Uint8Array.from(attributes.bytes);
  // The signature is over the attributes as an explicit SET OF (RFC 5652 §5.4).
  signedAttributes[0] = tags.set;
  return {
    signer: readSignerId(signerId),
    digestAlgorithm: readDigestAlgorithm(digestNode),
    signatureAlgorithm,
    signedAttributes,
    ...readAttributes(attributes),
    signature: signature.octetString(),
  };
}

function readSignerId(node: DerNode): TimestampSigner {
  if (node.tag === 0x80) return { subjectKeyId: node.content };
  const [issuer, serial, ...rest] = node.sequence();
  if (issuer === undefined || serial === undefined || rest.length > 0) {
    throw timestampError('the signer is not issuer and serial number', 'RFC 5652 §5.3');
  }
  return { issuer: issuer.expect(tags.sequence).bytes, serialNumber: serial.integerBytes() };
}

function readAttributes(node: DerNode): Pick<SignerInfo, 'messageDigest' | 'signingCertificate'> {
  const attributes = new Map<string, DerNode>();
  for (const attribute of node.children()) {
    const [type, values, ...rest] = attribute.sequence();
    const oid = type?.oid();
    if (oid === undefined || values?.tag !== tags.set || rest.length > 0 || attributes.has(oid)) {
      throw timestampError('a signed attribute is malformed or stands twice', 'RFC 5652 §5.3');
    }
    const [value, ...others] = values.children();
    if (value === undefined || others.length > 0) {
      if (oid === oids.contentType || oid === oids.messageDigest) {
        throw timestampError('a signed attribute has not one value', 'RFC 5652 §11');
      }
      continue;
    }
    attributes.set(oid, value);
  }
  if (attributes.get(oids.contentType)?.oid() !== oids.timestampInfo) {
    throw timestampError('the content type attribute is not TSTInfo', 'RFC 5652 §11.1');
  }
  const messageDigest = attributes.get(oids.messageDigest)?.octetString();
  if (messageDigest === undefined) throw timestampError('the message digest attribute is missing', 'RFC 5652 §11.2');
  const signingCertificate = readSigningCertificate(
    attributes.get(oids.signingCertificateV2),
    attributes.get(oids.signingCertificate),
  );
  return signingCertificate === undefined ? { messageDigest } : { messageDigest, signingCertificate };
}

/** The first ESSCertIDv2 (RFC 5035 §4, SHA-256 by default) or ESSCertID (SHA-1). */
function readSigningCertificate(second?: DerNode, first?: DerNode): SigningCertificateHash | undefined {
  const identifier = (second ?? first)?.sequence()[0]?.sequence()[0]?.sequence();
  if (identifier === undefined) return undefined;
  const [head, next] = identifier;
  if (head === undefined) throw timestampError('the signing certificate attribute is malformed', 'RFC 5035 §4');
  if (second === undefined) return { algorithm: 'sha1', hash: head.octetString() };
  if (head.tag === tags.octetString) return { algorithm: 'sha256', hash: head.octetString() };
  if (next === undefined) throw timestampError('the signing certificate attribute is malformed', 'RFC 5035 §4');
  return { algorithm: readDigestAlgorithm(head), hash: next.octetString() };
}
