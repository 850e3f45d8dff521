import { createHash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import type { PublisherKey } from '@signet/client/npm';
import { assertComplete, type KeyPublisher, type Policy, parsePolicy } from '@signet/client/policy';
import { TrustMaterial } from '@signet/client/trust';
import { parsePem, SignetError, toHex } from '@signet/primitives/formats';
import type { PluginConfiguration } from './configuration.ts';
import { Refusal } from './refusal.ts';
import type { Logger } from './verdaccio-host.ts';

/** How the trusted root is called when the policy does not name it. */
const unnamed = 'instance';

/** How old the knowledge of the files may be where verdicts are looked up and nothing is written, milliseconds. */
const freshness = 1000;

/** The policy as it stood in its file, and the trust material under the name that it has there. */
export interface Rules {
  /** Changes whenever policy or trusted root do: verdicts that were reached under another do not count. */
  readonly id: string;
  readonly policy: Policy;
  readonly policyText: string;
  readonly trust: TrustMaterial;
  readonly trustedRootText: string;
  /** Keys of publishers who sign with one instead of an identity, out of the files that the policy names. */
  readonly publisherKeys: readonly PublisherKey[];
}

/** Policy and trusted root of the operator, read anew when either file changes. */
export class RuleFiles {
  readonly #configuration: PluginConfiguration;
  readonly #logger: Logger;
  #rules: Rules;
  #stamp: string;
  #checked = 0;

  private constructor(configuration: PluginConfiguration, logger: Logger, stamp: string, rules: Rules) {
    this.#configuration = configuration;
    this.#logger = logger;
    this.#stamp = stamp;
    this.#rules = rules;
  }

  /** What tells, without reading the files, that they may have changed. */
  #stampNow(): string {
    return stampOf(this.#configuration, this.#rules.policy);
  }

  /**
   * Reads trusted root and policy.
   *
   * @throws ERR_PLUGIN_CONFIG when either is missing or malformed, so that the registry does not start without them
   */
  static open(configuration: PluginConfiguration, logger: Logger): RuleFiles {
    try {
      const rules = readRules(configuration);
      return new RuleFiles(configuration, logger, stampOf(configuration, rules.policy), rules);
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
   * The rules as they stand in the files now. While a file cannot be used, nothing can be published.
   *
   * @throws a refusal with status 503
   */
  current(): Rules {
    try {
      const stamp = this.#stampNow();
      // A file can be replaced within the grain of its timestamps, so what decides about a publish is always read.
      const before = this.#rules;
      this.#rules = readRules(this.#configuration, before);
      // Another policy may name other files, which the stamp of before does not tell of.
      this.#stamp = this.#rules === before ? stamp : '';
      this.#checked = Date.now();
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

  /** As {@link current}, but looks at the files once a second at most, and reads them when their size or time changed. */
  recent(): Rules {
    const now = Date.now();
    if (now - this.#checked < freshness && now >= this.#checked) return this.#rules;
    let stamp: string | undefined;
    try {
      stamp = this.#stampNow();
    } catch {
      // current() says what is wrong.
    }
    if (stamp !== this.#stamp) return this.current();
    this.#checked = now;
    return this.#rules;
  }
}

function stampOf({ policy: policyFile, trustedRoot }: PluginConfiguration, policy: Policy): string {
  return [policyFile, trustedRoot, ...keyPublishers(policy).map(({ file }) => resolve(dirname(policyFile), file))]
    .map((file) => {
      const { mtimeMs, size, ino } = statSync(file);
      return `${mtimeMs} ${size} ${ino}`;
    })
    .join(' ');
}

/**
 * Reads the policy, and the trusted root under the name that the policy gives to that file, since a policy lets a root vouch by
 * its name.
 *
 * @param before returned as it is while both texts are the same
 */
function readRules(configuration: PluginConfiguration, before?: Rules): Rules {
  const policyText = readFileSync(configuration.policy, 'utf8');
  const trustedRootText = readFileSync(configuration.trustedRoot, 'utf8');
  const isSame = before !== undefined && policyText === before.policyText && trustedRootText === before.trustedRootText;
  const policy = isSame ? before.policy : parsePolicy(policyText, { path: basename(configuration.policy) });
  const publisherKeys = readPublisherKeys(policy, dirname(configuration.policy));
  if (isSame && describeKeys(publisherKeys) === describeKeys(before.publisherKeys)) return before;
  assertComplete(policy);
  const file = realpathSync(configuration.trustedRoot);
  const reference = policy.trustRoots.find(({ source }) => {
    if (source.kind !== 'file') return false;
    const path = resolve(dirname(configuration.policy), source.path);
    return existsSync(path) && realpathSync(path) === file;
  });
  const trust = TrustMaterial.fromTrustedRoot(trustedRootText, {
    name: reference?.name ?? unnamed,
    packages: [...configuration.names.patterns],
  });
  const hash = createHash('sha256');
  const keys = publisherKeys.length === 0 ? [] : [describeKeys(publisherKeys)];
  for (const text of [policyText, trustedRootText, ...keys]) hash.update(`${text.length}\n${text}`);
  return { id: hash.digest('hex'), policy, policyText, trust, trustedRootText, publisherKeys };
}

function keyPublishers({ publishers }: Policy): readonly KeyPublisher[] {
  return [...publishers.values()].filter((publisher): publisher is KeyPublisher => publisher.kind === 'key');
}

/** The keys of the policy's publishers, from PEM files beside the policy. */
function readPublisherKeys(policy: Policy, folder: string): readonly PublisherKey[] {
  return keyPublishers(policy).map(({ name: publisher, file, notAfter }) => {
    const pem = parsePem(readFileSync(resolve(folder, file), 'latin1')).find(({ label }) => label === 'PUBLIC KEY');
    if (pem === undefined) {
      throw new SignetError('ERR_TRUST_FILE', `publisher ${publisher}: ${file} has no public key in PEM`);
    }
    const validFor = notAfter === undefined ? {} : { validFor: { start: new Date(0), end: notAfter } };
    return { publisher, publicKey: pem.bytes, ...validFor };
  });
}

function describeKeys(keys: readonly PublisherKey[]): string {
  return JSON.stringify(keys.map(({ publisher, publicKey, validFor }) => [publisher, toHex(publicKey), validFor?.end]));
}
