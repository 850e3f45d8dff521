import assert from 'node:assert/strict';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import fc from 'fast-check';
import { invert } from '../../src/crypto/modular-inverse.ts';

const primes = [p256, p384, p521].flatMap(({ Point: { Fn, Fp } }) => [Fn.ORDER, Fp.ORDER]);

describe('invert', () => {
  for (const prime of [...primes, 2n, 3n, 2n ** 61n - 1n, 2n ** 89n - 1n]) {
    it(`finds the number whose product is 1 modulo a prime of ${prime.toString(2).length} bits`, () => {
      const edges = [1n, 2n, 3n, prime / 2n, prime - 2n, prime - 1n, 2n ** 50n, 2n ** 51n - 1n, 2n ** 128n];
      for (const value of edges.filter((edge) => edge > 0n && edge < prime)) {
        assert.equal((invert(value, prime) * value) % prime, 1n, `${value}`);
      }
      fc.assert(
        fc.property(fc.bigInt({ min: 1n, max: prime - 1n }), (value) => {
          const inverse = invert(value, prime);
          return inverse > 0n && inverse < prime && (inverse * value) % prime === 1n;
        }),
        { numRuns: 500 },
      );
    });
  }
});
