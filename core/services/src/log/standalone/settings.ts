import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { SignetError } from '@signet/primitives/formats';
import { parseDocument } from 'yaml';
import type { RateLimits } from '../http/rate-limits.ts';
import type { RateLimit } from '../http/token-buckets.ts';
import type { RekorV2Options } from '../rekor/routes.ts';
import type { RekorV1Options } from '../rekor-v1/index.ts';

/** Who may use a log, and how much: the same in `log.yaml` and in the section `log` of an instance's `instance.yaml`. */
export interface LogRules {
  /** None for a public log. */
  readonly readTokens: readonly string[];
  /** Addresses and networks of proxies whose `x-forwarded-for` is believed. */
  readonly proxies: readonly string[];
  /** Whether the older kind of entry for envelopes is taken. */
  readonly dsse: boolean;
  /** Modules of entry types that the v1 log takes beyond Rekor's: package names, or paths that begin with `./` or `/`. */
  readonly entryTypes: readonly string[];
  readonly limits: RateLimits & {
    /** Largest request in bytes. */
    readonly requestBytes: number;
    /** Requests that may wait to be verified before 503. */
    readonly waiting: number;
    /** Longest attestation that the v1 log keeps beside its entry, in bytes; 0 for none. */
    readonly attestationBytes: number;
  };
}

/** A log that is served by itself, as its `log.yaml` describes it. */
export interface LogSettings extends LogRules {
  /** Without a trailing slash; fixed for ever, since it is the origin of the log. */
  readonly publicUrl: string;
  readonly created: Date;
  readonly listen: { readonly host: string; readonly port: number };
}

/** What a new log allows: far above what releases need, far below what fills a disk overnight. */
export const defaultLimits: LogSettings['limits'] = {
  requestBytes: 4 << 20,
  waiting: 4096,
  attestationBytes: 0,
  address: { perSecond: 50, burst: 1000 },
  identity: { perSecond: 10, burst: 500 },
  search: { perSecond: 20, burst: 200 },
};

const ruleKeys = ['readTokens', 'proxies', 'dsse', 'entryTypes', 'limits'];
const keys = ['version', 'publicUrl', 'created', 'listen', ...ruleKeys];
const rateKeys = ['address', 'issuer', 'identity', 'search'] as const;

/**
 * Reads `log.yaml`. Unknown keys are errors: a limit that is misspelt would be none.
 *
 * @throws ERR_LOG_CONFIG, ERR_LOG_FORMAT
 */
export function parseLogSettings(text: string, path = 'log.yaml'): LogSettings {
  const document = parseDocument(text, { uniqueKeys: true });
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined) throw bad(path, problem.message, problem);
  const root = mapping(path, 'the file', document.toJS({ maxAliasCount: 0 }), keys);
  const { version } = root;
  if (typeof version === 'number' && version > 1) {
    throw new SignetError('ERR_LOG_FORMAT', `${path} was written by a newer version; update to open this log`, {
      expected: 'version 1',
      found: `version ${version}`,
    });
  }
  if (version !== 1) throw bad(path, 'version must be 1');
  const listen = mapping(path, 'listen', root.listen, ['host', 'port']);
  if (typeof listen.host !== 'string' || listen.host === '') throw bad(path, 'listen.host must be an address');
  return {
    publicUrl: parseLogUrl(root.publicUrl, path),
    created: date(path, root.created),
    listen: { host: listen.host, port: wholeNumber(path, 'listen.port', listen.port, 1, 65_535) },
    ...rulesIn(path, root),
  };
}

/**
 * Reads the rules of a log alone, all of which may be left out.
 *
 * @param value a mapping, as YAML has it
 * @throws ERR_LOG_CONFIG
 */
export function readLogRules(value: unknown, path: string): LogRules {
  return rulesIn(path, mapping(path, 'log', value, ruleKeys));
}

/** The options of the log's routes that follow from its rules. */
export function routeOptions({ readTokens, dsse, limits }: LogRules): { v1: RekorV1Options; v2: RekorV2Options } {
  const { requestBytes, waiting, attestationBytes, ...rates } = limits;
  const both = { maximumRequestSize: requestBytes, maximumWaiting: waiting, limits: rates, readTokens };
  return { v1: { ...both, attestationBytes }, v2: { ...both, dsse } };
}

/**
 * The modules of a log's entry types as `import` takes them.
 *
 * @param directory from which paths begin
 */
