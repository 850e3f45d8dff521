import { parseExceptions } from './parse-exceptions.ts';
import { parseExtends } from './parse-extends.ts';
import { parsePatterns } from './parse-patterns.ts';
import { parsePublishers } from './parse-publishers.ts';
import { parseRules } from './parse-rules.ts';
import type { Distrust, PinPolicy, Policy, TrustRootReference } from './policy.ts';
import { PolicyReader } from './policy-reader.ts';

const known = [
  'version',
  'mode',
  'noMatch',
  'extends',
  'trustRoots',
  'publishers',
  'rules',
  'distrust',
  'exceptions',
  'defaults',
  'sequence',
  'expires',
];
const later = ['registries'];

/**
 * Reads the YAML of a policy and judges nothing of what it says.
 *
 * @returns plain values, to be kept and given to {@link parsePolicy}
 * @throws ERR_POLICY_INVALID, ERR_INPUT_TOO_LARGE
 */
export function readPolicyText(text: string, path = 'trust-policy.yaml'): unknown {
  return new PolicyReader(text, path).root;
}

/**
 * Reads a trust policy (format version 1: notes on the policy format, INTERFACES "Policy").
 *
 * @param text YAML 1.2 or JSON
 * @param options.path names the file in messages
 * @param options.now the time that ends of exceptions are compared with, default the clock's
 * @param options.root what {@link readPolicyText} made of the same text before, which spares reading YAML again
 * @throws ERR_POLICY_INVALID for anything that is not understood completely, ERR_INPUT_TOO_LARGE
 */
export function parsePolicy(
  text: string,
  options: { readonly path?: string; readonly now?: Date; readonly root?: unknown } = {},
): Policy {
  const path = options.path ?? 'trust-policy.yaml';
  const reader = new PolicyReader(text, path, options.root);
  const top = reader.section(reader.root, [], known, later);
  const version = reader.optional(top, 'version');
  if (version !== 1) {
    const hint = typeof version === 'number' && version > 1 ? '; a newer signet wrote it' : '';
    throw reader.error(['version'], `expected 1${hint}`, { found: version });
  }
  const mode = reader.oneOf(reader.optional(top, 'mode') ?? 'enforce', ['mode'], ['enforce', 'warn']);
  const noMatch = reader.oneOf(reader.optional(top, 'noMatch') ?? 'warn', ['noMatch'], ['allow', 'warn', 'deny']);
  const publishers = parsePublishers(reader, reader.optional(top, 'publishers'));
  const { pins, ...defaults } = parseDefaults(reader, reader.optional(top, 'defaults'));
  const rules = parseRules(reader, reader.optional(top, 'rules'), {
    mode,
    publishers,
    ...defaults,
  });
  const trustRoots = parseTrustRoots(reader, reader.optional(top, 'trustRoots'));
  const layers = parseExtends(reader, reader.optional(top, 'extends'), trustRoots, publishers);
  const [sequence, expires] = [reader.optional(top, 'sequence'), reader.optional(top, 'expires')];
  return {
    path,
    version,
    mode,
    noMatch,
    ...(layers.length === 0 ? {} : { extends: layers }),
    ...(sequence === undefined ? {} : { sequence: sequenceOf(reader, sequence) }),
    ...(expires === undefined ? {} : { expires: reader.time(expires, ['expires']) }),
    trustRoots,
    publishers,
    rules,
    distrust: parseDistrust(reader, reader.optional(top, 'distrust')),
    pins,
    exceptions: parseExceptions(reader, reader.optional(top, 'exceptions'), rules, options.now ?? new Date()),
  };
}

function sequenceOf(reader: PolicyReader, value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw reader.error(['sequence'], 'expected a whole number that grows with each version', { found: value });
}

/** What holds for every rule that does not say otherwise, and for packages that are proven otherwise than before. */
function parseDefaults(reader: PolicyReader, value: unknown): { minimumReleaseAge?: number; pins: PinPolicy } {
  if (value === undefined) return { pins: { downgrade: 'error' } };
  const place = ['defaults'];
  const section = reader.section(
    value,
    place,
    ['minimumReleaseAge', 'tofu', 'downgrade', 'enforceSince'],
    ['thresholds'],
  );
  const age = reader.optional(section, 'minimumReleaseAge');
  const tofu = reader.optional(section, 'tofu');
  const since = reader.optional(section, 'enforceSince');
  return {
    ...(age === undefined ? {} : { minimumReleaseAge: reader.duration(age, [...place, 'minimumReleaseAge']) }),
    pins: {
      ...(tofu === undefined ? {} : { tofu: parseTofu(reader, tofu, [...place, 'tofu']) }),
      downgrade: reader.oneOf(
        reader.optional(section, 'downgrade') ?? 'error',
        [...place, 'downgrade'],
        ['error', 'warn', 'allow'],
      ),
      ...(since === undefined ? {} : { enforceSince: reader.time(since, [...place, 'enforceSince']) }),
    },
  };
}

const pinnable = ['issuer', 'repositoryId', 'ownerId', 'workflow', 'repository'] as const;

function parseTofu(reader: PolicyReader, value: unknown, place: readonly string[]): NonNullable<PinPolicy['tofu']> {
  const section = reader.section(value, place, ['pin', 'onChange']);
  const pin = reader.optional(section, 'pin');
  const at = [...place, 'pin'];
  return {
    pin:
      pin === undefined
        ? ['issuer', 'repositoryId', 'ownerId', 'workflow']
        : reader.strings(pin, at).map((field, index) => reader.oneOf(field, [...at, String(index)], pinnable)),
    onChange: reader.oneOf(reader.optional(section, 'onChange') ?? 'error', [...place, 'onChange'], ['error', 'warn']),
  };
}

