import { createECDH } from 'node:crypto';
import { type EcCurve, parseDer } from '../formats/index.ts';

/** y² = x³ − 3x + b over the prime field `p`, with a base point of prime order `n` (FIPS 186-5, SP 800-186). */
interface Curve {
  readonly name: string;
  readonly p: bigint;
  readonly n: bigint;
  readonly bytes: number;
  readonly orderBits: number;
}

const curves: Readonly<Record<EcCurve, Curve>> = {
  'P-256': {
    name: 'prime256v1',
    p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    n: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
    bytes: 32,
    orderBits: 256,
  },
  'P-384': {
    name: 'secp384r1',
    p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    n: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
    bytes: 48,
    orderBits: 384,
  },
  'P-521': {
    name: 'secp521r1',
    p: 2n ** 521n - 1n,
    n: 2n ** 521n - 2n ** 260n + 0xa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
    bytes: 66,
    orderBits: 521,
  },
};

interface Point {
  readonly x: bigint;
  readonly y: bigint;
}

function toBigInt(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
}

function toBytes(value: bigint, length: number): Buffer {
  return Buffer.from(value.toString(16).padStart(length * 2, '0'), 'hex');
}

function modulo(value: bigint, modulus: bigint): bigint {
  const rest = value % modulus;
  return rest < 0n ? rest + modulus : rest;
}

/** Inverse of `value` modulo the prime `modulus`, by the extended Euclidean algorithm. All inputs here are public. */
function invert(value: bigint, modulus: bigint): bigint {
  let [low, high] = [modulo(value, modulus), modulus];
  let [lowFactor, highFactor] = [1n, 0n];
  while (low > 1n) {
    const quotient = high / low;
    [low, high] = [high - low * quotient, low];
    [lowFactor, highFactor] = [highFactor - lowFactor * quotient, lowFactor];
  }
  return modulo(lowFactor, modulus);
}

/** Sum of two points, neither of which is the point at infinity; undefined when the sum is. */
function add(a: Point, b: Point, { p }: Curve): Point | undefined {
  let slope: bigint;
  if (a.x !== b.x) {
    slope = modulo((b.y - a.y) * invert(b.x - a.x, p), p);
  } else {
    // Equal x: the points are opposite (their sum is infinity) or the same (the tangent; y is not 0 in a prime group).
    if (a.y !== b.y) return undefined;
    slope = modulo((3n * a.x * a.x - 3n) * invert(2n * a.y, p), p);
  }
  const x = modulo(slope * slope - a.x - b.x, p);
  return { x, y: modulo(slope * (a.x - x) - a.y, p) };
}

function readPoint(bytes: Uint8Array, length: number): Point {
  return { x: toBigInt(bytes.subarray(1, 1 + length)), y: toBigInt(bytes.subarray(1 + length, 1 + 2 * length)) };
}

/** r and s of a DER signature, or undefined when it is not one (RFC 3279 §2.2.3). */
function readSignature(signature: Uint8Array): { r: bigint; s: bigint } | undefined {
  if (signature.length > 256) return undefined;
  try {
    const [r, s, ...rest] = parseDer(signature, 'ECDSA signature').sequence();
    return r === undefined || s === undefined || rest.length > 0 ? undefined : { r: r.integer(), s: s.integer() };
  } catch {
    // Whatever is not a signature does not verify; why it is not is of no use to the caller.
    return undefined;
  }
}

/**
 * ECDSA verification (FIPS 186-5 §6.4.2) of a digest without its message, which hashedrekord needs and `node:crypto`
 * does not offer. With u₁ = z/s and u₂ = r/s, the verified point R = u₁G + u₂Q is u₂((z/r)G + Q): the first product
 * is an ECDH public key, the second an ECDH secret, which is just R's x. Both scalar multiplications are OpenSSL's;
 * the addition between them is exact, with its special cases.
 *
 * @param point uncompressed public key point, already found to be on the curve
 * @param digest of the message; longer ones are cut to the order's length (FIPS 186-5 §6.4.2 step 2)
 * @param signature DER SEQUENCE of r and s
 */
export function verifyEcdsaDigest(
  curveName: EcCurve,
  point: Uint8Array,
  digest: Uint8Array,
  signature: Uint8Array,
): boolean {
  const curve = curves[curveName];
  const numbers = readSignature(signature);
  if (numbers === undefined) return false;
  const { r, s } = numbers;
  if (r <= 0n || r >= curve.n || s <= 0n || s >= curve.n) return false;

  let z = toBigInt(digest);
  const excess = digest.length * 8 - curve.orderBits;
  if (excess > 0) z >>= BigInt(excess);

  const ecdh = createECDH(curve.name);
  const publicPoint = readPoint(point, curve.bytes);
  const factor = modulo(z * invert(r, curve.n), curve.n);
  let sum: Point | undefined = publicPoint;
  if (factor !== 0n) {
    ecdh.setPrivateKey(toBytes(factor, curve.bytes));
    sum = add(readPoint(ecdh.getPublicKey(), curve.bytes), publicPoint, curve);
  }
  // u₂ is not 0, so R is infinity exactly when the sum is.
  if (sum === undefined) return false;
  ecdh.setPrivateKey(toBytes(modulo(r * invert(s, curve.n), curve.n), curve.bytes));
  const encoded = Buffer.concat([Buffer.from([4]), toBytes(sum.x, curve.bytes), toBytes(sum.y, curve.bytes)]);
  return toBigInt(ecdh.computeSecret(encoded)) % curve.n === r;
}
