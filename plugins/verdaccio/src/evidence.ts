import { parseRegistryKeys, type RegistryKey, type VerifiedAttestation, verifyPackageBundle } from '@signet/client/npm';
import { type Decision, evaluatePolicy, matchesName, type Policy } from '@signet/client/policy';
import { SignetError } from '@signet/primitives/formats';
import { withExpressions } from './expressions.ts';
import { asRefusal, Refusal } from './refusal.ts';
import type { RuleFiles, Rules } from './rules.ts';
import type { ServedKey } from './served-keys.ts';

/** Whether the policy's word counts: it refuses, it warns, or it is not asked. Evidence that is present must always verify. */
export type Enforcement = 'enforce' | 'warn' | 'off';

/** A package version and the bytes it has. */
export interface Release {
  readonly name: string;
  readonly version: string;
  /** `sha512-…` */
  readonly integrity: string;
}

/** Evidence that passed, and the rules that it passed. */
export interface Examined {
  readonly attestations: readonly VerifiedAttestation[];
  readonly rules: readonly string[];
  /** Why it would have been refused, under `warn`. */
  readonly warning?: string;
}

/** Verifies evidence and asks the operator's policy about it. */
export class Evidence {
  readonly #rules: RuleFiles;
  readonly #registryKeys: () => readonly RegistryKey[];

  /** @param keys those of the registry itself, for what it attests */
  constructor(rules: RuleFiles, keys: () => readonly ServedKey[] = () => []) {
    this.#rules = rules;
    let last: { readonly served: readonly ServedKey[]; readonly parsed: readonly RegistryKey[] } | undefined;
    this.#registryKeys = () => {
      const served = keys();
      if (last?.served !== served) last = { served, parsed: parseRegistryKeys({ keys: served }) };
      return last.parsed;
    };
  }

  /**
   * Lets a publish pass when its bundles verify, are about exactly these bytes under this name and version, and the policy
   * accepts who signed them.
   *
   * @throws a refusal: 403 when the policy demands evidence and there is none, 422 when there is evidence but it does not
   *   verify, binds something else, or its signer may not publish the package
   */
  examine(release: Release, bundles: readonly unknown[], enforcement: Enforcement): Promise<Examined> {
    return this.#examine(this.#rules.current(), release, bundles, enforcement);
  }

  /**
   * Lets a version be served when the evidence that is stored beside it verifies now and the policy accepts it now. Called often:
   * the files of the operator are looked at once a second at most.
   *
   * @throws as {@link examine}
   */
  examineStored(release: Release, bundles: readonly unknown[], enforcement: Enforcement): Promise<Examined> {
    return this.#examine(this.#rules.recent(), release, bundles, enforcement);
  }

  /** Under which rules {@link examineStored} judges now. @throws a refusal with status 503 */
  rulesId(): string {
    return this.#rules.recent().id;
  }

  /**
   * Takes a single bundle about a version from somebody whom the policy names: it must by itself meet one of the requirements
   * that apply to the version, as one of several signers where several are required.
   *
   * @throws a refusal: 422 when it does not verify, 403 when the policy asks for nothing of that kind by that signer
   */
  async admit(release: Release, bundle: unknown): Promise<VerifiedAttestation> {
    const rules = this.#rules.current();
    const { policy } = rules;
    // Only the registry attests with its own key, and it does not send that to itself.
    const attestation = verify(release, bundle, rules, []);
    const facts = { ...release, attestations: await withExpressions(policy, release, [attestation]) };
    const decisions = singleRequirements(policy, release).map((single) =>
      evaluatePolicy(single, facts, { publishing: true }),
    );
    if (decisions.some(({ allowed }) => allowed)) return attestation;
    const reason = decisions.flatMap(reasonsOf)[0] ?? 'no rule of its policy asks for evidence about the package';
    throw new Refusal(
      403,
      'ERR_EVIDENCE_REFUSED',
      `This evidence for ${release.name}@${release.version} is not one that the registry’s policy asks for: ${reason}`,
    );
  }

  async #examine(
    rules: Rules,
    release: Release,
    bundles: readonly unknown[],
    enforcement: Enforcement,
  ): Promise<Examined> {
    const { policy } = rules;
    const keys = this.#registryKeys();
    const verified = bundles.map((bundle) => verify(release, bundle, rules, keys));
    if (enforcement === 'off') return { attestations: verified, rules: [] };
    const attestations = await withExpressions(policy, release, verified);
    // A release is new when it is published; how old it must be for an install is asked when it is installed.
    const decision = evaluatePolicy(policy, { ...release, attestations }, { publishing: true });
    // A consumer may be lenient with names that no rule speaks of; the registry that owns a name may not.
    if (decision.allowed && decision.rules.length > 0) return { attestations, rules: decision.rules };
    const refusal = denied(release, attestations, decision);
    if (enforcement === 'enforce') throw refusal;
    return { attestations, rules: decision.rules, warning: refusal.message };
  }
}

function verify(
  { name, version, integrity }: Release,
  bundle: unknown,
  { trust, publisherKeys }: Pick<Rules, 'trust' | 'publisherKeys'>,
  registryKeys: readonly RegistryKey[],
): VerifiedAttestation {
  try {
    const subject = { name, version, integrity, trust, registryKeys, publisherKeys };
    const attestation = verifyPackageBundle(bundle, subject);
    const { publisher, verified } = attestation;
    if (publisher === undefined) return attestation;
    // Under whose key it verifies is what the policy asks.
    const signer = { ...verified.signer, publisher };
    return { ...attestation, verified: { ...verified, signer } };
  } catch (error) {
    // Evidence that is present and does not verify is always an error, whatever the policy's mode (decision 11).
    if (!(error instanceof SignetError)) throw error;
    throw asRefusal(
      new SignetError(error.code, `The evidence for ${name}@${version} is refused: ${error.message}`, error),
    );
  }
}

/** The policy once for each requirement that applies to the version, with nothing but that requirement in it. */
function singleRequirements(policy: Policy, { name, version }: Release): readonly Policy[] {
  const rules = policy.rules.filter(({ match }) => matchesName(match, name, version));
  return rules.flatMap((rule) =>
    rule.require.map((requirement) => {
      const single = requirement.kind === 'signature' ? { ...requirement, threshold: 1 } : requirement;
      return { ...policy, exceptions: [], rules: [{ ...rule, mode: 'enforce' as const, require: [single] }] };
    }),
  );
}

function reasonsOf({ violations }: Decision): string[] {
  const errors = violations.filter(({ severity }) => severity === 'error');
  // What comes `next` in a violation is said to consumers; here a publisher is listening.
  return (errors.length > 0 ? errors : violations).map(({ code, message, expected, found }) => {
    const difference = expected === undefined ? '' : `, expected ${expected}, found ${found ?? 'nothing'}`;
    return `${message}${difference} (${code})`;
  });
}

function denied(release: Release, attestations: readonly VerifiedAttestation[], decision: Decision): Refusal {
  const subject = `${release.name}@${release.version}`;
  const reason = reasonsOf(decision).join('; ') || 'no rule of its policy says who may publish it';
  if (attestations.length === 0) {
    return new Refusal(
      403,
      'ERR_EVIDENCE_MISSING',
      `${subject} comes without signed evidence, which this registry demands: ${reason}; publish it with signet publish`,
    );
  }
  return new Refusal(
    422,
    'ERR_EVIDENCE_REFUSED',
    `The evidence for ${subject} is not sufficient: ${reason}; publish as one whom the registry’s policy names`,
  );
}
