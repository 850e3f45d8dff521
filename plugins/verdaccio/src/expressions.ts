import type { AttestationFacts, Policy } from '@signet/client/policy';
import { SignetError } from '@signet/primitives/formats';
import { asRefusal } from './refusal.ts';

/**
 * Adds what the policy's CEL expressions say of each attestation, as at consumers: in a thread of its own, with limits.
 *
 * @throws a refusal with status 503 when they cannot be evaluated at all, since `@bufbuild/cel` is not installed
 */
export async function withExpressions<Facts extends AttestationFacts>(
  policy: Policy,
  release: { readonly name: string; readonly version: string },
  attestations: readonly Facts[],
): Promise<readonly Facts[]> {
  const hasAny = policy.rules.some(({ require }) => require.some((one) => 'cel' in one && one.cel !== undefined));
  if (!hasAny || attestations.length === 0) return attestations;
  const { evaluateExpressions, expressionsFor } = await import('@signet/client/install');
  const expressions = expressionsFor(policy, release.name, release.version);
  if (expressions.length === 0) return attestations;
  try {
    const expressed: Facts[] = [];
    for (const attestation of attestations) {
      expressed.push({ ...attestation, cel: await evaluateExpressions(expressions, attestation, release) });
    }
    return expressed;
  } catch (error) {
    throw error instanceof SignetError ? asRefusal(error, 503) : error;
  }
}
