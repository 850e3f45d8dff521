import { IssuanceError } from './issuance-error.ts';

/** Longer than any name in a CI system, shorter than anything that would bloat a certificate. */
const maxLength = 2048;
/** What would make a certificate's text act on a terminal or read in another order than it is written. */
const active = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

/**
 * A claim's value as text that may stand in a certificate.
 *
 * @throws ERR_TOKEN_CLAIM when it is missing, empty, overlong, not well-formed or holds control characters
 */
export function claimText(value: unknown, claim: string): string {
  if (value === undefined || value === null || value === '') {
    throw new IssuanceError('ERR_TOKEN_CLAIM', 'claim-missing', `The token has no claim "${claim}".`, { claim });
  }
  if (typeof value !== 'string') throw unusable(claim, 'a string');
  return checkText(value, claim);
}

/** Checks text that was made from claims; empty is fine. */
export function checkText(value: string, claim: string): string {
  if (value.length > maxLength) throw unusable(claim, `at most ${maxLength} characters`);
  if (!value.isWellFormed() || active.test(value)) throw unusable(claim, 'text without control characters');
  return value;
}

/** Plain values as text for templates: strings, whole numbers and booleans; undefined for everything else. */
export function plainText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean' || Number.isSafeInteger(value)) return String(value);
  return undefined;
}

export function unusable(claim: string, expected: string): IssuanceError {
  return new IssuanceError(
    'ERR_TOKEN_CLAIM',
    'claim-unusable',
    `The token's claim "${claim}" cannot stand in a certificate.`,
    {
      claim,
      expected,
    },
  );
}
