import { importPublicKey, type VerificationKey, verifySignatureAside } from '@signet/primitives/crypto';
import {
  fromUtf8,
  type PublicKeyInfo,
  parseDer,
  parsePem,
  parsePublicKeyInfo,
  SignetError,
  utf8,
} from '@signet/primitives/formats';
import { IssuanceError } from './issuance-error.ts';
import { rsaWeakness } from './weak-rsa.ts';

const maxKeyLength = 16 * 1024;

/**
 * Reads the public key of a request.
 *
 * @param content PEM with one PUBLIC KEY, or DER of SubjectPublicKeyInfo
 * @throws ERR_KEY_UNSUPPORTED when it cannot be parsed
 */
export function readPublicKey(content: string | Uint8Array): VerificationKey {
  try {
    if (content.length > maxKeyLength) throw new SignetError('ERR_INPUT_TOO_LARGE', 'it is longer than 16 KiB');
    return importPublicKey(parsePublicKeyInfo(typeof content === 'string' ? fromPem(content) : fromPemOrDer(content)));
  } catch (cause) {
    if (!(cause instanceof SignetError)) throw cause;
    throw new IssuanceError(
      'ERR_KEY_UNSUPPORTED',
      'public-key-unusable',
      `The public key cannot be parsed: ${cause.message}.`,
      { cause, expected: 'one PEM block PUBLIC KEY with a key on P-256, P-384 or P-521, RSA or Ed25519' },
    );
  }
}

function fromPemOrDer(content: Uint8Array): Uint8Array {
  // No DER of a key starts with a hyphen: its first byte is the tag of SEQUENCE.
  return content[0] === 0x2d ? fromPem(fromUtf8(content, 'public key')) : content;
}

function fromPem(text: string): Uint8Array {
  const [block, ...others] = parsePem(text, 'public key');
  if (block?.label !== 'PUBLIC KEY' || others.length > 0) {
    throw new SignetError('ERR_ENCODING', 'public key: expected exactly one PEM block PUBLIC KEY');
  }
  return block.bytes;
}

/**
 * What the authority certifies: ECDSA on P-256, P-384 or P-521, RSA of 2048, 3072 or 4096 bits with exponent 65537 and
 * no known weakness, Ed25519 (sigstore/fulcio, docs/certificate-issuing.md).
 *
 * @throws ERR_KEY_WEAK
 */
export function checkKeyPolicy(key: PublicKeyInfo): void {
  switch (key.algorithm) {
    case 'ecdsa':
    case 'ed25519':
      return;
    case 'rsa': {
      if (![2048, 3072, 4096].includes(key.modulusBits ?? 0)) {
        throw weak('key-size', `it is an RSA key of ${key.modulusBits} bits`, '2048, 3072 or 4096 bits');
      }
      if (key.publicExponent !== 65537n) throw weak('key-exponent', 'its exponent is unusual', 'the exponent 65537');
      const modulus = parseDer(key.keyBytes, 'RSA public key').sequence()[0]?.integer() ?? 0n;
      const weakness = rsaWeakness(modulus);
      if (weakness !== undefined) throw weak('key-factorable', weakness, 'a freshly generated key');
      return;
    }
    default:
      throw weak('key-algorithm', `its algorithm ${key.algorithm} is not certified here`, 'ECDSA, RSA or Ed25519');
  }
}

function weak(reason: string, problem: string, expected: string): IssuanceError {
  return new IssuanceError('ERR_KEY_WEAK', reason, `The public key is refused: ${problem}.`, { expected });
}

/**
 * Checks that whoever asks holds the private key: a signature over one of the token's challenges, by the key's own
 * algorithm (ECDSA with its curve's hash in DER, RSA PKCS#1 v1.5 with SHA-256, pure Ed25519).
 *
 * @throws ERR_PROOF_OF_POSSESSION
 */
export async function checkProofOfPossession(
  key: VerificationKey,
  proof: Uint8Array,
  challenges: readonly string[],
  challengeClaim: string,
): Promise<void> {
  for (const challenge of challenges) {
    if (await verifySignatureAside({ key, signature: proof, message: utf8(challenge) })) return;
  }
  throw new IssuanceError(
    'ERR_PROOF_OF_POSSESSION',
    'proof-of-possession',
    'The proof of possession is not a signature by the given key over the challenge.',
    { claim: challengeClaim, expected: `a signature over the token's claim "${challengeClaim}"` },
  );
}
