import { JsonReader, parseJson, preAuthenticationEncoding, SignetError } from '@signet/primitives/formats';
import { type PkiPublicKey, signatureError } from '../pki/index.ts';
import { proposalError } from './entry-type.ts';

/** A DSSE envelope as it was submitted: signatures stay the text that they were, because entries hold that text. */
export interface SubmittedEnvelope {
  readonly payloadType: string;
  readonly payload: Uint8Array;
  readonly signatures: readonly { readonly text: string; readonly bytes: Uint8Array }[];
}

const reader = new JsonReader('ERR_LOG_REQUEST');
const maximumSignatures = 16;
const maximumEnvelope = 32 << 20;

/**
 * Reads an envelope from JSON text. Unknown fields are skipped, as Go skips them; the entry has the hash of the whole text.
 *
 * @throws ERR_LOG_REQUEST
 */
export function readEnvelope(text: string): SubmittedEnvelope {
  let value: unknown;
  try {
    value = parseJson(text, 'the envelope', { maxLength: maximumEnvelope });
  } catch (cause) {
    if (cause instanceof SignetError) throw proposalError(cause.message, cause);
    throw cause;
  }
  const object = reader.object(value, 'the envelope');
  const signatures = reader.list(object, 'signatures', 'the envelope', maximumSignatures).map((element, i) => {
    const path = `the envelope.signatures[${i}]`;
    const sig = reader.string(reader.object(element, path), 'sig', path);
    return { text: sig, bytes: envelopeBytes(sig, `${path}.sig`) };
  });
  if (signatures.length === 0) throw proposalError('the envelope has no signature');
  return {
    payloadType: reader.string(object, 'payloadType', 'the envelope'),
    payload: envelopeBytes(reader.string(object, 'payload', 'the envelope'), 'the envelope.payload'),
    signatures,
  };
}

/** Base64 in either alphabet (DSSE envelope.md). */
export function envelopeBytes(text: string, path: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.toString('base64') !== text && bytes.toString('base64url') !== text.replace(/=+$/, '')) {
    throw proposalError(`${path} is not base64`);
  }
  return new Uint8Array(bytes);
}

/**
 * Finds the key of every signature.
 *
 * @returns the keys in the order of the signatures
 * @throws ERR_LOG_SIGNATURE when a signature verifies with none of the keys
 */
export async function verifyEnvelope<Key extends PkiPublicKey>(
  { payloadType, payload, signatures }: SubmittedEnvelope,
  keys: readonly Key[],
): Promise<Key[]> {
  const message = preAuthenticationEncoding(payloadType, payload);
  const found: Key[] = [];
  for (const [i, { bytes }] of signatures.entries()) {
    const key = await firstThat(keys, (one) => verifies(one, bytes, message));
    if (key === undefined) throw signatureError(`signature ${i} of the envelope verifies with none of the given keys`);
    found.push(key);
  }
  return found;
}

async function firstThat<Item>(
  items: readonly Item[],
  test: (item: Item) => Promise<boolean>,
): Promise<Item | undefined> {
  for (const item of items) if (await test(item)) return item;
  return undefined;
}

async function verifies(key: PkiPublicKey, signature: Uint8Array, message: Uint8Array): Promise<boolean> {
  try {
    await key.verify(signature, message);
    return true;
  } catch (error) {
    if (error instanceof SignetError && error.code === 'ERR_LOG_SIGNATURE') return false;
    throw error;
  }
}
