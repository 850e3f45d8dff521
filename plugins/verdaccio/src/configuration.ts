import { dirname, resolve } from 'node:path';
import { SignetError } from '@signet/primitives/formats';
import type { ChangeRules } from './change-gate.ts';
import { configurationSchema } from './configuration-schema.ts';
import type { Enforcement } from './evidence.ts';
import { type OwnedNames, ownedNames } from './names.ts';
import type { SignatureConfiguration } from './registry-signer.ts';
import type { WitnessConfiguration } from './registry-statements.ts';
import { findProblem } from './schema-check.ts';
import type { TrustedPublisher } from './trusted-publishing.ts';
import { parseUplinks, type UplinkConfiguration, type UplinkSection } from './uplink-configuration.ts';

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
    /** How many times its own size a tarball may have after decompression, above 16 MiB. */
    readonly unpackedRatio: number;
    /** How long a bundle waits for its package, seconds. */
    readonly pendingSeconds: number;
    /** How long the verdict about a stored tarball holds, seconds. */
    readonly verdictSeconds: number;
    /** Largest body of a request without valid credentials, bytes. */
    readonly anonymousBytes: number;
    /** Passwords that are checked at the same time. */
    readonly passwordChecks: number;
    /** Wrong passwords and new accounts that an address may have within a minute. */
    readonly passwordFailures: number;
    /** How long a password that was right is not checked again, seconds. */
    readonly passwordSeconds: number;
    /** How long a write waits for others where the storage cannot lock, milliseconds. */
    readonly lockMilliseconds: number;
  };
}

/**
 * Checks the plugin's section. Verdaccio 6 merges the whole application's configuration into what a plugin's constructor
 * gets, so the section is read from the application's configuration itself.
 *
 * @param value `middlewares.signet`
 * @param configPath Verdaccio's configuration file; relative paths start from its folder
 * @throws ERR_PLUGIN_CONFIG
 */
export function parseConfiguration(value: unknown, configPath: string): PluginConfiguration {
  const problem = findProblem(configurationSchema, value, 'signet');
  if (problem !== undefined) throw bad(problem);
  const section = value as Section;
  const path = (text: string) => resolve(dirname(configPath), text);
  const publicUrl = section.publicUrl === undefined ? undefined : baseUrl(section.publicUrl);
  const { advertise = false, attestPublish = false, auditLog, signatures, limits = {} } = section;
  if (advertise && publicUrl === undefined) throw bad('signet.advertise needs signet.publicUrl, which it points to');
  const witnesses = section.witnesses === undefined ? undefined : parseWitnesses(section.witnesses, path);
  if (witnesses !== undefined && (signatures === undefined || publicUrl === undefined)) {
    throw bad('signet.witnesses needs signet.signatures and signet.publicUrl: they witness what that key signs');
  }
  if (attestPublish && witnesses === undefined) throw bad('signet.attestPublish needs signet.witnesses');
  const owned = ownedNames(section.names);
  const trustedPublishing = (section.trustedPublishing ?? []).map((one, index) => parsePublisher(one, index, owned));
  if (trustedPublishing.length > 0 && publicUrl === undefined) {
    throw bad('signet.trustedPublishing needs signet.publicUrl: identity tokens are made out for its host');
  }
  return {
    names: owned,
    trustedRoot: path(section.trustedRoot),
    policy: path(section.policy),
    ...(auditLog === undefined ? {} : { auditLog: path(auditLog) }),
    ...(signatures === undefined ? {} : { signatures: parseSignatures(signatures, path) }),
    ...(publicUrl === undefined ? {} : { publicUrl }),
    advertise,
    attestPublish,
    changes: parseChanges(section.changes ?? {}),
    trustedPublishing,
    panel: section.panel ?? true,
    ...(witnesses === undefined ? {} : { witnesses }),
    publish: section.publish ?? 'enforce',
    tarballs: section.tarballs ?? 'enforce',
    uplinks: parseUplinks(section.uplinks ?? 'verify', path),
    limits: {
      bundleBytes: 1024 * 1024,
      unpackedBytes: 256 * 1024 ** 2,
      unpackedRatio: 100,
      pendingSeconds: 3600,
      verdictSeconds: 300,
      anonymousBytes: 1024 * 1024,
      passwordChecks: 1,
      passwordFailures: 20,
      passwordSeconds: 300,
      lockMilliseconds: 1000,
      ...limits,
    },
  };
}

