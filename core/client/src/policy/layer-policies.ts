import { SignetError } from '@signet/primitives/basics';
import type { Exception } from './exceptions.ts';
import type { ExtendedPolicy, Policy, Requirement, Rule } from './policy.ts';
import type { Publisher } from './publisher.ts';

/** A policy that another one extends, as it was published. */
export interface Layer {
  readonly reference: ExtendedPolicy;
  readonly policy: Policy;
}

/**
 * Puts the rules, exceptions and distrust of extended policies beside a policy's own. All rules must hold, so that a layer can only tighten.
 * Names of rules and publishers get the name of the layer's trust root in front. A layer's exceptions are about its own rules alone, and
 * exceptions of the extending policy cover a layer's rule only where that says `allowExceptions`. Of a layer's trust roots, defaults
 * and noMatch nothing is taken: whom to trust, and what about names that nobody mentions, is the extending policy's to say.
 *
 * @throws ERR_POLICY_INVALID for a layer that extends others, or whose publisher is a key in a file that is not here
 */
export function layerPolicies(own: Policy, layers: readonly Layer[]): Policy {
  const publishers = new Map(own.publishers);
  const rules: Rule[] = [...own.rules];
  const exceptions: Exception[] = [...own.exceptions];
  const distrust = [...own.distrust];
  for (const { reference, policy } of layers) {
    const layer = reference.trustRoot;
    const named = (name: string): string => `${layer}/${name}`;
    if ((policy.extends ?? []).length > 0) {
      throw new SignetError('ERR_POLICY_INVALID', `${policy.path}: it extends others, and only one level is read`);
    }
    for (const publisher of policy.publishers.values()) {
      if (publisher.kind === 'key') {
        throw new SignetError(
          'ERR_POLICY_INVALID',
          `${policy.path}: publisher ${publisher.name} is a key in a file that does not come with it`,
        );
      }
      publishers.set(named(publisher.name), { ...publisher, name: named(publisher.name) } satisfies Publisher);
    }
    rules.push(
      ...policy.rules.map((rule) => ({
        ...rule,
        id: named(rule.id),
        layer,
        require: rule.require.map((one) => renamed(one, named)),
      })),
    );
    exceptions.push(
      ...policy.exceptions.map((exception) => ({
        ...exception,
        layer,
        ...(exception.rules === undefined ? {} : { rules: exception.rules.map(named) }),
      })),
    );
    distrust.push(...policy.distrust);
  }
  const { extends: _followed, ...rest } = own;
  return { ...rest, publishers, rules, exceptions, distrust };
}

function renamed(requirement: Requirement, named: (name: string) => string): Requirement {
  if (requirement.kind === 'registrySignature' || requirement.by === undefined) return requirement;
  return { ...requirement, by: requirement.by.map(named) };
}
