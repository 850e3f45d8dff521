import { SignetError } from '@signet/primitives/formats';

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

/** A day: attestations are published with their version, and few are added later. */
const defaultRefresh = 24 * 3600;

const modes: readonly UplinkMode[] = ['off', 'verify', 'require'];

/**
 * Reads `signet.uplinks`, which is a mode by itself or a mapping.
 *
 * @param path makes a path absolute
 * @throws ERR_PLUGIN_CONFIG
 */
export function parseUplinks(value: unknown, path: (value: unknown, where: string) => string): UplinkConfiguration {
  // YAML 1.1 reads a bare `off` as false.
  const plain = value === false ? 'off' : (value ?? 'verify');
  if (typeof plain === 'string') return { mode: modeOf(plain, 'signet.uplinks'), refreshSeconds: defaultRefresh };
  if (typeof plain !== 'object' || Array.isArray(plain)) throw bad(`signet.uplinks must be one of ${modes.join(', ')}`);
  const section = plain as Readonly<Record<string, unknown>>;
  const known = ['mode', 'keys', 'trustedRoot', 'refreshSeconds'];
  for (const key of Object.keys(section)) {
    if (!known.includes(key)) throw bad(`unknown key signet.uplinks.${key}; known are ${known.join(', ')}`);
  }
  const { mode = 'verify', refreshSeconds = defaultRefresh } = section;
  if (typeof refreshSeconds !== 'number' || !Number.isSafeInteger(refreshSeconds) || refreshSeconds < 1) {
    throw bad('signet.uplinks.refreshSeconds must be a whole number of seconds');
  }
  const file = (key: 'keys' | 'trustedRoot') =>
    section[key] === undefined ? {} : { [key]: path(section[key], `signet.uplinks.${key}`) };
  return {
    mode: modeOf(mode === false ? 'off' : mode, 'signet.uplinks.mode'),
    refreshSeconds,
    ...file('keys'),
    ...file('trustedRoot'),
  };
}

function modeOf(value: unknown, where: string): UplinkMode {
  const mode = modes.find((candidate) => candidate === value);
  if (mode === undefined) throw bad(`${where} must be one of ${modes.join(', ')}`);
  return mode;
}

function bad(problem: string): SignetError {
  return new SignetError('ERR_PLUGIN_CONFIG', `Verdaccio's configuration, middlewares: ${problem}`);
}