/** The section as the schema lets it be. */
interface Section {
  readonly names: readonly string[];
  readonly trustedRoot: string;
  readonly policy: string;
  readonly publish?: Enforcement;
  readonly tarballs?: Enforcement;
  readonly uplinks?: UplinkSection;
  readonly signatures?: { readonly key: string | { readonly provided: string }; readonly keys: string };
  readonly publicUrl?: string;
  readonly advertise?: boolean;
  readonly attestPublish?: boolean;
  readonly witnesses?: { readonly signingConfig?: string; readonly log?: string; readonly tsa?: string };
  readonly changes?: ChangesSection;
  readonly trustedPublishing?: readonly PublisherSection[];
  readonly panel?: boolean;
  readonly auditLog?: string;
  readonly limits?: Partial<PluginConfiguration['limits']>;
}

interface ChangesSection {
  readonly by?: ChangeRules['by'];
  readonly operators?: readonly string[];
  readonly owners?: Readonly<Record<string, readonly string[]>>;
}

interface PublisherSection {
  readonly package?: string;
  readonly packages?: readonly string[];
  readonly issuer: string;
  readonly claims: Readonly<Record<string, string>>;
}

function parseSignatures(
  { key, keys }: NonNullable<Section['signatures']>,
  path: (text: string) => string,
): SignatureConfiguration {
  return { key: typeof key === 'string' ? { file: path(key) } : key, keys: path(keys) };
}

function parseWitnesses(
  { signingConfig, log, tsa }: NonNullable<Section['witnesses']>,
  path: (text: string) => string,
): WitnessConfiguration {
  if (signingConfig !== undefined && log === undefined && tsa === undefined) {
    return { signingConfig: path(signingConfig) };
  }
  if (signingConfig !== undefined || log === undefined || tsa === undefined) {
    throw bad('signet.witnesses has either signingConfig, or log and tsa');
  }
  return { log: baseUrl(log).replace(/\/$/, ''), tsa: baseUrl(tsa).replace(/\/$/, '') };
}

function parsePublisher(
  { package: single, packages, issuer, claims }: PublisherSection,
  index: number,
  owned: OwnedNames,
): TrustedPublisher {
  const where = `signet.trustedPublishing[${index}]`;
  if ((single === undefined) === (packages === undefined)) throw bad(`${where} has either package or packages`);
  const patterns = packages ?? [single ?? ''];
  if (patterns.length === 0) throw bad(`${where}.packages must name a package at least`);
  for (const pattern of patterns) {
    if (!owned.has(pattern.replace(/\*$/, 'any'))) {
      throw bad(`${where}: ${JSON.stringify(pattern)} is none of the packages in signet.names`);
    }
  }
  const url = URL.parse(issuer);
  // An issuer that answers unprotected could be anybody on the way, except on this machine.
  const loopback = url !== null && /^(?:localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname);
  if (url?.protocol !== 'https:' && !loopback) throw bad(`${where}.issuer must be an https URL`);
  // The schema wants a claim: without one everybody whom the issuer knows could publish, for GitHub's the world.
  return { packages: ownedNames(patterns), issuer, claims };
}

function parseChanges({ by = 'owners', operators = [], owners = {} }: ChangesSection): ChangeRules {
  return {
    by,
    operators,
    owners: Object.entries(owners).map(([pattern, users]) => ({ names: ownedNames([pattern]), users })),
  };
}

/** With a slash at its end. */
function baseUrl(text: string): string {
  const url = new URL(text);
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url.href;
}

function bad(problem: string): SignetError {
  return new SignetError('ERR_PLUGIN_CONFIG', `Verdaccio's configuration, middlewares: ${problem}`);
}
