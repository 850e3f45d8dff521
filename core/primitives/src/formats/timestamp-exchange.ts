import { type DerNode, parseDer, tags } from './der.ts';
import { der } from './der-writer.ts';
import { SignetError } from './errors.ts';
import { oids } from './oids.ts';
import type { DigestAlgorithm } from './public-key.ts';
import {
  type MessageImprint,
  parseTimestampToken,
  readingTimestamp,
  readMessageImprint,
  type TimestampToken,
  timestampError,
} from './timestamp-token.ts';
import type { Certificate } from './x509.ts';

/** A TimeStampReq (RFC 3161 §2.4.1). */
export interface TimestampRequest {
  readonly messageImprint: MessageImprint;
  /** Dotted OID of the policy that is asked for. */
  readonly policy?: string;
  readonly nonce?: bigint;
  /** Whether the certificate shall come along. */
  readonly certificateRequested: boolean;
  /** Whether the request has extensions; none are understood here. */
  readonly hasExtensions: boolean;
}

/** Reasons for a rejection: bit numbers of PKIFailureInfo (RFC 3161 §2.4.2). */
export const timestampFailures = {
  badAlg: 0,
  badRequest: 2,
  badDataFormat: 5,
  timeNotAvailable: 14,
  unacceptedPolicy: 15,
  unacceptedExtension: 16,
  addInfoNotAvailable: 17,
  systemFailure: 25,
} as const;

export type TimestampFailure = keyof typeof timestampFailures;

const maximumRequest = 4 * 1024;
const maximumResponse = 96 * 1024;
const maximumNonceBits = 256n;

const digestOids: Readonly<Record<DigestAlgorithm, string>> = {
  sha1: oids.sha1,
  sha256: oids.sha256,
  sha384: oids.sha384,
  sha512: oids.sha512,
};

function imprint({ algorithm, digest }: MessageImprint): Uint8Array {
  return der.sequence(der.sequence(der.oid(digestOids[algorithm]), der.null()), der.octetString(digest));
}

/** Writes a TimeStampReq. */
export function encodeTimestampRequest(request: Omit<TimestampRequest, 'hasExtensions'>): Uint8Array {
  return der.sequence(
    der.integer(1),
    imprint(request.messageImprint),
    ...(request.policy === undefined ? [] : [der.oid(request.policy)]),
    ...(request.nonce === undefined ? [] : [der.integer(request.nonce)]),
    ...(request.certificateRequested ? [der.boolean(true)] : []),
  );
}

/**
 * Reads a TimeStampReq.
 *
 * @throws ERR_TIMESTAMP_FORMAT, ERR_INPUT_TOO_LARGE (above 4 KiB)
 */
export function parseTimestampRequest(bytes: Uint8Array): TimestampRequest {
  if (bytes.length > maximumRequest)
    throw new SignetError('ERR_INPUT_TOO_LARGE', 'timestamp request is longer than 4 KiB');
  return readingTimestamp('TimeStampReq', () => {
    const [version, imprintNode, ...tail] = parseDer(bytes, 'timestamp request').sequence();
    if (version?.smallInteger() !== 1 || imprintNode === undefined) {
      throw timestampError('the request is not of version 1 with an imprint', 'RFC 3161 §2.4.1');
    }
    const order: readonly number[] = [tags.oid, tags.integer, tags.boolean, 0xa0];
    const found = new Map<number, DerNode>();
    let last = -1;
    for (const part of tail) {
      const place = order.indexOf(part.tag);
      if (place <= last) throw timestampError('the request has unknown fields or an unknown order', 'RFC 3161 §2.4.1');
      last = place;
      found.set(part.tag, part);
    }
    const policy = found.get(tags.oid)?.oid();
    const nonce = found.get(tags.integer)?.integer();
    if (nonce !== undefined && (nonce < 0n || nonce >= 1n << maximumNonceBits)) {
      throw timestampError(`the nonce is negative or above ${maximumNonceBits} bits`, 'RFC 3161 §2.4.1');
    }
    const messageImprint = readMessageImprint(imprintNode);
    return {
      messageImprint,
      ...(policy === undefined ? {} : { policy }),
      ...(nonce === undefined ? {} : { nonce }),
      certificateRequested: found.get(tags.boolean)?.boolean() ?? false,
      hasExtensions: found.has(0xa0),
    };
  });
}

/**
 * Reads a TimeStampResp that grants a token.
 *
 * @throws ERR_TIMESTAMP_FORMAT also when the authority refused, with its words; ERR_INPUT_TOO_LARGE
 */
