import { SignetError } from './errors.ts';
import { type JsonObject, JsonReader, parseJson } from './json.ts';
import { isWithin, type TimeRange, timeRangeToJson } from './trusted-root.ts';

/** One instance of a service that a signer may use. */
export interface SigningService {
  readonly url: string;
  readonly majorApiVersion: number;
  readonly validFor: TimeRange;
  readonly operator: string;
}

/** How many services of a kind a signer uses. */
export interface ServiceSelection {
  readonly selector: 'ALL' | 'ANY' | 'EXACT';
  /** Only with EXACT. */
  readonly count?: number;
}

/** Sigstore's SigningConfig v0.2 (sigstore_trustroot.proto). */
export interface SigningConfig {
  readonly caUrls: readonly SigningService[];
  readonly oidcUrls: readonly SigningService[];
  readonly rekorTlogUrls: readonly SigningService[];
  readonly rekorTlogConfig: ServiceSelection;
  readonly tsaUrls: readonly SigningService[];
  readonly tsaConfig: ServiceSelection;
}

export const signingConfigMediaType = 'application/vnd.dev.sigstore.signingconfig.v0.2+json';

const reader = new JsonReader('ERR_SIGNING_CONFIG_FORMAT');
const configFields = new Set([
  'mediaType',
  'caUrls',
  'oidcUrls',
  'rekorTlogUrls',
  'rekorTlogConfig',
  'tsaUrls',
  'tsaConfig',
]);
const serviceFields = new Set(['url', 'majorApiVersion', 'validFor', 'operator']);
const rangeFields = new Set(['start', 'end']);
const selectionFields = new Set(['selector', 'count']);

/**
 * Reads a signing config.
 *
 * @param input JSON text, its UTF-8 bytes, or the value parsed from it
 * @throws ERR_SIGNING_CONFIG_FORMAT, ERR_JSON, ERR_INPUT_TOO_LARGE
 */
export function parseSigningConfig(input: unknown): SigningConfig {
  const value =
    typeof input === 'string' || input instanceof Uint8Array
      ? parseJson(input, 'signing config', { maxKeys: 20_000 })
      : input;
  const config = reader.object(value, 'signing config', configFields);
  const mediaType = reader.required(config, 'mediaType', 'signing config');
  reader.name(mediaType, 'signing config.mediaType', [signingConfigMediaType]);
  return {
    caUrls: readServices(config, 'caUrls'),
    oidcUrls: readServices(config, 'oidcUrls'),
    rekorTlogUrls: readServices(config, 'rekorTlogUrls'),
    rekorTlogConfig: readSelection(config, 'rekorTlogConfig'),
    tsaUrls: readServices(config, 'tsaUrls'),
    tsaConfig: readSelection(config, 'tsaConfig'),
  };
}

function readServices(config: JsonObject, key: string): SigningService[] {
  return reader.list(config, key, 'signing config', 256).map((element, index) => {
    const path = `signing config.${key}[${index}]`;
    const object = reader.object(element, path, serviceFields);
    const range = reader.field(object, 'validFor', path, rangeFields);
    const start = reader.timestamp(reader.required(range, 'start', `${path}.validFor`), `${path}.validFor.start`);
    const end = reader.optional(range, 'end');
    return {
      url: readUrl(reader.string(object, 'url', path), `${path}.url`),
      majorApiVersion: readCount(object, 'majorApiVersion', path),
      validFor: end === undefined ? { start } : { start, end: reader.timestamp(end, `${path}.validFor.end`) },
      operator: reader.optionalString(object, 'operator', path) ?? '',
    };
  });
}

function readUrl(text: string, path: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:') throw reader.error(path, 'an http or https URL', text);
  return text;
}

function readCount(object: JsonObject, key: string, path: string): number {
  const value = reader.optional(object, key) ?? 0;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 1000) {
    throw reader.error(`${path}.${key}`, 'an integer from 0 to 1000', value);
  }
  return value;
}

function readSelection(config: JsonObject, key: string): ServiceSelection {
  const path = `signing config.${key}`;
  const object = reader.optionalField(config, key, 'signing config', selectionFields);
  if (object === undefined) return { selector: 'ANY' };
  const names = ['ALL', 'ANY', 'EXACT'] as const;
  const selector = reader.name(reader.required(object, 'selector', path), `${path}.selector`, names);
  if (selector !== 'EXACT') return { selector };
  const count = readCount(object, 'count', path);
  if (count === 0) throw reader.error(`${path}.count`, 'at least 1 with EXACT', count);
  return { selector, count };
}

/** The config's JSON value. */
export function signingConfigToJson(config: SigningConfig): Record<string, unknown> {
  const services = (list: readonly SigningService[]) =>
    list.map((service) => ({ ...service, validFor: timeRangeToJson(service.validFor) }));
  return {
    mediaType: signingConfigMediaType,
    caUrls: services(config.caUrls),
    oidcUrls: services(config.oidcUrls),
    rekorTlogUrls: services(config.rekorTlogUrls),
    rekorTlogConfig: config.rekorTlogConfig,
    tsaUrls: services(config.tsaUrls),
    tsaConfig: config.tsaConfig,
  };
}

/**
 * Chooses services as the comments of `Service` in sigstore_trustroot.proto demand: valid at `now`, of the highest API
 * version among `supportedVersions`, newest start first, at most one for each operator.
 *
 * @param what names the kind of service in errors
 * @param supportedVersions major API versions that the caller speaks
 * @throws ERR_SERVICE_UNAVAILABLE when there are fewer than the selection asks for
 */
export function selectServices(
  services: readonly SigningService[],
  selection: ServiceSelection,
  options: { readonly what: string; readonly supportedVersions: readonly number[]; readonly now?: Date },
): readonly SigningService[] {
  const { what, supportedVersions, now = new Date() } = options;
  const valid = services.filter(
    (service) => supportedVersions.includes(service.majorApiVersion) && isWithin(service.validFor, now),
  );
  const version = Math.max(...valid.map((service) => service.majorApiVersion));
  const byOperator = new Map<string, SigningService>();
  for (const service of valid.filter((candidate) => candidate.majorApiVersion === version).sort(newestFirst)) {
    if (!byOperator.has(service.operator)) byOperator.set(service.operator, service);
  }
  const candidates = [...byOperator.values()];
  const wanted = selection.selector === 'EXACT' ? (selection.count ?? 1) : 1;
  if (candidates.length < wanted) {
    const versions = supportedVersions.join(' or ');
    throw new SignetError(
      'ERR_SERVICE_UNAVAILABLE',
      `the signing config names ${candidates.length} usable ${what}, ${wanted} needed (API version ${versions}, valid now)`,
      { expected: String(wanted), found: String(candidates.length) },
    );
  }
  return selection.selector === 'ALL' ? candidates : candidates.slice(0, wanted);
}

function newestFirst(a: SigningService, b: SigningService): number {
  return b.validFor.start.getTime() - a.validFor.start.getTime();
}
