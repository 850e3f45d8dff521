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

/**
 * As many signatures and as many keys an envelope may come with. Rekor v1 itself sets no limit; envelopes with more than a few
 * have not been seen.
 */
const maximumSignatures = 16;

/**
 * As often as one submission makes the log try a signature with a key; a check of P-521 or RSA-4096 takes a millisecond. Each
 * signature may be tried with each key, so this bounds their product, and not either number: 16 signatures by one key are fine,
 * so are 4 by 4. The same 16 bound a dsse entry of the v2 API (rekor/create-entry.ts).
 */
export const maximumSignatureChecks = 16;

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
 * @throws ERR_LOG_SIGNATURE when a signature verifies with none of the keys; ERR_LOG_REQUEST when there are too many to try
 */
export async function verifyEnvelope<Key extends PkiPublicKey>(
  { payloadType, payload, signatures }: SubmittedEnvelope,
  keys: readonly Key[],
): Promise<Key[]> {
  if (signatures.length * keys.length > maximumSignatureChecks) {
    throw proposalError(
      `${signatures.length} signatures and ${keys.length} keys are too many to try each with each: ` +
        `at most ${maximumSignatureChecks} checks are made for one entry`,
    );
  }
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
