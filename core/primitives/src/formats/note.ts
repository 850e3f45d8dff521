import { concat, fromBase64, toBase64, utf8 } from './bytes.ts';
import { SignetError } from './errors.ts';
import { nodeCrypto } from './node-crypto.ts';

// c2sp.org/signed-note: a verifier limits size and count, and must take at least 16 signatures.
const maximumLength = 1_000_000;
const maximumSignatures = 100;
const signaturePrefix = '\u2014 ';

/** One signature line of a note. The key's name and hint say which key to check with; neither proves anything. */
export interface NoteSignature {
  readonly name: string;
  /** The first four bytes of the key's id. */
  readonly keyHint: Uint8Array;
  readonly signature: Uint8Array;
}

/** A signed note, taken apart but not verified. `text` ends in a newline and is what was signed. */
export interface SignedNote {
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** Signature type bytes that c2sp.org/signed-note assigns. */
export const noteSignatureType = { ed25519: 0x01, cosignatureV1: 0x04, rfc6962: 0x05, mlDsa44: 0x06 } as const;

/**
 * Takes a signed note apart (c2sp.org/signed-note). Nothing is verified.
 *
 * @throws ERR_NOTE_FORMAT
 */
export function parseSignedNote(note: string): SignedNote {
  if (note.length > maximumLength) throw noteError(`it is longer than ${maximumLength} characters`);
  if (!note.isWellFormed()) throw noteError('it is not valid Unicode');
  if (hasControlCharacter(note)) throw noteError('it contains a control character other than newline');
  const split = note.lastIndexOf('\n\n');
  if (split < 0) throw noteError('no blank line separates text and signatures');
  if (!note.endsWith('\n')) throw noteError('its last line does not end in a newline');
  const text = note.slice(0, split + 1);
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > maximumSignatures) throw noteError(`it has more than ${maximumSignatures} signatures`);
  return { text, signatures: lines.map(parseSignatureLine) };
}

/**
 * Puts a note together. The text must end in a newline; signatures stand in the order given, the log's own first.
 *
 * @throws ERR_NOTE_FORMAT when text or a key's name could not be read back
 */
export function formatSignedNote(note: SignedNote): string {
  if (!note.text.endsWith('\n')) throw noteError('its text does not end in a newline');
  let formatted = `${note.text}\n`;
  for (const { name, keyHint, signature } of note.signatures) {
    checkName(name);
    formatted += `${signaturePrefix}${name} ${toBase64(concat(keyHint, signature))}\n`;
  }
  parseSignedNote(formatted);
  return formatted;
}

/**
 * Id of a note key: `SHA-256(name || "\n" || type || key)`, of which signature lines carry the first four bytes. Rekor
 * v2 uses all 32 as `logId.keyId`.
 *
 * @param type see {@link noteSignatureType}
 * @param key for Ed25519 the 32 bytes of RFC 8032, for RFC 6962 the log id
 */
export function noteKeyId(name: string, type: number, key: Uint8Array): Uint8Array {
  return new Uint8Array(nodeCrypto().hash('sha256', concat(utf8(name), Uint8Array.of(0x0a, type), key), 'buffer'));
}

/** The first four bytes of {@link noteKeyId}. */
export function noteKeyHint(name: string, type: number, key: Uint8Array): Uint8Array {
  return noteKeyId(name, type, key).subarray(0, 4);
}

/**
 * Id under which a log's key of this kind signs checkpoints: for Ed25519 that of c2sp.org/signed-note, for ECDSA the
 * SHA-256 of the SubjectPublicKeyInfo (type 0x02), which is also how Rekor v1 names every key.
 *
 * @throws ERR_KEY_UNSUPPORTED for other kinds of key
 */
export function logKeyId(
  name: string,
  key: { readonly algorithm: string; readonly spki: Uint8Array; readonly keyBytes: Uint8Array },
): Uint8Array {
  if (key.algorithm === 'ed25519') return noteKeyId(name, noteSignatureType.ed25519, key.keyBytes);
  if (key.algorithm === 'ecdsa') return new Uint8Array(nodeCrypto().hash('sha256', key.spki, 'buffer'));
  throw new SignetError('ERR_KEY_UNSUPPORTED', `a log cannot sign checkpoints with a key of type ${key.algorithm}`, {
    expected: 'Ed25519 or ECDSA',
    found: key.algorithm,
  });
}

function parseSignatureLine(line: string): NoteSignature {
  if (!line.startsWith(signaturePrefix)) throw noteError('a signature line does not start with an em dash and a space');
  const space = line.indexOf(' ', signaturePrefix.length);
  const name = line.slice(signaturePrefix.length, space < 0 ? undefined : space);
  const encoded = space < 0 ? '' : line.slice(space + 1);
  if (encoded.includes(' ')) throw noteError('a signature line has more than a name and a signature');
  checkName(name);
  const bytes = fromBase64(encoded, 'note signature');
  if (bytes.length < 5) throw noteError('a signature is too short to hold a key hint and a signature');
  return { name, keyHint: bytes.subarray(0, 4), signature: bytes.subarray(4) };
}

function checkName(name: string): void {
  if (name === '' || /[\s+]/u.test(name)) throw noteError('a key name is empty or contains a space or a plus sign');
}

function hasControlCharacter(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20 && unit !== 0x0a) return true;
  }
  return false;
}

function noteError(reason: string): SignetError {
  return new SignetError('ERR_NOTE_FORMAT', `the signed note is malformed: ${reason}`);
}
