import { utf8 } from '../formats/index.ts';
import { digest } from './digest.ts';

type Ed25519Module = typeof import('@noble/curves/ed25519.js');

let loaded: Ed25519Module | undefined;

function load(): Ed25519Module {
  const { createRequire } = process.getBuiltinModule('node:module');
  return createRequire(import.meta.url)('@noble/curves/ed25519.js') as Ed25519Module;
}

/** dom2(1, "") of RFC 8032 §2: phflag 1 and an empty context. */
const domain = new Uint8Array([...utf8('SigEd25519 no Ed25519 collisions'), 1, 0]);

/** Bytes as a little-endian number (RFC 8032 §5.1.2). */
function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
}

/**
 * Ed25519ph verification (RFC 8032 §5.1.7) from the SHA-512 of the message. OpenSSL has it, Node does not hand it
 * through, so the curve is that of `@noble/curves`, which is loaded on first use and by nothing else.
 *
 * @param publicKey 32 bytes
 * @param messageDigest SHA-512 of the message
 */
export function verifyEd25519phDigest(
  publicKey: Uint8Array,
  messageDigest: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (signature.length !== 64) return false;
  loaded ??= load();
  const { Point } = loaded.ed25519;
  const order = Point.Fn.ORDER;
  const s = littleEndian(signature.subarray(32));
  if (s >= order) return false;
  try {
    const r = Point.fromBytes(signature.subarray(0, 32), false);
    const a = Point.fromBytes(publicKey, false);
    if (a.isSmallOrder()) return false;
    const k = littleEndian(digest('sha512', domain, signature.subarray(0, 32), publicKey, messageDigest)) % order;
    const left = Point.BASE.multiplyUnsafe(s);
    return left.subtract(r).subtract(a.multiplyUnsafe(k)).clearCofactor().is0();
  } catch {
    // Not the encoding of a point: it cannot verify.
    return false;
  }
}
