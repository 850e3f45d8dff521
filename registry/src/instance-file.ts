import { SignetError } from '@signet/primitives/formats';
import { type LogRules, readLogRules } from '@signet/services/log';
import { parseDocument } from 'yaml';
import { parsePublicUrl } from './public-url.ts';
import type { TlsFiles } from './tls-files.ts';

/** What `<data>/instance.yaml` says, checked. */
export interface InstanceConfiguration {
  readonly publicUrl: string;
  readonly listen: { readonly host: string; readonly port: number };
  /** Certificate and key for HTTPS, relative to the data directory; absent: plain HTTP. */
  readonly tls?: TlsFiles;
  /** Time servers that the clock is compared with; absent: it is only watched for jumps. */
  readonly time?: { readonly servers: readonly string[]; readonly maxDriftMilliseconds: number };
  /** When the instance was made: the start of every validity window of its trust. */
  readonly created: Date;
  /** Patterns of the package names that this instance owns: `@scope/*`, `@scope/name` or `name`. */
  readonly names: readonly string[];
  /** Whether `init` was asked to prepare the development identity provider. */
  readonly developmentIdentity: boolean;
  /** Where names come from that the instance does not own: npm's default registry, a URL, or nowhere. */
  readonly uplink: 'npmjs' | 'none' | { readonly url: string };
  /** What becomes of packages from there: `verify`, `require`, `off` or a mapping; as the plugin reads it, which checks it. */
  readonly uplinkEvidence: unknown;
  /** Whether anybody who reaches the registry may make an account. */
  readonly registration: 'open' | 'closed';
  /** What the policy does about versions that are stored already: refuse to serve them, only note it, or nothing. */
  readonly tarballs: 'enforce' | 'warn' | 'off';
  /** Whether packuments tell every client that there is evidence (`dist.attestations`). */
  readonly advertiseEvidence: boolean;
  /** Whether the registry itself attests, and logs, that it took a version. */
  readonly attestPublish: boolean;
  /** Which CI jobs get publish tokens; as the plugin reads it, which checks it. */
  readonly trustedPublishing: unknown;
  /** Who may unpublish, deprecate and tag; as the plugin reads it, which checks it. */
  readonly changes: unknown;
  readonly limits: InstanceLimits;
  /** Who may use the transparency log, and how much; absent: everybody may, without limits of rate. */
  readonly log?: LogRules;
}

/** How far the clock may be off from those of time servers: what timestamps say of their accuracy. */
const defaultDriftMilliseconds = 1000;

/** What the registry takes. */
export interface InstanceLimits {
  /** Largest publish document, bytes of JSON; npm's tarball is base64 in it. */
  readonly publishBytes: number;
  /** Largest tarball after decompression, bytes. */
  readonly unpackedBytes: number;
  /** Wrong passwords and new accounts that an address may have within a minute. */
  readonly passwordFailures: number;
}

/** Limits where the file says nothing. */
export const defaultLimits: InstanceLimits = {
  publishBytes: 128 * 1024 * 1024,
  unpackedBytes: 256 * 1024 * 1024,
  passwordFailures: 20,
};

const namePattern = /^(?:@[a-z0-9-][a-z0-9._-]*\/(?:\*|[a-z0-9-][a-z0-9._-]*)|[a-z0-9-][a-z0-9._-]*)$/;

/**
 * Checks a pattern of owned names. Only whole scopes and single names: a wider pattern would make the instance vouch for
 * names of npm's default registry.
 *
 * @throws ERR_INSTANCE_CONFIG
 */
export function checkOwnedName(pattern: string): string {
  if (!namePattern.test(pattern)) {
    throw new SignetError(
      'ERR_INSTANCE_CONFIG',
      `${JSON.stringify(pattern)} cannot be owned: write a scope as '@acme/*', or one package as '@acme/widgets'`,
    );
  }
  return pattern;
}