export function parseTimestampResponse(bytes: Uint8Array): TimestampToken {
  if (bytes.length > maximumResponse)
    throw new SignetError('ERR_INPUT_TOO_LARGE', 'timestamp response is longer than 96 KiB');
  return readingTimestamp('TimeStampResp', () => {
    const [statusInfo, token, ...rest] = parseDer(bytes, 'timestamp response').sequence();
    const [status, text] = statusInfo?.sequence() ?? [];
    if (status === undefined || rest.length > 0) throw timestampError('the response is malformed', 'RFC 3161 §2.4.2');
    const code = status.smallInteger();
    // 0 granted, 1 granted with modifications; with any other status there is no token.
    if (code > 1 || token === undefined) {
      const words = text?.tag === tags.sequence ? text.children().map((line) => line.text()) : [];
      const reason = words.length === 0 ? '' : `: ${words.join('; ').slice(0, 300)}`;
      throw timestampError(`the authority refused with status ${code}${reason}`, 'RFC 3161 §2.4.2');
    }
    return parseTimestampToken(token.bytes);
  });
}

/** Writes a TimeStampResp that refuses (status rejection, 2). */
export function encodeTimestampRejection(failure: TimestampFailure, text: string): Uint8Array {
  return der.sequence(
    der.sequence(der.integer(2), der.sequence(der.utf8String(text)), der.namedBits(timestampFailures[failure])),
  );
}

export interface TimestampResponseOptions {
  readonly messageImprint: MessageImprint;
  /** Dotted OID. */
  readonly policy: string;
  /** Unsigned, unique for this authority. */
  readonly serialNumber: Uint8Array;
  /** Written in whole seconds, cut down. */
  readonly genTime: Date;
  /** Seconds. */
  readonly accuracy: number;
  readonly nonce?: bigint;
  /** The authority's own certificate. */
  readonly certificate: Certificate;
  /** SHA-256 of the certificate's DER (ESSCertIDv2, RFC 5816). */
  readonly certificateDigest: Uint8Array;
  /** Certificates to send along; empty when none were asked for. */
  readonly certificates: readonly Uint8Array[];
  /** Hash over content and attributes, the one of the signer's algorithm. */
  readonly digestAlgorithm: 'sha256' | 'sha384' | 'sha512';
  /** Dotted OID. */
  readonly signatureAlgorithm: string;
  readonly digest: (bytes: Uint8Array) => Uint8Array;
  readonly sign: (message: Uint8Array) => Promise<Uint8Array>;
}

function attribute(oid: string, value: Uint8Array): Uint8Array {
  return der.sequence(der.oid(oid), der.set(value));
}

/** Writes a TimeStampResp that grants: SignedData over TSTInfo (RFC 3161 §2.4.2, RFC 5652 §5, RFC 5816). */
export async function encodeTimestampResponse(options: TimestampResponseOptions): Promise<Uint8Array> {
  const info = der.sequence(
    der.integer(1),
    der.oid(options.policy),
    imprint(options.messageImprint),
    der.integer(options.serialNumber),
    der.generalizedTime(options.genTime),
    der.sequence(der.integer(options.accuracy)),
    ...(options.nonce === undefined ? [] : [der.integer(options.nonce)]),
  );
  const attributes = der.setOf([
    attribute(oids.contentType, der.oid(oids.timestampInfo)),
    attribute(oids.signingTime, der.time(options.genTime)),
    attribute(oids.messageDigest, der.octetString(options.digest(info))),
    // ESSCertIDv2 without its hashAlgorithm means SHA-256 (RFC 5035 §4).
    attribute(
      oids.signingCertificateV2,
      der.sequence(der.sequence(der.sequence(der.octetString(options.certificateDigest)))),
    ),
  ]);
  const signature = await options.sign(attributes);
  const implicitAttributes = Uint8Array.from(attributes);
  implicitAttributes[0] = 0xa0;
  const digestAlgorithm = der.sequence(der.oid(digestOids[options.digestAlgorithm]));
  const parameters = options.signatureAlgorithm.startsWith('1.2.840.113549.1.1.') ? [der.null()] : [];
  const signerInfo = der.sequence(
    der.integer(1),
    der.sequence(options.certificate.issuer, der.integer(options.certificate.serialNumber)),
    digestAlgorithm,
    implicitAttributes,
    der.sequence(der.oid(options.signatureAlgorithm), ...parameters),
    der.octetString(signature),
  );
  const signedData = der.sequence(
    der.integer(3),
    der.set(digestAlgorithm),
    der.sequence(der.oid(oids.timestampInfo), der.context(0, der.octetString(info))),
    ...(options.certificates.length === 0 ? [] : [der.context(0, ...options.certificates)]),
    der.set(signerInfo),
  );
  const token = der.sequence(der.oid(oids.signedData), der.context(0, signedData));
  return der.sequence(der.sequence(der.integer(0)), token);
}
