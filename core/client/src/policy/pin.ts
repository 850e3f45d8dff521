import { provenanceTypes } from './check-requirement.ts';
import { type AttestationFacts, type SignerFacts, signedBy } from './facts.ts';
import type { EvidenceLevel, Pin, PinnedIdentity } from './trust-lock.ts';

/** How well attestations prove a release. */
export function levelOf(attestations: readonly AttestationFacts[]): EvidenceLevel {
  if (attestations.some(isProvenance)) return 'provenance';
  return attestations.length > 0 ? 'signature' : 'none';
}

/** Those that make up the level: the provenance where there is some, so that a later scan does not count as a publisher. */
export function decisive(attestations: readonly AttestationFacts[]): readonly AttestationFacts[] {
  const provenance = attestations.filter(isProvenance);
  return provenance.length > 0 ? provenance : attestations;
}

function isProvenance({ predicateType }: AttestationFacts): boolean {
  return provenanceTypes.includes(predicateType);
}

/** What is worth remembering of a signer: the numbers that cannot be registered again, and what people know it by. */
export function identityOf(signer: SignerFacts): PinnedIdentity {
  if (signer.kind === 'key') return signer.hint === undefined ? {} : { subject: `key ${signer.hint}` };
  const { claims, issuer, subject } = signer;
  const { sourceRepositoryUri, sourceRepositoryIdentifier, sourceRepositoryOwnerIdentifier, buildConfigUri } = claims;
  const workflow =
    buildConfigUri !== undefined &&
    sourceRepositoryUri !== undefined &&
    buildConfigUri.startsWith(`${sourceRepositoryUri}/`)
      ? buildConfigUri.slice(sourceRepositoryUri.length + 1).replace(/@refs\/.*$/s, '')
      : undefined;
  return {
    issuer,
    // A workflow's subject ends in the ref, which changes with each release; its parts stand below.
    ...(sourceRepositoryUri === undefined ? { subject: subject.value } : { repository: sourceRepositoryUri }),
    ...(sourceRepositoryIdentifier === undefined ? {} : { repositoryId: sourceRepositoryIdentifier }),
    ...(sourceRepositoryOwnerIdentifier === undefined ? {} : { ownerId: sourceRepositoryOwnerIdentifier }),
    ...(workflow === undefined ? {} : { workflow }),
  };
}

/** A pin of what was verified; undefined when there is nothing to pin. */
export function pinOf(version: string, attestations: readonly AttestationFacts[]): Pin | undefined {
  const [first] = decisive(attestations);
  if (first === undefined) return undefined;
  const time = signedBy(first.verified);
  return {
    level: levelOf(attestations),
    identity: identityOf(first.verified.signer),
    since: { version, ...(time === undefined ? {} : { time: time.toISOString() }) },
  };
}