/**
 * Reads `instance.yaml`.
 *
 * @param text YAML 1.2
 * @param path names the file in errors
 * @throws ERR_INSTANCE_CONFIG, ERR_INSTANCE_FORMAT
 */
export function parseInstanceFile(text: string, path = 'instance.yaml'): InstanceConfiguration {
  const document = parseDocument(text, { uniqueKeys: true });
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined) throw bad(path, problem.message, problem);
  const root = new Reader(path, '', document.toJS({ maxAliasCount: 0 }));
  const version = root.integer('version', 1, Number.MAX_SAFE_INTEGER);
  if (version > 1) {
    throw new SignetError(
      'ERR_INSTANCE_FORMAT',
      `${path} has version ${version}; this Signet knows version 1. Use the Signet that wrote it, or a newer one.`,
    );
  }
  const listen = root.section('listen');
  const limits = root.optionalSection('limits');
  const configuration: InstanceConfiguration = {
    publicUrl: parsePublicUrl(root.text('publicUrl')),
    listen: { host: listen.text('host'), port: listen.integer('port', 1, 65535) },
    created: root.date('created'),
    names: root.texts('names').map(checkOwnedName),
    developmentIdentity: root.choice('developmentIdentity', [true, false], false),
    uplink: parseUplink(root.choiceOrText('uplink', 'npmjs'), path),
    uplinkEvidence: root.any('uplinkEvidence') ?? 'verify',
    registration: root.choice('registration', ['open', 'closed'], 'closed'),
    tarballs: root.choice('tarballs', ['enforce', 'warn', 'off'], 'enforce'),
    advertiseEvidence: root.choice('advertiseEvidence', [true, false], false),
    attestPublish: root.choice('attestPublish', [true, false], false),
    trustedPublishing: root.any('trustedPublishing') ?? [],
    changes: root.any('changes') ?? {},
    limits: limits === undefined ? defaultLimits : readLimits(limits),
  };
  const log = root.optional('log');
  const tls = root.optionalSection('tls');
  const files = tls && { tls: { certificate: tls.text('certificate'), key: tls.text('key') } };
  tls?.end();
  checkScheme(configuration.publicUrl, files?.tls);
  const time = root.optionalSection('time');
  const watched = time && {
    time: {
      servers: time.texts('servers'),
      maxDriftMilliseconds: time.integer('maxDriftMilliseconds', 1, 60_000, defaultDriftMilliseconds),
    },
  };
  time?.end();
  listen.end();
  limits?.end();
  root.end();
  return { ...configuration, ...files, ...watched, ...(log === undefined ? {} : { log: readLogRules(log, path) }) };
}

