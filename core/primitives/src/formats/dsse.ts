import { allocate, fromBase64, toBase64 } from './bytes.ts';
import { SignetError } from './errors.ts';
import { JsonReader } from './json.ts';

/** Payload type of an in-toto statement in JSON (in-toto attestation spec v1, envelope). */
export const inTotoPayloadType = 'application/vnd.in-toto+json';

export interface EnvelopeSignature {
  /** A hint; empty when there is none. */
  readonly keyid: string;
  readonly sig: Uint8Array;
}

/** A DSSE envelope (secure-systems-lab/dsse, envelope.md). */
export interface Envelope {
  readonly payloadType: string;
  readonly payload: Uint8Array;
  readonly signatures: readonly EnvelopeSignature[];
}

const encoder = new TextEncoder();

/**
 * What a DSSE signature is made over: `DSSEv1 SP LEN(type) SP type SP LEN(body) SP body`, lengths in bytes and decimal
 * (DSSE protocol.md).
 */
export function preAuthenticationEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const header = `DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${payload.length} `;
  const start = Buffer.byteLength(header);
  const encoding = allocate(start + payload.length);
  encoder.encodeInto(header, encoding);
  encoding.set(payload, start);
  return encoding;
}

const reader = new JsonReader('ERR_ENVELOPE_FORMAT');
const envelopeFields = new Set(['payload', 'payloadType', 'signatures']);
const signatureFields = new Set(['keyid', 'sig']);

/**
 * Reads an envelope from its JSON value.
 *
 * @throws ERR_ENVELOPE_FORMAT
 */
export function parseEnvelope(value: unknown, path = 'dsseEnvelope'): Envelope {
  const object = reader.object(value, path, envelopeFields);
  const payloadType = reader.string(object, 'payloadType', path);
  const payload = payloadBytes(reader.optionalString(object, 'payload', path) ?? '', `${path}.payload`);
  const signatures = reader.list(object, 'signatures', path, 16).map((element, index) => {
    const at = `${path}.signatures[${index}]`;
    const signature = reader.object(element, at, signatureFields);
    return { keyid: reader.optionalString(signature, 'keyid', at) ?? '', sig: reader.bytes(signature, 'sig', at) };
  });
  return { payloadType, payload, signatures };
}

/** An empty payload is a payload. */
function payloadBytes(text: string, path: string): Uint8Array {
  try {
    return fromBase64(text, path);
  } catch (cause) {
    throw new SignetError('ERR_ENVELOPE_FORMAT', `${path}: expected canonical padded base64`, { cause });
  }
}

/** The envelope's JSON value; an empty key id is written, as sigstore-js and Go do. */
export function envelopeToJson(envelope: Envelope): {
  payload: string;
  payloadType: string;
  signatures: { sig: string; keyid: string }[];
} {
  return {
    payload: toBase64(envelope.payload),
    payloadType: envelope.payloadType,
    signatures: envelope.signatures.map(({ sig, keyid }) => ({ sig: toBase64(sig), keyid })),
  };
}
