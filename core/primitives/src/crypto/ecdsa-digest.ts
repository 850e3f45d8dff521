import type { ECDH } from 'node:crypto';
import { type EcCurve, nodeCrypto, parseDer } from '../formats/index.ts';
import { invert } from './modular-inverse.ts';

/** y² = x³ − 3x + b over the prime field `p`, with a base point of prime order `n` (FIPS 186-5, SP 800-186). */
interface Curve {
  readonly name: string;
  readonly p: bigint;
  readonly b: bigint;
  readonly n: bigint;
  readonly bytes: number;
  readonly orderBits: number;
}

const curves: Readonly<Record<EcCurve, Curve>> = {
  'P-256': {
    name: 'prime256v1',
    p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
    n: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
    bytes: 32,
    orderBits: 256,
  },
  'P-384': {
    name: 'secp384r1',
    p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
    n: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
    bytes: 48,
    orderBits: 384,
  },
  'P-521': {
    name: 'secp521r1',
    p: 2n ** 521n - 1n,
    b: 0x051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00n,
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

function toHexNumber(value: bigint, length: number): string {
  return value.toString(16).padStart(length * 2, '0');
}

function toBytes(value: bigint, length: number): Buffer {
  return Buffer.from(toHexNumber(value, length), 'hex');
}

function modulo(value: bigint, modulus: bigint): bigint {
  const rest = value % modulus;
  return rest < 0n ? rest + modulus : rest;
}

/** Sum of two points, neither of which is the point at infinity; undefined when the sum is. */
function add(a: Point, b: Point, { p }: Curve): Point | undefined {
  let slope: bigint;
  if (a.x !== b.x) {
    slope = modulo((b.y - a.y) * invert(modulo(b.x - a.x, p), p), p);
  } else {
    // Equal x: the points are opposite (their sum is infinity) or the same (the tangent; y is not 0 in a prime group).
    if (a.y !== b.y) return undefined;
    slope = modulo((3n * a.x * a.x - 3n) * invert(modulo(2n * a.y, p), p), p);
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
 * Whether an uncompressed point lies on its curve. On these curves that is all there is to check (SP 800-56A §5.6.2.3.3):
 * their cofactor is 1, and this encoding has no point at infinity.
 */
export function isOnCurve(curveName: EcCurve, point: Uint8Array): boolean {
  const { p, b, bytes } = curves[curveName];
  if (point.length !== 1 + 2 * bytes || point[0] !== 4) return false;
  const { x, y } = readPoint(point, bytes);
  return x < p && y < p && (y * y - (x * x - 3n) * x - b) % p === 0n;
}

// One for each curve: making one costs as much as a multiplication's tenth. The scalars are public.
const agreements = new Map<string, ECDH>();

function agreement({ name }: Curve): ECDH {
  const known = agreements.get(name) ?? nodeCrypto().createECDH(name);
  agreements.set(name, known);
  return known;
}

/**
 * ECDSA verification (FIPS 186-5 §6.4.2) of a digest without its message, which hashedrekord needs and `node:crypto`
 * does not offer. With u₁ = z/s and u₂ = r/s, the verified point R = u₁G + u₂Q is u₂((z/r)G + Q): the first product
 * is an ECDH public key, the second an ECDH secret, which is just R's x. Both scalar multiplications are OpenSSL's;
 * the addition between them is exact, with its special cases.
 *
 * @param point uncompressed public key point, already found to be on the curve ({@link isOnCurve})
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
  const { n } = curve;
  if (r <= 0n || r >= n || s <= 0n || s >= n) return false;

  let z = toBigInt(digest);
  const excess = digest.length * 8 - curve.orderBits;
  if (excess > 0) z >>= BigInt(excess);

  // One inversion for both quotients: 1/r = s/(rs) and r/s = r²/(rs).
  const inverse = invert((r * s) % n, n);
  const factor = (((z * s) % n) * inverse) % n;
  const secondFactor = (((r * r) % n) * inverse) % n;
  const ecdh = agreement(curve);
  const publicPoint = readPoint(point, curve.bytes);
  let sum: Point | undefined = publicPoint;
  if (factor !== 0n) {
    ecdh.setPrivateKey(toBytes(factor, curve.bytes));
    sum = add(readPoint(ecdh.getPublicKey(), curve.bytes), publicPoint, curve);
  }
  // u₂ is not 0, so R is infinity exactly when the sum is.
  if (sum === undefined) return false;
  ecdh.setPrivateKey(toBytes(secondFactor, curve.bytes));
  const encoded = Buffer.from(`04${toHexNumber(sum.x, curve.bytes)}${toHexNumber(sum.y, curve.bytes)}`, 'hex');
  return toBigInt(ecdh.computeSecret(encoded)) % n === r;
}