/** The text of a new `instance.yaml`, with a word to its reader on every key. */
export function formatInstanceFile(configuration: InstanceConfiguration): string {
  const uplink = typeof configuration.uplink === 'string' ? configuration.uplink : quote(configuration.uplink.url);
  const names = configuration.names.map((name) => `  - ${quote(name)}\n`).join('');
  return `# A Signet instance. The keys, logs and packages beside this file belong to it.
version: 1

# Fixed for ever: it is the origin of the log and the issuer of the development identity provider.
publicUrl: ${quote(configuration.publicUrl)}
created: ${configuration.created.toISOString()}

# Where the server listens; behind a proxy this differs from the public URL.
listen:
  host: ${quote(configuration.listen.host)}
  port: ${configuration.listen.port}

# HTTPS with your own certificate (PEM, the server's first) and key; renewed files are taken up within a minute. Without
# this the server speaks HTTP: let it listen on a loopback address, with a proxy before it.
${formatTls(configuration.tls)}

# Time servers (NTP) that this machine's clock is compared with: while most of them say that it is off, there are no timestamps.
${formatTime(configuration.time)}
# The package names that this instance owns. They are published here and never fetched from elsewhere;
# every other name is only passed on from the uplink and cannot be published.
names:
${names}
# Where other names come from: npmjs (npm's default registry), none, or the URL of a registry.
uplink: ${uplink}

# What they are checked for before they are served: verify (signatures and attestations that are there hold), require (the
# registry's signature is there, and the policy lets them pass) or off. For another registry than npm's default one:
# { mode: verify, keys: /etc/signet/its-keys.json, trustedRoot: /etc/signet/its-trusted_root.json }
uplinkEvidence: ${JSON.stringify(configuration.uplinkEvidence)}

# Who may make an account with npm: open (anybody who reaches the server) or closed (nobody; edit registry/htpasswd).
registration: ${configuration.registration}

# Versions whose evidence is missing or does not hold: enforce (they are not served), warn (only the audit log says so) or off.
tarballs: ${configuration.tarballs}

# A login without passwords for development; served only with --dev-identity and only on a loopback address.
developmentIdentity: ${configuration.developmentIdentity}

# Tell every npm client of the evidence (dist.attestations). npm audit signatures then judges it, and fails wherever
# npm knows only the public Sigstore; pnpm's trustPolicy needs it.
advertiseEvidence: ${configuration.advertiseEvidence}

# Let the registry attest and log every version that it takes (npm's publish attestation).
attestPublish: ${configuration.attestPublish}

# CI jobs that publish without an npm token, by their identity. Names and claims are exact.
trustedPublishing: ${JSON.stringify(configuration.trustedPublishing)}
#  - package: '@acme/widgets'
#    issuer: https://token.actions.githubusercontent.com
#    claims: { repository_id: "1001", repository_owner_id: "4242", environment: npm }

# Who may unpublish, deprecate and tag what is published: the first publisher of a package, its further owners, and operators,
# who may change every package. by: publishers lets everybody who may publish it.
changes: ${JSON.stringify(configuration.changes)}
#  by: owners
#  operators: [root]
#  owners: { '@acme/*': [alice], '@acme/widgets': [bob] }

limits:
  # Largest publish document in bytes; the tarball in it is a third larger than on disk.
  publishBytes: ${configuration.limits.publishBytes}
  # Largest tarball after decompression, bytes.
  unpackedBytes: ${configuration.limits.unpackedBytes}
  # Wrong passwords and new accounts that an address may have within a minute; raise it where many people share an address.
  passwordFailures: ${configuration.limits.passwordFailures}

# Who may read the transparency log, and how fast it may be used (docs/operator/log.md). Without this everybody may.
#log:
#  readTokens: ["a-long-word-for-readers"]
#  proxies: ["10.0.0.0/8"]
#  limits: { address: { perSecond: 50, burst: 1000 }, identity: { perSecond: 10, burst: 500 } }
`;
}

/**
 * Whoever serves HTTPS is called by https.
 *
 * @throws ERR_INSTANCE_CONFIG
 */
export function checkScheme(publicUrl: string, tls: TlsFiles | undefined): void {
  if (tls === undefined || publicUrl.startsWith('https:')) return;
  throw new SignetError('ERR_INSTANCE_CONFIG', `with tls the public URL begins with https, not as ${publicUrl}`);
}

function formatTime(time: InstanceConfiguration['time']): string {
  if (time === undefined)
    return '#time: { servers: [ntp1.acme.example, ntp2.acme.example], maxDriftMilliseconds: 1000 }';
  return `time: { servers: ${JSON.stringify(time.servers)}, maxDriftMilliseconds: ${time.maxDriftMilliseconds} }`;
}

function formatTls(tls: TlsFiles | undefined): string {
  if (tls === undefined) return '#tls: { certificate: "/etc/signet/tls.pem", key: "/etc/signet/tls.key" }';
  return `tls: { certificate: ${quote(tls.certificate)}, key: ${quote(tls.key)} }`;
}

