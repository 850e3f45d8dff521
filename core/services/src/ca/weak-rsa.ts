/**
 * Checks for RSA moduli that can be factored although they are long enough, as Fulcio makes them (letsencrypt/boulder,
 * goodkey). All of them are cheap against one signature.
 */

const smallPrimes = primesBelow(752);
const smallPrimeProduct = smallPrimes.reduce((product, prime) => product * BigInt(prime), 1n);
/** ROCA (CVE-2017-15361): modulo each of these, such a modulus is a power of 65537. */
const rocaResidues = primesBelow(168)
  .slice(1)
  .map((prime) => {
    const powers = new Set<number>();
    for (let power = 1; !powers.has(power); power = (power * 65537) % prime) powers.add(power);
    return { prime: BigInt(prime), powers };
  });
const fermatRounds = 100;

/** Why a modulus is weak; undefined when nothing is known against it. */
export function rsaWeakness(modulus: bigint): string | undefined {
  if (greatestCommonDivisor(modulus, smallPrimeProduct) !== 1n) return 'its modulus has a small prime factor';
  if (rocaResidues.every(({ prime, powers }) => powers.has(Number(modulus % prime)))) {
    return 'its modulus comes from the generator of CVE-2017-15361';
  }
  if (hasCloseFactors(modulus)) return 'the prime factors of its modulus are too close to each other';
  return undefined;
}

/** Fermat's method: with p ≈ q, (p+q)/2 is found right above the square root (CVE-2022-26320). */
function hasCloseFactors(modulus: bigint): boolean {
  let middle = squareRoot(modulus);
  if (middle * middle < modulus) middle++;
  for (let round = 0; round < fermatRounds; round++, middle++) {
    const difference = middle * middle - modulus;
    // Squares end on 0, 1, 4 or 9 in hexadecimal: this saves most of the roots.
    if (((0x0213n >> (difference & 15n)) & 1n) === 0n) continue;
    const root = squareRoot(difference);
    if (root * root === difference) return true;
  }
  return false;
}

/** Newton's method from above, so that it ends exactly at the floor of the root. */
function squareRoot(value: bigint): bigint {
  if (value < 2n) return value;
  let root = 1n << BigInt((value.toString(16).length * 4 + 1) >> 1);
  for (;;) {
    const next = (root + value / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  let [left, right] = [a, b];
  while (right !== 0n) [left, right] = [right, left % right];
  return left;
}

function primesBelow(limit: number): number[] {
  const primes: number[] = [];
  for (let candidate = 2; candidate < limit; candidate++) {
    if (primes.every((prime) => candidate % prime !== 0)) primes.push(candidate);
  }
  return primes;
}
