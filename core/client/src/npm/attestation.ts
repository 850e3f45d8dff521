import {
  type Bundle,
  inert,
  parseBundle,
  SignetError,
  type Statement,
  type TimeRange,
  type TlogPolicy,
  toHex,
} from '@signet/primitives/formats';
import { JsonReader, own, parseIntegrity, toPurl } from '../npm/lockfile/index.ts';
import type { AttestationFacts, InvalidEvidence } from '../policy/index.ts';
import type { TrustMaterial } from '../trust/index.ts';
import { decidedByPolicy, type VerificationResult, type VerifiedBundle, verifyBundle } from '../verify/index.ts';
import { checkProvenance } from './provenance.ts';
import { attestationKey, type RegistryKey } from './registry-keys.ts';

/** A package version, the bytes it must have, and what may vouch for it. */
export interface PackageSubject {
  readonly name: string;
  readonly version: string;
  /** Exactly one `sha512-…`: the lockfile's, or that of the tarball at hand. */
  readonly integrity: string;
  readonly trust: TrustMaterial;
  /** Keys of the registry, for attestations that it signs itself; without them such attestations are refused. */
  readonly registryKeys?: readonly RegistryKey[];
  /** Keys of publishers that the policy names; a bundle without certificate and without registry key must verify under one. */
  readonly publisherKeys?: readonly PublisherKey[];
  /** What verifying said of bundles (the same objects) under the same trust and witnesses, where that was done before. */
  readonly verifiedAhead?: ReadonlyMap<unknown, VerificationResult>;
  /** Witnesses that must have cosigned. */
  readonly witnesses?: TlogPolicy;
}

