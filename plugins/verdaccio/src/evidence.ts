import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { type PublishDocument, type VerifiedAttestation, verifyPackageBundle } from '@signet/client/npm';
import { type Decision, evaluatePolicy, type Policy, parsePolicy } from '@signet/client/policy';
import { TrustMaterial } from '@signet/client/trust';
import { SignetError } from '@signet/primitives/formats';
import type { PluginConfiguration } from './configuration.ts';
import { asRefusal, Refusal } from './refusal.ts';

/** Verifies the evidence of publishes and asks the operator's policy about it. */
export class Evidence {
  readonly #trust: TrustMaterial;
  readonly #policyFile: string;
  #policyText: string;
  #policy: Policy;

  private constructor(trust: TrustMaterial, policyFile: string, policyText: string, policy: Policy) {
    this.#trust = trust;
    this.#policyFile = policyFile;
    this.#policyText = policyText;
    this.#policy = policy;
  }

  /**
   * Reads trusted root and policy.
   *
   * @throws ERR_PLUGIN_CONFIG when either is missing or malformed, so that the registry does not start without them
   */
  static open(configuration: PluginConfiguration): Evidence {
    const { trustedRoot, trustRootName, names, issuers, policy } = configuration;
    const trust = configured(`trusted root ${trustedRoot}`, () =>
      TrustMaterial.fromTrustedRoot(readFileSync(trustedRoot, 'utf8'), {
        name: trustRootName,
        packages: [...names.patterns],
        issuers: [...issuers],
      }),
    );
    return configured(`policy ${policy}`, () => {
      const text = readFileSync(policy, 'utf8');
      return new Evidence(trust, policy, text, parsePolicy(text, { path: basename(policy) }));
    });
  }

  /**
   * Lets a publish pass when its bundle verifies, is about exactly these bytes under this name and version, and the policy
   * accepts who signed it.
   *
   * @throws a refusal: 403 when the policy demands evidence and there is none, 422 when there is evidence but it does not
   *   verify, binds something else, or its signer may not publish the package
   */
  async examine(document: PublishDocument): Promise<readonly VerifiedAttestation[]> {
    const policy = this.#currentPolicy();
    const { name, version, integrity } = document;
    const attestations = document.bundle === undefined ? [] : [this.#verify(document, document.bundle)];
    const decision = evaluatePolicy(policy, { name, version, integrity, attestations });
    if (!decision.allowed) throw denied(document, decision);
    return attestations;
  }

  #verify(document: PublishDocument, bundle: unknown): VerifiedAttestation {
    const { name, version, integrity } = document;
    try {
      return verifyPackageBundle(bundle, { name, version, integrity, trust: this.#trust });
    } catch (error) {
      // Evidence that is present and does not verify is always an error, whatever the policy's mode (decision 11).
      if (!(error instanceof SignetError)) throw error;
      throw asRefusal(
        new SignetError(error.code, `The evidence for ${name}@${version} is refused: ${error.message}`, error),
      );
    }
  }

  /** The policy as it stands in the file now. While the file cannot be used, nothing can be published. */
  #currentPolicy(): Policy {
    try {
      const text = readFileSync(this.#policyFile, 'utf8');
      if (text !== this.#policyText) {
        this.#policy = parsePolicy(text, { path: basename(this.#policyFile) });
        this.#policyText = text;
      }
      return this.#policy;
    } catch (cause) {
      throw new Refusal(
        503,
        'ERR_PLUGIN_CONFIG',
        'Nothing can be published now: the registry cannot use its policy; its operator finds the reason in the log',
        cause,
      );
    }
  }
}

function denied(document: PublishDocument, decision: Decision): Refusal {
  const subject = `${document.name}@${document.version}`;
  const reason = decision.violations
    .filter(({ severity }) => severity === 'error')
    .map(({ code, message, expected, found, next }) => {
      const difference = expected === undefined ? '' : `, expected ${expected}, found ${found ?? 'nothing'}`;
      return `${message}${difference} (${code}); ${next}`;
    })
    .join('; ');
  if (document.bundle === undefined) {
    return new Refusal(
      403,
      'ERR_EVIDENCE_MISSING',
      `${subject} comes without signed evidence, which this registry demands: ${reason}`,
    );
  }
  return new Refusal(422, 'ERR_EVIDENCE_REFUSED', `The evidence for ${subject} is not sufficient: ${reason}`);
}

function configured<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new SignetError('ERR_PLUGIN_CONFIG', `The registry cannot use its ${what}: ${problem}`, { cause });
  }
}
