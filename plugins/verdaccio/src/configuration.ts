import { dirname, resolve } from 'node:path';
import { SignetError } from '@signet/primitives/formats';
import type { ChangeRules } from './change-gate.ts';
import type { Enforcement } from './evidence.ts';
import { type OwnedNames, ownedNames } from './names.ts';
import type { SignatureConfiguration } from './registry-signer.ts';
import type { WitnessConfiguration } from './registry-statements.ts';
import type { TrustedPublisher } from './trusted-publishing.ts';
import { parseUplinks, type UplinkConfiguration } from './uplink-configuration.ts';

/** `middlewares.signet` of Verdaccio's configuration, checked; paths are absolute. */
export interface PluginConfiguration {
  /** The names that can be published here, and nothing else can. */
  readonly names: OwnedNames;
  /** TrustedRoot JSON of the Sigstore instance whose evidence is accepted. */
  readonly trustedRoot: string;
  /** Who may publish what: `trust-policy.yaml`. */
  readonly policy: string;
  /** Where every accept and refusal is appended as a line of JSON; absent for nowhere. */
  readonly auditLog?: string;
  /** Whether the policy decides about publishes. */
  readonly publish: Enforcement;
  /** Whether the policy decides about what is served. */
  readonly tarballs: Enforcement;
  /** What becomes of packages that come from uplinks. */
  readonly uplinks: UplinkConfiguration;
  /** How the registry signs what it serves; absent when it does not. */
  readonly signatures?: SignatureConfiguration;
  /** Whether Verdaccio's web page shows the evidence. */
  readonly panel: boolean;
  /** Where the registry's own statements are timestamped and logged. */
  readonly witnesses?: WitnessConfiguration;
  /** Whether the registry says of every version that it took it. */
  readonly attestPublish: boolean;
  /** Who may unpublish, deprecate and tag. */
  readonly changes: ChangeRules;
  /** CI jobs that get publish tokens for their identity. */
  readonly trustedPublishing: readonly TrustedPublisher[];
  /** What clients call the registry, with a slash at the end. */
  readonly publicUrl?: string;
  /** Whether `dist.attestations` tells every client that there is evidence. */
  readonly advertise: boolean;
  readonly limits: {
    /** Largest bundle, bytes. */
    readonly bundleBytes: number;
    /** Largest tarball after decompression, bytes. */
    readonly unpackedBytes: number;
    /** How long a bundle waits for its package, seconds. */
    readonly pendingSeconds: number;
    /** How long the verdict about a stored tarball holds, seconds. */
    readonly verdictSeconds: number;
    /** Largest body of a request without valid credentials, bytes. */
    readonly anonymousBytes: number;
  };
}

const known = [
  'names',
  'trustedRoot',
  'policy',
  'auditLog',
  'publish',
  'tarballs',
  'uplinks',
  'signatures',
  'witnesses',
  'attestPublish',
  'panel',
  'changes',
  'trustedPublishing',
  'publicUrl',
  'advertise',
  'limits',
];
const enforcements = ['enforce', 'warn', 'off'] as const;

/**
 * Checks the plugin's section. Verdaccio 6 merges the whole application's configuration into what a plugin's constructor
 * gets, so the section is read from the application's configuration itself.
 *
 * @param value `middlewares.signet`
 * @param configPath Verdaccio's configuration file; relative paths start from its folder
 * @throws ERR_PLUGIN_CONFIG
 */