function parseTrustRoots(reader: PolicyReader, value: unknown): TrustRootReference[] {
  const section = reader.mapping(value ?? {}, ['trustRoots']);
  const roots = Object.keys(section).map((name) => parseTrustRoot(reader, name, reader.optional(section, name)));
  const [, second] = roots.filter(({ packages }) => packages === undefined);
  if (second !== undefined) {
    throw reader.error(
      ['trustRoots', second.name],
      'two trust roots without packages: only one can own the names that no other root owns',
    );
  }
  return roots;
}

function parseTrustRoot(reader: PolicyReader, name: string, value: unknown): TrustRootReference {
  const place = ['trustRoots', name];
  const section = reader.section(value, place, [
    'builtin',
    'file',
    'sha256',
    'tuf',
    'packages',
    'issuers',
    'registryKeys',
    'witnesses',
  ]);
  const given = ['builtin', 'file', 'tuf'].filter((key) => reader.optional(section, key) !== undefined);
  if (given.length !== 1) throw reader.error(place, 'needs exactly one of builtin, file and tuf');
  const packages = reader.optional(section, 'packages');
  const issuers = reader.optional(section, 'issuers');
  const registryKeys = reader.optional(section, 'registryKeys');
  const witnesses = reader.optional(section, 'witnesses');
  const patterns = packages === undefined ? undefined : parsePatterns(reader, packages, [...place, 'packages']);
  const ranged = patterns?.find(({ range }) => range !== undefined);
  if (ranged !== undefined) {
    throw reader.error([...place, 'packages'], 'a trust root owns names, not versions', { found: ranged.text });
  }
  return {
    name,
    source: parseSource(reader, section, place),
    ...(patterns === undefined ? {} : { packages: patterns }),
    ...(registryKeys === undefined ? {} : { registryKeys: reader.string(registryKeys, [...place, 'registryKeys']) }),
    ...(witnesses === undefined ? {} : { witnesses: reader.string(witnesses, [...place, 'witnesses']) }),
    ...(issuers === undefined
      ? {}
      : {
          issuers: reader
            .strings(issuers, [...place, 'issuers'])
            .map((one, at) => reader.url(one, [...place, 'issuers', at])),
        }),
  };
}

function parseSource(
  reader: PolicyReader,
  section: Readonly<Record<string, unknown>>,
  place: readonly string[],
): TrustRootReference['source'] {
  const builtin = reader.optional(section, 'builtin');
  const file = reader.optional(section, 'file');
  const sha256 = reader.optional(section, 'sha256');
  if (sha256 !== undefined && (file === undefined || typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256))) {
    throw reader.error([...place, 'sha256'], 'expected 64 lower-case hexadecimal digits, for a file', {
      found: sha256,
    });
  }
  if (builtin !== undefined) {
    return { kind: 'builtin', builtin: reader.oneOf(builtin, [...place, 'builtin'], ['sigstore-public-good']) };
  }
  if (file !== undefined) {
    const path = reader.string(file, [...place, 'file']);
    return { kind: 'file', path, ...(typeof sha256 === 'string' ? { sha256 } : {}) };
  }
  const tuf = reader.section(reader.optional(section, 'tuf'), [...place, 'tuf'], ['url', 'root']);
  return {
    kind: 'tuf',
    url: reader.url(reader.optional(tuf, 'url'), [...place, 'tuf', 'url']),
    root: reader.string(reader.optional(tuf, 'root'), [...place, 'tuf', 'root']),
  };
}

function parseDistrust(reader: PolicyReader, value: unknown): Distrust[] {
  return reader.list(value ?? [], ['distrust']).map((entry, index) => {
    const place = ['distrust', index];
    const section = reader.section(entry, place, ['identity', 'integrity', 'logEntry', 'from', 'to', 'reason']);
    const from = reader.optional(section, 'from');
    const to = reader.optional(section, 'to');
    return {
      what: parseDistrusted(reader, section, place),
      ...(from === undefined ? {} : { from: reader.time(from, [...place, 'from']) }),
      ...(to === undefined ? {} : { to: reader.time(to, [...place, 'to']) }),
      reason: reader.string(reader.optional(section, 'reason'), [...place, 'reason']),
    };
  });
}

function parseDistrusted(
  reader: PolicyReader,
  section: Readonly<Record<string, unknown>>,
  place: readonly (string | number)[],
): Distrust['what'] {
  const identity = reader.optional(section, 'identity');
  const integrity = reader.optional(section, 'integrity');
  const logEntry = reader.optional(section, 'logEntry');
  if ([identity, integrity, logEntry].filter((one) => one !== undefined).length !== 1) {
    throw reader.error(place, 'needs exactly one of identity, integrity and logEntry');
  }
  if (identity !== undefined) {
    const at = [...place, 'identity'];
    const fields = reader.section(identity, at, ['issuer', 'subject']);
    return {
      kind: 'identity',
      issuer: reader.string(reader.optional(fields, 'issuer'), [...at, 'issuer']),
      subject: reader.string(reader.optional(fields, 'subject'), [...at, 'subject']),
    };
  }
  if (integrity !== undefined) {
    const text = reader.string(integrity, [...place, 'integrity']);
    if (!/^sha512-[A-Za-z0-9+/]{86}==$/.test(text)) {
      throw reader.error([...place, 'integrity'], 'expected one sha512 hash as in a lockfile', { found: text });
    }
    return { kind: 'integrity', integrity: text };
  }
  const at = [...place, 'logEntry'];
  const fields = reader.section(logEntry, at, ['origin', 'index']);
  const index = reader.optional(fields, 'index');
  return {
    kind: 'logEntry',
    origin: reader.string(reader.optional(fields, 'origin'), [...at, 'origin']),
    index: BigInt(reader.digits(index, [...at, 'index'])),
  };
}
