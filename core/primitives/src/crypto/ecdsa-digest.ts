import type { ECDH } from 'node:crypto';
import { type EcCurve, nodeCrypto, parseDer, toPem } from '../formats/index.ts';
import { invert } from './modular-inverse.ts';

/** y² = x³ − 3x + b over the prime field `p`, with a base point of prime order `n` (FIPS 186-5, SP 800-186). */
interface Curve {
  readonly name: string;
  readonly p: bigint;
  readonly b: bigint;
  readonly n: bigint;
  readonly bytes: number;
  readonly orderBits: number;
  /** SubjectPublicKeyInfo (RFC 5480) as far as the coordinates of an uncompressed point, in hex. */
  readonly keyHead: string;
  /** As strong as the curve, and no longer than its order. */
  readonly hash: 'sha256' | 'sha384' | 'sha512';
}

const curves: Readonly<Record<EcCurve, Curve>> = {
  'P-256': {
    name: 'prime256v1',
    p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
    n: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
    bytes: 32,
    orderBits: 256,
    keyHead: '3059301306072a8648ce3d020106082a8648ce3d03010703420004',
    hash: 'sha256',
  },
  'P-384': {
    name: 'secp384r1',
    p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
    n: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
    bytes: 48,
    orderBits: 384,
    keyHead: '3076301006072a8648ce3d020106052b8104002203620004',
    hash: 'sha384',
  },
  'P-521': {
    name: 'secp521r1',
    p: 2n ** 521n - 1n,
    b: 0x051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00n,
    n: 2n ** 521n - 2n ** 260n + 0xa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
    bytes: 66,
    orderBits: 521,
    keyHead: '30819b301006072a8648ce3d020106052b810400230381860004',
    hash: 'sha512',
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

/** A message that `node:crypto` can hash, and its digest as ECDSA counts it. */
interface Stand {
  readonly message: Uint8Array;
  readonly number: bigint;
}

const stands = new Map<string, readonly Stand[]>();

/** Two messages, because for each there is one key that it cannot stand in for. */
function standsOf({ hash }: Curve): readonly Stand[] {
  let known = stands.get(hash);
  if (known === undefined) {
    known = [new Uint8Array(0), new Uint8Array(1)].map((message) => ({
      message,
      number: toBigInt(nodeCrypto().hash(hash, message, 'buffer')),
    }));
    stands.set(hash, known);
  }
  return known;
}

/** The hex of a DER INTEGER that is not negative. */
function derInteger(value: bigint): string {
  const plain = value.toString(16);
  const even = plain.length % 2 === 0 ? plain : `0${plain}`;
  const content = even < '8' ? even : `00${even}`;
  return `02${toHexNumber(BigInt(content.length / 2), 1)}${content}`;
}

/** Written again, so that OpenSSL sees the numbers that the key was made for, however it reads signatures. */
function encodeSignature(r: bigint, s: bigint): Buffer {
  const content = derInteger(r) + derInteger(s);
  const length = content.length / 2;
  return Buffer.from(`30${length < 128 ? '' : '81'}${toHexNumber(BigInt(length), 1)}${content}`, 'hex');
}

/**
 * ECDSA verification (FIPS 186-5 §6.4.2) of a digest without its message, which hashedrekord needs and `node:crypto`
 * does not offer. A signature (r, s) over the number z by the key Q is one over the number e of another message by the key
 * Q + ((z - e)/r)G: for both, R is (zG + rQ)/s. So OpenSSL is given a message whose digest is known, and that key. The
 * multiplication and the verification are OpenSSL's; the addition between them is exact, with its special cases.
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
  const { n, bytes } = curve;
  if (r <= 0n || r >= n || s <= 0n || s >= n) return false;

  let z = toBigInt(digest);
  const excess = digest.length * 8 - curve.orderBits;
  if (excess > 0) z >>= BigInt(excess);

  const inverse = invert(r, n);
  const publicPoint = readPoint(point, bytes);
  for (const { message, number } of standsOf(curve)) {
    const key = shift(publicPoint, modulo((z - number) * inverse, n), curve);
    // The sum is infinity, which is no key. It is not for the other message.
    if (key === undefined) continue;
    const spki = Buffer.from(`${curve.keyHead}${toHexNumber(key.x, bytes)}${toHexNumber(key.y, bytes)}`, 'hex');
    const { createPublicKey, verify } = nodeCrypto();
    return verify(curve.hash, message, createPublicKey(toPem('PUBLIC KEY', spki)), encodeSignature(r, s));
  }
  return false;
}

/** The point plus `factor` times the base point; undefined when that is infinity. */
function shift(point: Point, factor: bigint, curve: Curve): Point | undefined {
  if (factor === 0n) return point;
  const ecdh = agreement(curve);
  ecdh.setPrivateKey(toBytes(factor, curve.bytes));
  return add(readPoint(ecdh.getPublicKey(), curve.bytes), point, curve);
}