export function parseConfiguration(value: unknown, configPath: string): PluginConfiguration {
  const section = onlyKeys(mapping(value, 'signet'), 'signet', known);
  const path = (value: unknown, where: string) => resolve(dirname(configPath), text(value, where));
  const publicUrl = section.publicUrl === undefined ? undefined : baseUrl(section.publicUrl, 'signet.publicUrl');
  const advertise = choice(section.advertise, 'signet.advertise', [true, false], false);
  if (advertise && publicUrl === undefined) throw bad('signet.advertise needs signet.publicUrl, which it points to');
  const attestPublish = choice(section.attestPublish, 'signet.attestPublish', [true, false], false);
  const witnesses = section.witnesses === undefined ? undefined : parseWitnesses(section.witnesses, path);
  if (witnesses !== undefined && (section.signatures === undefined || publicUrl === undefined)) {
    throw bad('signet.witnesses needs signet.signatures and signet.publicUrl: they witness what that key signs');
  }
  if (attestPublish && witnesses === undefined) throw bad('signet.attestPublish needs signet.witnesses');
  const owned = ownedNames(texts(section.names, 'signet.names'));
  const trustedPublishing = parsePublishers(section.trustedPublishing ?? [], owned);
  if (trustedPublishing.length > 0 && publicUrl === undefined) {
    throw bad('signet.trustedPublishing needs signet.publicUrl: identity tokens are made out for its host');
  }
  const limits = onlyKeys(
    section.limits === undefined ? {} : mapping(section.limits, 'signet.limits'),
    'signet.limits',
    ['bundleBytes', 'unpackedBytes', 'pendingSeconds', 'verdictSeconds', 'anonymousBytes'],
  );
  const limit = (key: string, unit: string, fallback: number) =>
    positive(limits[key], `signet.limits.${key}`, unit, fallback);
  const file = (key: string) => path(section[key], `signet.${key}`);
  return {
    names: owned,
    trustedRoot: file('trustedRoot'),
    policy: file('policy'),
    ...(section.auditLog === undefined ? {} : { auditLog: file('auditLog') }),
    ...(section.signatures === undefined ? {} : { signatures: parseSignatures(section.signatures, path) }),
    ...(publicUrl === undefined ? {} : { publicUrl }),
    advertise,
    attestPublish,
    changes: parseChanges(section.changes ?? {}),
    trustedPublishing,
    panel: choice(section.panel, 'signet.panel', [true, false], true),
    ...(witnesses === undefined ? {} : { witnesses }),
    publish: choice(section.publish, 'signet.publish', enforcements, 'enforce'),
    tarballs: choice(section.tarballs, 'signet.tarballs', enforcements, 'enforce'),
    uplinks: parseUplinks(section.uplinks, path),
    limits: {
      bundleBytes: limit('bundleBytes', 'bytes', 1024 * 1024),
      unpackedBytes: limit('unpackedBytes', 'bytes', 1024 ** 3),
      pendingSeconds: limit('pendingSeconds', 'seconds', 3600),
      verdictSeconds: limit('verdictSeconds', 'seconds', 300),
      anonymousBytes: limit('anonymousBytes', 'bytes', 1024 * 1024),
    },
  };
}

function parseSignatures(value: unknown, path: (value: unknown, where: string) => string): SignatureConfiguration {
  const section = onlyKeys(mapping(value, 'signet.signatures'), 'signet.signatures', ['key', 'keys']);
  const keys = path(section.keys, 'signet.signatures.keys');
  if (typeof section.key === 'string') return { key: { file: path(section.key, 'signet.signatures.key') }, keys };
  const key = onlyKeys(mapping(section.key, 'signet.signatures.key'), 'signet.signatures.key', ['provided']);
  return { key: { provided: text(key.provided, 'signet.signatures.key.provided') }, keys };
}

function parseWitnesses(value: unknown, path: (value: unknown, where: string) => string): WitnessConfiguration {
  const section = onlyKeys(mapping(value, 'signet.witnesses'), 'signet.witnesses', ['log', 'tsa', 'signingConfig']);
  if (section.signingConfig !== undefined) {
    if (section.log !== undefined || section.tsa !== undefined)
      throw bad('signet.witnesses has either signingConfig, or log and tsa');
    return { signingConfig: path(section.signingConfig, 'signet.witnesses.signingConfig') };
  }
  const url = (key: 'log' | 'tsa') => baseUrl(section[key], `signet.witnesses.${key}`).replace(/\/$/, '');
  return { log: url('log'), tsa: url('tsa') };
}

