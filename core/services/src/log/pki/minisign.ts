import { createHash, hash } from 'node:crypto';
import { importPublicKey, verifySignature } from '@signet/primitives/crypto';
import { concat, der, equalBytes, fromBase64, fromUtf8, oids, toBase64, utf8 } from '@signet/primitives/formats';
import { checked, type PkiFormat, type PkiPublicKey, signatureError } from './pki-format.ts';

// Two bytes of algorithm and eight of key id stand before every key and signature.
const keyIdSize = 8;
const keySize = 32;
const signatureSize = 64;
const maximumText = 16_384;
const trustedPrefix = 'trusted comment: ';

/** Keys and signatures of minisign and of OpenBSD's signify, which are the same but for the second signature. */
export const minisignFormat: PkiFormat = { name: 'minisign', readPublicKey };

interface Algorithm {
  readonly prehashed: boolean;
}

const algorithms: Readonly<Record<string, Algorithm>> = {
  Ed: { prehashed: false },
  // BLAKE2b-512 of the message is signed, so that it need not fit into memory.
  ED: { prehashed: true },
};

/**
 * A key in one of three forms: the file with its comment, the line of base64 alone, or the 32 bytes of the key that old
 * entries of Rekor hold.
 */
function readPublicKey(bytes: Uint8Array): PkiPublicKey {
  const raw = bytes.length === keySize ? concat(utf8('Ed'), new Uint8Array(keyIdSize), bytes) : readKeyText(bytes);
  if (algorithmOf(raw)?.prehashed !== false) throw signatureError('the minisign key is not of Ed25519');
  const keyId = raw.subarray(2, 2 + keyIdSize);
  const key = importPublicKey(
    der.sequence(der.sequence(der.oid(oids.ed25519)), der.bitString(raw.subarray(2 + keyIdSize))),
  );
  const canonical = utf8(toBase64(raw));
  const isSigned = (signature: Uint8Array, message: Uint8Array): boolean =>
    checked('the minisign signature', () => verifySignature({ key, details: 'PKIX_ED25519', message, signature }));
  return {
    canonical,
    searchTerms: [{ kind: 'publicKey', fingerprint: hash('sha256', canonical, 'buffer') }],
    verify(signature, message) {
      const { line, trusted } = readSignature(signature);
      const algorithm = algorithmOf(line);
      if (algorithm === undefined) throw signatureError('the minisign signature is of an unknown algorithm');
      const namesKey = equalBytes(line.subarray(2, 2 + keyIdSize), keyId);
      // The form without a key id is zero there.
      if (!namesKey && keyId.some((byte) => byte !== 0))
        throw signatureError('the minisign signature names another key');
      const signed = algorithm.prehashed ? createHash('blake2b512').update(message).digest() : message;
      const value = line.subarray(2 + keyIdSize);
      if (!isSigned(value, signed)) throw signatureError('the minisign signature does not verify over the content');
      if (trusted !== undefined && !isSigned(trusted.signature, concat(value, utf8(trusted.comment)))) {
        throw signatureError('the trusted comment of the minisign signature is not the one that was signed');
      }
      // Neither comment is logged; without a newline at the end, as upstream.
      return utf8(`untrusted comment:\n${toBase64(line)}`);
    },
  };
}

function algorithmOf(raw: Uint8Array): Algorithm | undefined {
  return algorithms[Buffer.from(raw.subarray(0, 2)).toString('latin1')];
}

function readKeyText(bytes: Uint8Array): Uint8Array {
  const lines = readLines(bytes, 'the minisign key');
  const [line = ''] = lines.length === 2 ? lines.slice(1) : lines;
  if (lines.length > 2) throw signatureError('the minisign key has more than a comment and a line of base64');
  return readRaw(line, keySize, 'the minisign key');
}

/** Four lines of minisign, or two of signify. */
function readSignature(bytes: Uint8Array): {
  line: Uint8Array;
  trusted?: { comment: string; signature: Uint8Array };
} {
  const lines = readLines(bytes, 'the minisign signature');
  const [, first = '', comment = '', second = ''] = lines;
  const line = readRaw(first, signatureSize, 'the minisign signature');
  if (lines.length === 2) return { line };
  if (lines.length !== 4 || !comment.startsWith(trustedPrefix)) {
    throw signatureError(`the minisign signature has ${lines.length} lines, not the 4 of minisign or the 2 of signify`);
  }
  const signature = checked('the minisign signature', () => fromBase64(second, 'its last line'));
  return { line, trusted: { comment: comment.slice(trustedPrefix.length), signature } };
}

function readLines(bytes: Uint8Array, what: string): string[] {
  if (bytes.length > maximumText) throw signatureError(`${what} has ${bytes.length} bytes, more than ${maximumText}`);
  const text = checked(what, () => fromUtf8(bytes, what));
  return text
    .replace(/[\r\n]+$/, '')
    .split('\n')
    .map((line) => line.replace(/\r$/, ''));
}

function readRaw(line: string, size: number, what: string): Uint8Array {
  const raw = checked(what, () => fromBase64(line, what));
  if (raw.length !== 2 + keyIdSize + size) throw signatureError(`${what} has ${raw.length} bytes of base64`);
  return raw;
}
