/** Verdaccio's configuration, as far as it says which entry of `packages` is about a name. */
export interface PackagePatterns {
  getMatchedPackagesSpec?(name: string): unknown;
}

/** Names that are remembered; the ones that were asked for first are forgotten first. */
const maximumNames = 10_000;

/**
 * Lets Verdaccio match a name with the patterns of `packages` once, whose regular expressions it otherwise makes anew for every
 * access to its storage. What a name matches does not change while Verdaccio runs.
 */
export function rememberMatches(config: PackagePatterns): void {
  const original = config.getMatchedPackagesSpec?.bind(config);
  if (original === undefined) return;
  const known = new Map<string, unknown>();
  config.getMatchedPackagesSpec = (name) => {
    if (known.has(name)) return known.get(name);
    const found = original(name);
    const [oldest] = known.size < maximumNames ? [] : known.keys();
    if (oldest !== undefined) known.delete(oldest);
    known.set(name, found);
    return found;
  };
}