function parsePublishers(value: unknown, owned: OwnedNames): readonly TrustedPublisher[] {
  if (!Array.isArray(value)) throw bad('signet.trustedPublishing must be a list');
  return value.map((item: unknown, index) => {
    const where = `signet.trustedPublishing[${index}]`;
    const section = onlyKeys(mapping(item, where), where, ['package', 'issuer', 'claims']);
    const name = text(section.package, `${where}.package`);
    if (!owned.has(name) || name.endsWith('*'))
      throw bad(`${where}.package must be one of the packages in signet.names`);
    const issuer = text(section.issuer, `${where}.issuer`);
    const url = URL.parse(issuer);
    // An issuer that answers unprotected could be anybody on the way, except on this machine.
    const loopback = url !== null && /^(?:localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname);
    if (url?.protocol !== 'https:' && !(url?.protocol === 'http:' && loopback))
      throw bad(`${where}.issuer must be an https URL`);
    const claims = Object.entries(mapping(section.claims, `${where}.claims`));
    // Without a claim everybody whom the issuer knows could publish: for GitHub's, the world.
    if (claims.length === 0) throw bad(`${where}.claims must name at least one claim, such as repository_id`);
    const exact = claims.map(([claim, wanted]) => [claim, text(wanted, `${where}.claims.${claim}`)] as const);
    return { package: name, issuer, claims: Object.fromEntries(exact) };
  });
}

function parseChanges(value: unknown): ChangeRules {
  const section = onlyKeys(mapping(value, 'signet.changes'), 'signet.changes', ['by', 'operators', 'owners']);
  const owners = Object.entries(mapping(section.owners ?? {}, 'signet.changes.owners'));
  return {
    by: choice(section.by, 'signet.changes.by', ['owners', 'publishers'], 'owners'),
    operators: texts(section.operators ?? [], 'signet.changes.operators'),
    owners: owners.map(([pattern, users]) => ({
      names: ownedNames([pattern]),
      users: texts(users, `signet.changes.owners.${pattern}`),
    })),
  };
}

function onlyKeys(section: Readonly<Record<string, unknown>>, where: string, allowed: readonly string[]) {
  for (const key of Object.keys(section)) {
    if (!allowed.includes(key)) throw bad(`unknown key ${where}.${key}; known are ${allowed.join(', ')}`);
  }
  return section;
}

function choice<const T extends string | boolean>(
  value: unknown,
  where: string,
  choices: readonly T[],
  fallback: NoInfer<T>,
): T {
  const found = choices.find((candidate) => candidate === (value ?? fallback));
  if (found === undefined) throw bad(`${where} must be one of ${choices.join(', ')}`);
  return found;
}

/** An http or https URL whose path ends in a slash. */
function baseUrl(value: unknown, where: string): string {
  const url = URL.parse(text(value, where));
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw bad(`${where} must be an http or https URL`);
  }
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url.href;
}

function mapping(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw bad(`${where} must be a mapping of keys to values`);
  }
  return value as Record<string, unknown>;
}

function text(value: unknown, where: string): string {
  if (typeof value !== 'string' || value === '') throw bad(`${where} must be a text`);
  return value;
}

function texts(value: unknown, where: string): readonly string[] {
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string' && item !== '')) {
    throw bad(`${where} must be a list of texts`);
  }
  return value;
}

function positive(value: unknown, where: string, unit: string, fallback: number): number {
  if (value === undefined) return fallback;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1) {
    throw bad(`${where} must be a whole number of ${unit}`);
  }
  return value;
}

function bad(problem: string): SignetError {
  return new SignetError('ERR_PLUGIN_CONFIG', `Verdaccio's configuration, middlewares: ${problem}`);
}