function readLimits(section: Reader): InstanceLimits {
  const { publishBytes, unpackedBytes, passwordFailures } = defaultLimits;
  return {
    publishBytes: section.integer('publishBytes', 1024, 2 ** 30, publishBytes),
    unpackedBytes: section.integer('unpackedBytes', 1024, 2 ** 34, unpackedBytes),
    passwordFailures: section.integer('passwordFailures', 1, 1_000_000, passwordFailures),
  };
}

function parseUplink(value: string, path: string): InstanceConfiguration['uplink'] {
  if (value === 'npmjs' || value === 'none') return value;
  const url = URL.parse(value);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw bad(path, `uplink must be npmjs, none or the URL of a registry, not ${JSON.stringify(value)}`);
  }
  return { url: url.href };
}

/** JSON strings are YAML strings. */
function quote(text: string): string {
  return JSON.stringify(text);
}

function bad(path: string, message: string, cause?: unknown): SignetError {
  return new SignetError('ERR_INSTANCE_CONFIG', `${path}: ${message}`, cause === undefined ? {} : { cause });
}

/** Reads the keys of one mapping; {@link Reader.end} refuses those that nobody read. */
class Reader {
  readonly #path: string;
  readonly #prefix: string;
  readonly #values: Map<string, unknown>;

  constructor(path: string, prefix: string, value: unknown) {
    this.#path = path;
    this.#prefix = prefix;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw bad(path, `${prefix === '' ? 'the file' : prefix.slice(0, -1)} must be a mapping of keys to values`);
    }
    this.#values = new Map(Object.entries(value));
  }

  #take(key: string): unknown {
    const value = this.#values.get(key);
    this.#values.delete(key);
    return value;
  }

  #refuse(key: string, expected: string, found: unknown): SignetError {
    return bad(this.#path, `${this.#prefix}${key} must be ${expected}, found ${JSON.stringify(found) ?? 'nothing'}`);
  }

  /** A value that somebody else checks. */
  any(key: string): unknown {
    return this.#take(key);
  }

  text(key: string): string {
    const value = this.#take(key);
    if (typeof value !== 'string' || value === '') throw this.#refuse(key, 'a text', value);
    return value;
  }

  texts(key: string): string[] {
    const value = this.#take(key);
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) {
      throw this.#refuse(key, 'a list of texts', value);
    }
    return value;
  }

  integer(key: string, smallest: number, largest: number, fallback?: number): number {
    const value = this.#take(key) ?? fallback;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < smallest || value > largest) {
      throw this.#refuse(key, `a whole number from ${smallest} to ${largest}`, value);
    }
    return value;
  }

  date(key: string): Date {
    const value = this.#take(key);
    const date = typeof value === 'string' ? new Date(value) : value;
    if (!(date instanceof Date) || Number.isNaN(date.getTime())) throw this.#refuse(key, 'a time (RFC 3339)', value);
    return date;
  }

  choice<const T extends string | boolean>(key: string, choices: readonly T[], fallback: NoInfer<T>): T {
    const value = this.#take(key) ?? fallback;
    const choice = choices.find((candidate) => candidate === value);
    if (choice === undefined) throw this.#refuse(key, `one of ${choices.join(', ')}`, value);
    return choice;
  }

  choiceOrText(key: string, fallback: string): string {
    const value = this.#take(key) ?? fallback;
    if (typeof value !== 'string' || value === '') throw this.#refuse(key, 'a text', value);
    return value;
  }

  /** For who reads it by rules of their own. */
  optional(key: string): unknown {
    return this.#take(key) ?? undefined;
  }

  section(key: string): Reader {
    return new Reader(this.#path, `${this.#prefix}${key}.`, this.#take(key));
  }

  optionalSection(key: string): Reader | undefined {
    return this.#values.has(key) ? this.section(key) : undefined;
  }

  end(): void {
    const unknown = [...this.#values.keys()];
    if (unknown.length > 0) throw bad(this.#path, `unknown key ${this.#prefix}${unknown[0]}`);
  }
}
