import { type PublishDocument, type VerifiedAttestation, verifyPackageBundle } from '@signet/client/npm';
import { type Decision, evaluatePolicy } from '@signet/client/policy';
import type { TrustMaterial } from '@signet/client/trust';
import { SignetError } from '@signet/primitives/formats';
import { asRefusal, Refusal } from './refusal.ts';
import type { RuleFiles } from './rules.ts';

/** Evidence that passed, and the rules that it passed. */
export interface Examined {
  readonly attestations: readonly VerifiedAttestation[];
  readonly rules: readonly string[];
}

/** Verifies the evidence of publishes and asks the operator's policy about it. */
export class Evidence {
  readonly #rules: RuleFiles;

  constructor(rules: RuleFiles) {
    this.#rules = rules;
  }

  /**
   * Lets a publish pass when its bundle verifies, is about exactly these bytes under this name and version, and the policy
   * accepts who signed it.
   *
   * @throws a refusal: 403 when the policy demands evidence and there is none, 422 when there is evidence but it does not
   *   verify, binds something else, or its signer may not publish the package
   */
  async examine(document: PublishDocument): Promise<Examined> {
    const { policy, trust } = this.#rules.current();
    const { name, version, integrity, bundle } = document;
    const attestations = bundle === undefined ? [] : [verify(document, bundle, trust)];
    // A release is new when it is published; how old it must be for an install is asked when it is installed.
    const decision = evaluatePolicy(policy, { name, version, integrity, attestations }, { publishing: true });
    // A consumer may be lenient with names that no rule speaks of; the registry that owns a name may not.
    if (!decision.allowed || decision.rules.length === 0) throw denied(document, decision);
    return { attestations, rules: decision.rules };
  }
}

function verify(document: PublishDocument, bundle: unknown, trust: TrustMaterial): VerifiedAttestation {
  const { name, version, integrity } = document;
  try {
    return verifyPackageBundle(bundle, { name, version, integrity, trust });
  } catch (error) {
    // Evidence that is present and does not verify is always an error, whatever the policy's mode (decision 11).
    if (!(error instanceof SignetError)) throw error;
    throw asRefusal(
      new SignetError(error.code, `The evidence for ${name}@${version} is refused: ${error.message}`, error),
    );
  }
}

function denied(document: PublishDocument, decision: Decision): Refusal {
  const subject = `${document.name}@${document.version}`;
  const errors = decision.violations.filter(({ severity }) => severity === 'error');
  // What comes `next` in a violation is said to consumers; here a publisher is listening.
  const reasons = (errors.length > 0 ? errors : decision.violations).map(({ code, message, expected, found }) => {
    const difference = expected === undefined ? '' : `, expected ${expected}, found ${found ?? 'nothing'}`;
    return `${message}${difference} (${code})`;
  });
  const reason = reasons.join('; ') || 'no rule of its policy says who may publish it';
  if (document.bundle === undefined) {
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
