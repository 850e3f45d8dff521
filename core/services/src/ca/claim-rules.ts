import { RE2JS } from 're2js';
import { IssuanceError } from './issuance-error.ts';

/** What one claim must be for a certificate to be issued at all. */
export interface ClaimRule {
  readonly claim: string;
  /** One of these must hold. */
  readonly accepted: readonly (string | RE2JS)[];
  /** The rule in words that a client may see. */
  readonly description: string;
}

/**
 * Reads one entry of `required-claims`: a scalar is exact, `{ pattern }` is RE2 and matches the whole value, a list
 * accepts any of its items.
 *
 * @param fail makes the error for a problem described in words
 */
export function parseClaimRule(claim: string, value: unknown, fail: (problem: string) => Error): ClaimRule {
  const items: unknown[] = Array.isArray(value) ? value : [value];
  if (items.length === 0) throw fail(`claim "${claim}" accepts nothing: the list is empty`);
  const accepted = items.map((item): string | RE2JS => {
    if (typeof item === 'string' || typeof item === 'boolean') return String(item);
    if (typeof item === 'number') {
      // YAML would already have rounded a larger number, and the rule would silently name another repository.
      if (!Number.isSafeInteger(item)) throw fail(`claim "${claim}": write the number ${item} in quotes`);
      return String(item);
    }
    if (typeof item === 'object' && item !== null && Object.keys(item).length === 1 && 'pattern' in item) {
      if (typeof item.pattern !== 'string') throw fail(`claim "${claim}": the pattern must be a string`);
      try {
        return RE2JS.compile(item.pattern);
      } catch (cause) {
        throw fail(`claim "${claim}": the pattern is not RE2: ${cause instanceof Error ? cause.message : cause}`);
      }
    }
    throw fail(`claim "${claim}" must be a scalar, { pattern: … } or a list of these`);
  });
  const description = accepted
    .map((item) => (typeof item === 'string' ? JSON.stringify(item) : `pattern ${JSON.stringify(item.pattern())}`))
    .join(' or ');
  return { claim, accepted, description };
}

/**
 * Checks a verified token's claims against the configured rules. A claim that is a list (groups, roles) satisfies a rule
 * when one of its items does.
 *
 * @throws ERR_TOKEN_CLAIM naming the first rule that does not hold
 */
export function checkClaimRules(rules: readonly ClaimRule[], claims: Readonly<Record<string, unknown>>): void {
  for (const rule of rules) {
    const value = Object.hasOwn(claims, rule.claim) ? claims[rule.claim] : undefined;
    const items: unknown[] = Array.isArray(value) ? value : [value];
    if (items.some((item) => accepts(rule, item))) continue;
    throw new IssuanceError(
      'ERR_TOKEN_CLAIM',
      value === undefined ? 'required-claim-missing' : 'required-claim-mismatch',
      `The token's claim "${rule.claim}" does not satisfy this authority's required-claims.`,
      { claim: rule.claim, expected: rule.description },
    );
  }
}

function accepts(rule: ClaimRule, value: unknown): boolean {
  if (typeof value !== 'string' && typeof value !== 'boolean' && !Number.isSafeInteger(value)) return false;
  const text = String(value);
  return rule.accepted.some((item) => (typeof item === 'string' ? item === text : item.matches(text)));
}