/** A key of a publisher. */
export interface PublisherKey {
  readonly publisher: string;
  /** DER of SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly validFor?: TimeRange;
}

/** A statement that was verified and is about exactly this package version and these bytes. */
export interface VerifiedAttestation extends AttestationFacts {
  readonly statement: Statement;
  readonly verified: VerifiedBundle;
  /** The bundle as it was given, for keeping it. */
  readonly bundle: unknown;
  /** The publisher under whose key it verifies, where a key signed it. */
  readonly publisher?: string;
}

/** npm's own statement that it accepted a version (npm/attestation, specs/publish/v0.1). */
export const publishAttestationType = 'https://github.com/npm/attestation/tree/main/specs/publish/v0.1';

/**
 * Verifies a bundle as evidence about a package version: the bundle itself, then that its statement has one subject only, whose purl and
 * sha512 are the package's, and that what it says of its source is what its certificate says.
 *
 * Who signed is not judged: the caller runs a policy on the result.
 *
 * @param bundle a Sigstore bundle: JSON text, bytes or value
 * @throws ERR_ATTESTATION_SUBJECT, ERR_ATTESTATION_DOCUMENT, ERR_PROVENANCE_MISMATCH, ERR_REGISTRY_KEY, ERR_PACKAGE_NAME,
 * ERR_INTEGRITY_FORMAT, and what `verifyBundle` throws
 */
export function verifyPackageBundle(bundle: unknown, subject: PackageSubject): VerifiedAttestation {
  const purl = toPurl(subject.name, subject.version);
  const sha512 = toHex(parseIntegrity(subject.integrity));
  const parsed = parseBundle(bundle);
  const { verified, publisher } = resultAhead(bundle, subject) ?? verifyUnderKeys(parsed, subject);
  const { statement } = verified;
  if (statement === undefined) {
    throw new SignetError(
      'ERR_ATTESTATION_SUBJECT',
      'the bundle signs bytes and names no package; evidence about a package is a statement',
      {
        expected: 'an in-toto statement',
        found: 'a message signature',
      },
    );
  }
  checkSubject(statement, purl, sha512);
  const { predicateType, predicate } = statement;
  if (predicateType === publishAttestationType) checkPublishPredicate(statement, subject);
  if (verified.signer.kind === 'certificate') checkProvenance(predicateType, predicate, verified.signer.claims);
  return { predicateType, predicate, statement, verified, bundle, ...(publisher === undefined ? {} : { publisher }) };
}

function resultAhead(
  bundle: unknown,
  { verifiedAhead, registryKeys }: PackageSubject,
): { readonly verified: VerifiedBundle; readonly publisher?: undefined } | undefined {
  const result = verifiedAhead?.get(bundle);
  if (result === undefined) return undefined;
  if (!result.ok) throw result.error;
  // What is wrong with hints of keys is not a matter of signatures.
  signingKey(parseBundle(bundle), registryKeys);
  return { verified: result.verified };
}

function verifyUnderKeys(
  bundle: Bundle,
  { trust, registryKeys, publisherKeys = [], witnesses }: PackageSubject,
): { readonly verified: VerifiedBundle; readonly publisher?: string } {
  const common = { trust, identities: decidedByPolicy, ...(witnesses === undefined ? {} : { witnesses }) } as const;
  const { key } = bundle;
  const isRegistrys = key.kind === 'publicKey' && registryKeys?.some(({ keyId }) => keyId === key.hint) === true;
  if (key.kind !== 'publicKey' || isRegistrys || publisherKeys.length === 0) {
    return { verified: verifyBundle(bundle, { ...common, ...signingKey(bundle, registryKeys) }) };
  }
  let refusal: unknown;
  for (const { publisher, publicKey, validFor } of publisherKeys) {
    try {
      const expected = { publicKey, ...(validFor === undefined ? {} : { validFor }) };
      return { verified: verifyBundle(bundle, { ...common, key: expected }), publisher };
    } catch (error) {
      if (!(error instanceof SignetError)) throw error;
      refusal ??= error;
    }
  }
  throw refusal;
}

/**
 * The key that a bundle without a certificate names. The envelope's own hint must not name another, and in an envelope that a
 * certificate signed there is none: two readers that follow different hints would verify different signers.
 */
function signingKey(
  bundle: Bundle,
  registryKeys: readonly RegistryKey[] | undefined,
): Partial<Pick<Parameters<typeof verifyBundle>[1], 'key'>> {
  const hint = bundle.key.kind === 'publicKey' ? bundle.key.hint : '';
  const keyIds = bundle.content.kind === 'dsse' ? bundle.content.envelope.signatures.map(({ keyid }) => keyid) : [];
  const other = keyIds.find((keyId) => keyId !== '' && keyId !== hint);
  if (other !== undefined) {
    throw new SignetError('ERR_ATTESTATION_DOCUMENT', 'the envelope names another key than the bundle', {
      expected: hint === '' ? 'no key id, because a certificate signed it' : hint,
      found: other.slice(0, 100),
    });
  }
  if (bundle.key.kind !== 'publicKey') return {};
  const { publicKey, keyDetails, validFor } = attestationKey(registryKeys ?? [], hint);
  return { key: { publicKey, validFor, ...(keyDetails === undefined ? {} : { keyDetails }) } };
}

function checkSubject(statement: Statement, purl: string, sha512: string): void {
  const [subject, second] = statement.subject;
  if (subject === undefined || second !== undefined) {
    throw new SignetError('ERR_ATTESTATION_SUBJECT', `the statement has ${statement.subject.length} subjects`, {
      expected: 'exactly one subject',
      found: String(statement.subject.length),
    });
  }
  if (subject.name !== purl) {
    throw new SignetError('ERR_ATTESTATION_SUBJECT', 'the statement is about another package or version', {
      expected: purl,
      found: inert(subject.name, { limit: 300 }),
    });
  }
  const found = Object.hasOwn(subject.digest, 'sha512') ? subject.digest.sha512 : undefined;
  if (found?.toLowerCase() !== sha512) {
    throw new SignetError('ERR_ATTESTATION_SUBJECT', 'the statement is about other bytes', {
      expected: `sha512 ${sha512}`,
      found: found === undefined ? 'no sha512' : `sha512 ${inert(found, { limit: 140 })}`,
    });
  }
}

function checkPublishPredicate({ predicate }: Statement, { name, version }: PackageSubject): void {
  if (own(predicate, 'name') !== name || own(predicate, 'version') !== version) {
    throw new SignetError(
      'ERR_ATTESTATION_SUBJECT',
      'the publish attestation is about another package or version than its subject',
      {
        expected: `${name}@${version}`,
        found: inert(`${String(own(predicate, 'name'))}@${String(own(predicate, 'version'))}`, { limit: 300 }),
      },
    );
  }
}

/** All that an attestation document holds, judged. */
export interface ExaminedDocument {
  readonly attestations: readonly VerifiedAttestation[];
  readonly invalid: readonly InvalidEvidence[];
  /** Attestations by the registry itself that could not be judged for want of its keys. They count for nothing. */
  readonly unjudged: number;
}

const reader: JsonReader = new JsonReader('ERR_ATTESTATION_DOCUMENT', 'attestation document');
const maxAttestations = 64;

/**
 * Verifies every attestation of a document as npm registries serve it, `{attestations: [{predicateType, bundle}]}`. An empty list
 * is no evidence.
 *
 * Without `registryKeys` the registry's own attestations are left out; with them they must verify like all others.
 *
 * @param document parsed JSON
 * @throws ERR_ATTESTATION_DOCUMENT when it is not such a document; what is wrong with one attestation is told in `invalid`
 */
export function examineAttestationDocument(document: unknown, subject: PackageSubject): ExaminedDocument {
  const list = reader.array(own(reader.object(document, 'the document'), 'attestations'), 'attestations');
  if (list.length > maxAttestations)
    reader.fail(`it has ${list.length} attestations`, { expected: `at most ${maxAttestations}` });
  return examineEach(list, subject, (element, index) => {
    const entry = reader.object(element, `attestations[${index}]`);
    const label = reader.string(own(entry, 'predicateType'), `attestations[${index}].predicateType`);
    return { label, bundle: own(entry, 'bundle') };
  });
}

/**
 * Verifies bundles about a package version that come without labels, as from a file. Otherwise like
 * {@link examineAttestationDocument}.
 */
export function examineBundles(bundles: readonly unknown[], subject: PackageSubject): ExaminedDocument {
  return examineEach(bundles, subject, (bundle) => ({ bundle }));
}

interface Labelled {
  readonly bundle: unknown;
  /** The type of predicate that somebody says it has. */
  readonly label?: string;
}

function examineEach(
  elements: readonly unknown[],
  subject: PackageSubject,
  read: (element: unknown, index: number) => Labelled,
): ExaminedDocument {
  const attestations: VerifiedAttestation[] = [];
  const invalid: InvalidEvidence[] = [];
  let unjudged = 0;
  for (const [index, element] of elements.entries()) {
    let label: string | undefined;
    try {
      const entry = read(element, index);
      label = entry.label;
      const { key } = parseBundle(entry.bundle);
      if (key.kind === 'publicKey' && subject.registryKeys === undefined && !subject.publisherKeys?.length) {
        unjudged += 1;
        continue;
      }
      const attestation = verifyPackageBundle(entry.bundle, subject);
      if (label !== undefined) checkLabel(attestation, label);
      attestations.push(attestation);
    } catch (error) {
      if (!(error instanceof SignetError)) throw error;
      invalid.push({ ...(label === undefined ? {} : { predicateType: label }), error });
    }
  }
  return { attestations, invalid, unjudged };
}

/** Registries and npm choose by the label, which is not signed; it must be what was signed. */
function checkLabel({ predicateType }: VerifiedAttestation, label: string): void {
  if (predicateType === label) return;
  reader.fail('an attestation is labelled with another type than the one that was signed', {
    expected: inert(predicateType, { limit: 300 }),
    found: inert(label, { limit: 300 }),
  });
}

/**
 * Verifies an attestation document of which everything must hold.
 *
 * @returns the attestations; none for an empty list
 * @throws what is wrong with the first that does not verify; see {@link verifyPackageBundle}
 */
export function verifyAttestationDocument(document: unknown, subject: PackageSubject): readonly VerifiedAttestation[] {
  const { attestations, invalid } = examineAttestationDocument(document, {
    ...subject,
    registryKeys: subject.registryKeys ?? [],
  });
  const [first] = invalid;
  if (first !== undefined) throw first.error;
  return attestations;
}