export function entryTypeModules({ entryTypes }: Pick<LogRules, 'entryTypes'>, directory: string): string[] {
  return entryTypes.map((name) => (/^\.{0,2}\//.test(name) ? pathToFileURL(resolve(directory, name)).href : name));
}

function rulesIn(path: string, root: Readonly<Record<string, unknown>>): LogRules {
  return {
    readTokens: texts(path, 'readTokens', root.readTokens ?? []),
    proxies: texts(path, 'proxies', root.proxies ?? []),
    dsse: truth(path, 'dsse', root.dsse ?? true),
    entryTypes: texts(path, 'entryTypes', root.entryTypes ?? []),
    limits: readLimits(path, root.limits ?? {}),
  };
}

/** The text of a new `log.yaml`. */
export function formatLogSettings(settings: LogSettings): string {
  const { limits, listen } = settings;
  const rate = (name: (typeof rateKeys)[number]): string => {
    const limit = limits[name];
    const example = `${name}: { perSecond: ${limit?.perSecond ?? 100}, burst: ${limit?.burst ?? 2000} }`;
    return limit === undefined ? `# ${example}` : example;
  };
  return `# A transparency log. The keys and entries beside this file belong to it. Changes count from the next start.
version: 1

# Fixed for ever: it is the origin of the log.
publicUrl: ${JSON.stringify(settings.publicUrl)}
created: ${settings.created.toISOString()}

# Where the server listens; behind a proxy this differs from the public URL.
listen: { host: ${JSON.stringify(listen.host)}, port: ${listen.port} }

# Proxies whose word on the address of a client is believed, as addresses or networks.
proxies: ${JSON.stringify(settings.proxies)}

# Tokens of 16 or more characters, with one of which the log is read. Without any, everybody may read it: it is public.
readTokens: ${JSON.stringify(settings.readTokens)}

# Whether the older kind of entry for envelopes is taken, which clients of sigstore-js still send.
dsse: ${settings.dsse}

# Modules of entry types that the v1 log takes beyond Rekor's: package names, or paths from this file on, as ./checksums.js.
entryTypes: ${JSON.stringify(settings.entryTypes)}

limits:
  # Largest request; an entry itself has at most 65,535 bytes.
  requestBytes: ${limits.requestBytes}
  # Requests that may wait to be verified; more are answered with 503.
  waiting: ${limits.waiting}
  # Longest attestation that the v1 log keeps and gives out with its entry, as Rekor can; 0 keeps none.
  attestationBytes: ${limits.attestationBytes}
  # How many requests or entries are taken from one of these, in the long run and at once; more are answered with 429.
  ${rateKeys.map(rate).join('\n  ')}
`;
}

/** @throws ERR_LOG_CONFIG */
export function parseLogUrl(value: unknown, path: string): string {
  const url = typeof value === 'string' ? URL.parse(value) : null;
  const whole = url !== null && (url.protocol === 'https:' || url.protocol === 'http:');
  if (!whole || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw bad(path, `publicUrl must be an http or https URL without query and fragment, not ${JSON.stringify(value)}`);
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

function readLimits(path: string, value: unknown): LogSettings['limits'] {
  const limits = mapping(path, 'limits', value, ['requestBytes', 'waiting', 'attestationBytes', ...rateKeys]);
  const rates: { [name in (typeof rateKeys)[number]]?: RateLimit } = {};
  for (const name of rateKeys) {
    if (limits[name] === undefined) continue;
    const rate = mapping(path, `limits.${name}`, limits[name], ['perSecond', 'burst']);
    const { perSecond } = rate;
    if (typeof perSecond !== 'number' || !Number.isFinite(perSecond) || perSecond <= 0) {
      throw bad(path, `limits.${name}.perSecond must be a number above 0`);
    }
    rates[name] = { perSecond, burst: wholeNumber(path, `limits.${name}.burst`, rate.burst, 1, 1e9) };
  }
  const number = (name: 'requestBytes' | 'waiting' | 'attestationBytes', least: number, most: number): number =>
    wholeNumber(path, `limits.${name}`, limits[name] ?? defaultLimits[name], least, most);
  return {
    requestBytes: number('requestBytes', 1024, 2 ** 28),
    waiting: number('waiting', 1, 1e6),
    attestationBytes: number('attestationBytes', 0, 2 ** 24),
    ...rates,
  };
}

function mapping(path: string, name: string, value: unknown, known: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw bad(path, `${name} must be a mapping of keys to values`);
  }
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined)
    throw bad(path, `${name} has the unknown key ${JSON.stringify(unknown)}; known are ${known.join(', ')}`);
  return value as Record<string, unknown>;
}

function wholeNumber(path: string, name: string, value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw bad(path, `${name} must be a whole number from ${least} to ${most}`);
}

function texts(path: string, name: string, value: unknown): string[] {
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value;
  throw bad(path, `${name} must be a list of texts`);
}

function truth(path: string, name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw bad(path, `${name} must be true or false`);
}

function date(path: string, value: unknown): Date {
  const found = value instanceof Date ? value : new Date(typeof value === 'string' ? value : Number.NaN);
  if (Number.isNaN(found.getTime())) throw bad(path, 'created must be a time (RFC 3339)');
  return found;
}

function bad(path: string, message: string, cause?: unknown): SignetError {
  return new SignetError('ERR_LOG_CONFIG', `${path}: ${message}`, cause === undefined ? {} : { cause });
}
