import { SignetError } from '@signet/primitives/formats';

/** Decides whether the registry owns a package name. */
export interface OwnedNames {
  readonly patterns: readonly string[];
  has(name: string): boolean;
}

const pattern = /^(?:@[a-z0-9-][a-z0-9._-]*\/(?:\*|[a-z0-9-][a-z0-9._-]*)|[a-z0-9-][a-z0-9._-]*)$/;

/**
 * The names that a registry owns: whole scopes (`@acme/*`) and single names. Nothing wider: whoever owns a name vouches for it
 * alone, and a private registry must not vouch for names of npm's default registry (ARCHITECTURE.md, decision 9).
 *
 * @throws ERR_PLUGIN_CONFIG
 */
export function ownedNames(patterns: readonly string[]): OwnedNames {
  const scopes = new Set<string>();
  const names = new Set<string>();
  for (const text of patterns) {
    if (!pattern.test(text)) {
      throw new SignetError(
        'ERR_PLUGIN_CONFIG',
        `signet.names: ${JSON.stringify(text)} cannot be owned; write a scope as '@acme/*', or one package as '@acme/widgets'`,
      );
    }
    if (text.endsWith('/*')) scopes.add(text.slice(0, -1));
    else names.add(text);
  }
  return {
    patterns,
    has: (name) => names.has(name) || scopes.has(name.slice(0, name.indexOf('/') + 1)),
  };
}
