import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { type PublishDocument, type VerifiedAttestation, verifyPackageBundle } from '@signet/client/npm';
import { type Decision, evaluatePolicy, type Policy, parsePolicy } from '@signet/client/policy';
import { TrustMaterial } from '@signet/client/trust';
import { SignetError } from '@signet/primitives/formats';
import type { PluginConfiguration } from './configuration.ts';
import { asRefusal, Refusal } from './refusal.ts';
import type { Logger } from './verdaccio-host.ts';

/** How the trusted root is called when the policy does not name it. */
const unnamed = 'instance';

/** The policy as it stood in its file, and the trust material under the name that it has there. */
interface Rules {
  readonly text: string;
  readonly policy: Policy;
  readonly trust: TrustMaterial;
}

/** Evidence that passed, and the rules that it passed. */
export interface Examined {
  readonly attestations: readonly VerifiedAttestation[];
  readonly rules: readonly string[];
}

/** Verifies the evidence of publishes and asks the operator's policy about it. */
export class Evidence {
  readonly #configuration: PluginConfiguration;
  readonly #logger: Logger;
  #rules: Rules;

  private constructor(configuration: PluginConfiguration, rules: Rules, logger: Logger) {
    this.#configuration = configuration;
    this.#rules = rules;
    this.#logger = logger;
  }

  /**
   * Reads trusted root and policy.
   *
   * @throws ERR_PLUGIN_CONFIG when either is missing or malformed, so that the registry does not start without them
   */
  static open(configuration: PluginConfiguration, logger: Logger): Evidence {
    try {
      return new Evidence(configuration, readRules(configuration), logger);
    } catch (cause) {
      const problem = cause instanceof Error ? cause.message : String(cause);
      const { trustedRoot, policy } = configuration;
      throw new SignetError(
        'ERR_PLUGIN_CONFIG',
        `The registry cannot use its trusted root ${trustedRoot} or its policy ${policy}: ${problem}`,
        { cause },
      );
    }
  }

  /**
   * Lets a publish pass when its bundle verifies, is about exactly these bytes under this name and version, and the policy
   * accepts who signed it.
   *
   * @throws a refusal: 403 when the policy demands evidence and there is none, 422 when there is evidence but it does not
   *   verify, binds something else, or its signer may not publish the package
   */
  async examine(document: PublishDocument): Promise<Examined> {
    const { policy, trust } = this.#currentRules();
    const { name, version, integrity, bundle } = document;
    const attestations = bundle === undefined ? [] : [verify(document, bundle, trust)];
    const decision = evaluatePolicy(policy, { name, version, integrity, attestations });
    // A consumer may be lenient with names that no rule speaks of; the registry that owns a name may not.
    if (!decision.allowed || decision.rules.length === 0) throw denied(document, decision);
    return { attestations, rules: decision.rules };
  }

  /** The rules as they stand in the file now. While the file cannot be used, nothing can be published. */
  #currentRules(): Rules {
    try {
      this.#rules = readRules(this.#configuration, this.#rules);
      return this.#rules;
    } catch (cause) {
      this.#logger.error({ reason: cause instanceof Error ? cause.message : String(cause) }, 'policy: @{reason}');
      throw new Refusal(
        503,
        'ERR_PLUGIN_CONFIG',
        'Nothing can be published now: the registry cannot use its policy; its operator finds the reason in the log',
        cause,
      );
    }
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

/**
 * Reads the policy, and the trusted root under the name that the policy gives to that file, since a policy lets a root vouch by
 * its name.
 *
 * @param before returned as it is while the policy's text is the same
 */
function readRules(configuration: PluginConfiguration, before?: Rules): Rules {
  const text = readFileSync(configuration.policy, 'utf8');
  if (text === before?.text) return before;
  const policy = parsePolicy(text, { path: basename(configuration.policy) });
  const file = realpathSync(configuration.trustedRoot);
  const reference = policy.trustRoots.find(({ source }) => {
    if (source.kind !== 'file') return false;
    const path = resolve(dirname(configuration.policy), source.path);
    return existsSync(path) && realpathSync(path) === file;
  });
  const trust = TrustMaterial.fromTrustedRoot(readFileSync(configuration.trustedRoot, 'utf8'), {
    name: reference?.name ?? unnamed,
    packages: [...configuration.names.patterns],
  });
  return { text, policy, trust };
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
