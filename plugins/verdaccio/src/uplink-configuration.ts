/** What becomes of packages that come from uplinks. */
export type UplinkMode = 'off' | 'verify' | 'require';

/** `signet.uplinks` of the configuration; paths are absolute. */
export interface UplinkConfiguration {
  readonly mode: UplinkMode;
  /** Keys of the uplinks' registries; absent: those of npm's default registry, which ship with the plugin. */
  readonly keys?: string;
  /** TrustedRoot JSON for packages that this registry does not own; absent: Sigstore's public-good instance. */
  readonly trustedRoot?: string;
  /** How long a fetched document of attestations is believed to be complete, seconds. */
  readonly refreshSeconds: number;
}

/** `signet.uplinks` as the schema lets it be. */
export type UplinkSection = UplinkMode | Partial<UplinkConfiguration>;

/** A day: attestations are published with their version, and few are added later. */
const defaultRefresh = 24 * 3600;

/** @param path makes a path absolute */
export function parseUplinks(section: UplinkSection, path: (text: string) => string): UplinkConfiguration {
  const given = typeof section === 'string' ? { mode: section } : section;
  const { mode = 'verify', keys, trustedRoot, refreshSeconds = defaultRefresh } = given as Partial<UplinkConfiguration>;
  return {
    mode,
    refreshSeconds,
    ...(keys === undefined ? {} : { keys: path(keys) }),
    ...(trustedRoot === undefined ? {} : { trustedRoot: path(trustedRoot) }),
  };
}
