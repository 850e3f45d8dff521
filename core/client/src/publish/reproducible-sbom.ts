import { createHash } from 'node:crypto';
import { inert, SignetError } from '@signet/primitives/formats';
import { isObject, type JsonObject } from '../http/index.ts';

/** The formats that `npm sbom` writes. */
export type SbomFormat = 'cyclonedx' | 'spdx';

/** The types of predicates that cosign gives to them. */
export const sbomPredicateTypes: Readonly<Record<SbomFormat, string>> = {
  cyclonedx: 'https://cyclonedx.org/bom',
  spdx: 'https://spdx.dev/Document',
};

/** What a bill of materials is about. */
export interface SbomSubject {
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly tarball: Uint8Array;
  /** `SOURCE_DATE_EPOCH` (seconds since 1970) becomes its date. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * A bill of materials without what changes from run to run: npm draws a random serial number and takes the time of the run. Here
 * the number is derived from package and bytes, and the time is `SOURCE_DATE_EPOCH` or, where a format may do without, none.
 *
 * @param document what `npm sbom` printed
 * @throws ERR_PACK_FAILED when it is of another format, or about another package
 */
export function reproducibleSbom(format: SbomFormat, document: JsonObject, subject: SbomSubject): JsonObject {
  const { name, version, purl, tarball, env } = subject;
  const uuid = derivedUuid(`${purl} ${createHash('sha512').update(tarball).digest('hex')}`);
  const date = sourceDate(env.SOURCE_DATE_EPOCH);
  return format === 'cyclonedx'
    ? cyclonedx(document, { name, purl, uuid, date })
    : spdx(document, { name, version, purl, uuid, date });
}

interface Fixed {
  readonly name: string;
  readonly purl: string;
  readonly uuid: string;
  readonly date: Date | undefined;
}

function cyclonedx(document: JsonObject, { name, purl, uuid, date }: Fixed): JsonObject {
  const { metadata, components } = document;
  if (document.bomFormat !== 'CycloneDX' || !isObject(metadata) || !isObject(metadata.component)) {
    throw notA('cyclonedx');
  }
  const others = Array.isArray(components) ? components.filter(isObject) : [];
  // Of a workspace npm tells beside the repository's root.
  const component = [metadata.component, ...others].find((one) => one.purl === purl);
  if (component === undefined) throw other(purl, metadata.component.purl);
  const { timestamp: _timestamp, ...kept } = metadata;
  return {
    ...document,
    serialNumber: `urn:uuid:${uuid}`,
    metadata: {
      ...(date === undefined ? {} : { timestamp: date.toISOString() }),
      ...kept,
      // npm calls the root by the name of its folder, which is this machine's.
      component: { ...component, name },
    },
    components: others.filter((one) => one !== component),
  };
}

function spdx(
  document: JsonObject,
  { name, version, purl, uuid, date }: Fixed & { readonly version: string },
): JsonObject {
  const { creationInfo, packages } = document;
  const listed = Array.isArray(packages) ? packages.filter(isObject) : [];
  const [first] = listed;
  if (typeof document.spdxVersion !== 'string' || !isObject(creationInfo) || first === undefined) throw notA('spdx');
  const described = listed.find((one) => one.name === name && one.versionInfo === version);
  if (described === undefined) throw other(purl, first.name);
  // SPDX demands a date; without one that is known it is the beginning of time, which claims nothing.
  const created = (date ?? new Date(0)).toISOString().replace(/\.\d+Z$/, 'Z');
  return {
    ...document,
    name: `${name}@${version}`,
    documentNamespace: `urn:uuid:${uuid}`,
    creationInfo: { ...creationInfo, created },
    documentDescribes: [described.SPDXID],
  };
}

function sourceDate(text: string | undefined): Date | undefined {
  if (text === undefined || text === '') return undefined;
  const date = new Date(Number(text) * 1000);
  if (/^\d{1,12}$/.test(text) && !Number.isNaN(date.getTime())) return date;
  throw new SignetError('ERR_CONFIGURATION', 'SOURCE_DATE_EPOCH is not a number of seconds', { found: inert(text) });
}

function other(purl: string, found: unknown): SignetError {
  return new SignetError('ERR_PACK_FAILED', 'npm sbom tells of another package than the one that is published', {
    expected: purl,
    found: inert(String(found), { limit: 300 }),
  });
}

function notA(format: SbomFormat): SignetError {
  return new SignetError('ERR_PACK_FAILED', `npm sbom printed no ${format} document`);
}

/** A UUID of version 8 (RFC 9562 §5.8) out of a digest: the same package has the same, and no other has it. */
function derivedUuid(text: string): string {
  const bytes = createHash('sha256').update(text).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
