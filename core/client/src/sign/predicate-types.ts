import { inert, SignetError } from '@signet/primitives/formats';

/** Short names of predicate types, with the types that cosign gives to them (`cosign attest-blob --type`). */
export const predicateTypes: Readonly<Record<string, string>> = {
  slsaprovenance: 'https://slsa.dev/provenance/v0.2',
  slsaprovenance02: 'https://slsa.dev/provenance/v0.2',
  slsaprovenance1: 'https://slsa.dev/provenance/v1',
  spdx: 'https://spdx.dev/Document',
  spdxjson: 'https://spdx.dev/Document',
  cyclonedx: 'https://cyclonedx.org/bom',
  link: 'https://in-toto.io/Link/v1',
  vuln: 'https://cosign.sigstore.dev/attestation/vuln/v1',
  openvex: 'https://openvex.dev/ns',
  custom: 'https://cosign.sigstore.dev/attestation/v1',
};

/**
 * The predicate type for a short name or a URI.
 *
 * @throws ERR_USAGE
 */
export function predicateTypeOf(name: string): string {
  const known = Object.hasOwn(predicateTypes, name) ? predicateTypes[name] : undefined;
  if (known !== undefined) return known;
  // Types are URIs (in-toto attestation, field predicateType); a bare word is a slip.
  if (/^[a-z][a-z0-9+.-]*:[^\s]+$/i.test(name) && name.length <= 2048) return name;
  throw new SignetError('ERR_USAGE', `${inert(name)} is no type of predicate`, {
    expected: `${Object.keys(predicateTypes).join(', ')}, or any URI`,
    found: inert(name),
  });
}

/** What each type of predicate must at least be, so that a wrong file is not signed as one. */
const marks: Readonly<Record<string, (predicate: Readonly<Record<string, unknown>>) => boolean>> = {
  'https://slsa.dev/provenance/v0.2': ({ builder, buildType }) => isRecord(builder) && typeof buildType === 'string',
  // What SLSA marks REQUIRED.
  'https://slsa.dev/provenance/v1': ({ buildDefinition, runDetails }) =>
    isRecord(buildDefinition) &&
    typeof buildDefinition.buildType === 'string' &&
    isRecord(buildDefinition.externalParameters) &&
    isRecord(runDetails) &&
    isRecord(runDetails.builder) &&
    typeof runDetails.builder.id === 'string',
  'https://spdx.dev/Document': ({ spdxVersion, '@context': context }) =>
    typeof spdxVersion === 'string' || context !== undefined,
  'https://cyclonedx.org/bom': ({ bomFormat, specVersion }) =>
    bomFormat === 'CycloneDX' && typeof specVersion === 'string',
  'https://in-toto.io/Link/v1': ({ name, command, materials }) =>
    typeof name === 'string' || Array.isArray(command) || materials !== undefined,
  'https://cosign.sigstore.dev/attestation/vuln/v1': ({ scanner, metadata }) => isRecord(scanner) && isRecord(metadata),
  'https://openvex.dev/ns': ({ statements, '@context': context }) =>
    Array.isArray(statements) && String(context).startsWith('https://openvex.dev/ns'),
};

/**
 * Demands that a predicate looks like its type.
 *
 * @throws ERR_USAGE
 */
export function assertPredicate(predicateType: string, predicate: Readonly<Record<string, unknown>>): void {
  const mark = Object.hasOwn(marks, predicateType) ? marks[predicateType] : undefined;
  if (mark === undefined || mark(predicate)) return;
  throw new SignetError('ERR_USAGE', `the predicate is no ${predicateType}; nothing was signed`, {
    expected: predicateType,
    found: `an object with ${
      Object.keys(predicate)
        .slice(0, 8)
        .map((key) => inert(key))
        .join(', ') || 'nothing'
    }`,
  });
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
