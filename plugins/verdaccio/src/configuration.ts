import { dirname, resolve } from 'node:path';
import { SignetError } from '@signet/primitives/formats';
import { type OwnedNames, ownedNames } from './names.ts';

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
  readonly limits: {
    /** Largest bundle, bytes. */
    readonly bundleBytes: number;
    /** Largest tarball after decompression, bytes. */
    readonly unpackedBytes: number;
  };
}

const known = new Set(['names', 'trustedRoot', 'policy', 'auditLog', 'limits']);

/**
 * Checks the plugin's section. Verdaccio 6 merges the whole application's configuration into what a plugin's constructor
 * gets, so the section is read from the application's configuration itself.
 *
 * @param value `middlewares.signet`
 * @param configPath Verdaccio's configuration file; relative paths start from its folder
 * @throws ERR_PLUGIN_CONFIG
 */
export function parseConfiguration(value: unknown, configPath: string): PluginConfiguration {
  const section = mapping(value, 'signet');
  for (const key of Object.keys(section)) {
    if (!known.has(key)) throw bad(`unknown key signet.${key}; known are ${[...known].join(', ')}`);
  }
  const limits = section.limits === undefined ? {} : mapping(section.limits, 'signet.limits');
  for (const key of Object.keys(limits)) {
    if (key !== 'bundleBytes' && key !== 'unpackedBytes') throw bad(`unknown key signet.limits.${key}`);
  }
  const file = (key: string) => resolve(dirname(configPath), text(section[key], `signet.${key}`));
  return {
    names: ownedNames(texts(section.names, 'signet.names')),
    trustedRoot: file('trustedRoot'),
    policy: file('policy'),
    ...(section.auditLog === undefined ? {} : { auditLog: file('auditLog') }),
    limits: {
      bundleBytes: bytes(limits.bundleBytes, 'signet.limits.bundleBytes', 1024 * 1024),
      unpackedBytes: bytes(limits.unpackedBytes, 'signet.limits.unpackedBytes', 1024 ** 3),
    },
  };
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

function bytes(value: unknown, where: string, fallback: number): number {
  if (value === undefined) return fallback;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1) {
    throw bad(`${where} must be a number of bytes`);
  }
  return value;
}

function bad(problem: string): SignetError {
  return new SignetError('ERR_PLUGIN_CONFIG', `Verdaccio's configuration, middlewares: ${problem}`);
}
