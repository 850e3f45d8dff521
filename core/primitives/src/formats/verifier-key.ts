import { compareBytes, concat, fromBase64, fromHex, toBase64, toHex } from './bytes.ts';
import { SignetError } from './errors.ts';
import { nodeCrypto } from './node-crypto.ts';
import { noteKeyHint, noteSignatureType } from './note.ts';

/** A public key for signed notes, in the text form `<name>+<key id>+<base64 of type and key>` (c2sp.org/signed-note). */
export interface VerifierKey {
  readonly name: string;
  /** The four bytes that signature lines carry. */
  readonly keyHint: Uint8Array;
  /** One of {@link noteSignatureType}, or 0x02: ECDSA with the SubjectPublicKeyInfo as the key. */
  readonly type: number;
  readonly key: Uint8Array;
}

const ecdsaType = 0x02;
const keyLengths: Readonly<Record<number, number>> = {
  [noteSignatureType.ed25519]: 32,
  [noteSignatureType.cosignatureV1]: 32,
  [noteSignatureType.rfc6962]: 32,
  [noteSignatureType.mlDsa44]: 1312,
};

function hintOf(name: string, type: number, key: Uint8Array): Uint8Array {
  return type === ecdsaType
    ? new Uint8Array(nodeCrypto().hash('sha256', key, 'buffer').subarray(0, 4))
    : noteKeyHint(name, type, key);
}

/**
 * Reads a verifier key.
 *
 * @throws ERR_VERIFIER_KEY when it is malformed, of an unknown type, or its id is not that of the key
 */
export function parseVerifierKey(text: string): VerifierKey {
  const match = /^([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/u.exec(text.length > 16_384 ? '' : text);
  const [, name, id, encoded] = match ?? [];
  if (name === undefined || id === undefined || encoded === undefined) {
    throw verifierKeyError('expected a name, eight hexadecimal digits and base64, separated by plus signs');
  }
  let typeAndKey: Uint8Array;
  try {
    typeAndKey = fromBase64(encoded, 'verifier key');
  } catch (cause) {
    throw verifierKeyError('its last part is not canonical padded base64 (RFC 4648 §4)', cause);
  }
  const [type = 0] = typeAndKey;
  const key = typeAndKey.subarray(1);
  const length = type === ecdsaType ? key.length : keyLengths[type];
  if (length === undefined) throw verifierKeyError(`its signature type 0x${type.toString(16)} is not known`);
  if (key.length !== length || length === 0) throw verifierKeyError(`it has ${key.length} bytes instead of ${length}`);
  const keyHint = hintOf(name, type, key);
  if (compareBytes(keyHint, fromHex(id)) !== 0) {
    throw verifierKeyError(`its id ${id} is not that of the key, ${toHex(keyHint)}`);
  }
  return { name, keyHint, type, key };
}

/** The text form of a verifier key. */
export function formatVerifierKey(name: string, type: number, key: Uint8Array): string {
  const text = `${name}+${toHex(hintOf(name, type, key))}+${toBase64(concat(Uint8Array.of(type), key))}`;
  parseVerifierKey(text);
  return text;
}

function verifierKeyError(problem: string, cause?: unknown): SignetError {
  return new SignetError('ERR_VERIFIER_KEY', `the verifier key of a note is malformed: ${problem}`, { cause });
}
