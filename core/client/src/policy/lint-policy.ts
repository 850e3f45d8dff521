import { matchesName } from './name-pattern.ts';
import type { Policy } from './policy.ts';

/**
 * What is allowed in a policy and yet is rarely meant. Mistakes are errors already when a policy is read.
 *
 * @returns a sentence each
 */
export function lintPolicy(policy: Policy, now: Date): readonly string[] {
  return [
    ...unusedPublishers(policy),
    ...policy.exceptions
      .filter(({ expires }) => expires <= now)
      .map(
        ({ match, reason, expires }) =>
          `the exception for ${match.text} expired ${expires.toISOString().slice(0, 10)}: ${reason}`,
      ),
    ...policy.rules
      .filter(({ mode }) => mode === 'warn' && policy.mode === 'enforce')
      .map(({ id }) => `rule ${id} only warns`),
    ...(policy.mode === 'warn' ? ['mode: warn: nothing that a rule says stops an installation'] : []),
    ...(policy.rules.length === 0 && policy.pins.tofu === undefined
      ? ['there are no rules and no defaults.tofu: nobody is held to anything']
      : []),
    ...policy.trustRoots
      .filter(({ packages, issuers }) => packages !== undefined && issuers === undefined)
      .map(({ name }) => `trust root ${name} may vouch for identities of any issuer; name them in issuers`),
    ...policy.trustRoots
      .filter(({ packages }) => packages?.some(({ glob }) => glob === '**' || glob === '*'))
      .map(({ name }) => `trust root ${name} owns nearly every name; a root without packages owns what is left over`),
    ...policy.rules
      .filter(({ require }) => require.some((one) => one.kind === 'provenance' && one.by === undefined))
      .map(
        ({ id }) => `rule ${id} names a repository but no publisher: names can be registered again, numeric ids cannot`,
      ),
    ...[...policy.publishers.values()]
      .filter((one) => one.kind === 'github' && one.repositoryId === undefined && one.ownerId === undefined)
      .map(({ name }) => `publisher ${name} has neither repositoryId nor ownerId: names can be registered again`),
    ...duplicateRules(policy),
  ];
}

function unusedPublishers({ publishers, rules, extends: layers = [] }: Policy): string[] {
  const inRules = rules.flatMap(({ require }) => require.flatMap((one) => ('by' in one ? (one.by ?? []) : [])));
  const used = new Set([...inRules, ...layers.flatMap(({ by }) => by ?? [])]);
  return [...publishers.keys()].filter((name) => !used.has(name)).map((name) => `publisher ${name} stands in no rule`);
}

/** Rules add up, so that a package in two of them needs both; that surprises people who meant "either". */
function duplicateRules({ rules }: Policy): string[] {
  return rules.flatMap((rule, index) =>
    rules.slice(index + 1).flatMap((other) => {
      const name = rule.match.find(({ glob, removes }) => !removes && !glob.includes('*'))?.glob;
      const both =
        name !== undefined && matchesName(rule.match, name, undefined) && matchesName(other.match, name, undefined);
      return both ? [`${name} must satisfy both rule ${rule.id} and rule ${other.id}`] : [];
    }),
  );
}
