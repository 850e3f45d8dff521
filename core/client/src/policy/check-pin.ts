import type { Problem } from './check-requirement.ts';
import { type AttestationFacts, describeBundle, type PackageFacts } from './facts.ts';
import { decisive, identityOf, levelOf, pinOf } from './pin.ts';
import type { PinPolicy } from './policy.ts';
import { evidenceLevels, type Pin, type PinnedIdentity, type TrustLock, versionSet } from './trust-lock.ts';
import type { Violation } from './violation.ts';

/** Pins, and whether new ones may be made. */
export interface PinContext {
  readonly lock: TrustLock;
  /** In CI: what is not pinned is not trusted at first sight by a machine that nobody watches. */
  readonly frozen: boolean;
}

/** What comes of comparing a package with its pin. */
export interface PinResult {
  readonly problems: readonly (Problem & Pick<Violation, 'severity'>)[];
  /** The pin to keep from now on: a first one, or one at a higher level. */
  readonly pin?: Pin;
}

/**
 * Compares what was verified about a package with what was verified before (trust on first use).
 *
 * A release that is less well proven than the package was, counts as a downgrade if it was published after pins began to be kept:
 * axios 1.14.1 and 0.30.4 came out of a hijacked account, without provenance, after releases with it, one of them on a line that
 * never had any. Older releases of lines that nobody proves are no downgrade, such as semver 6.3.1. The time of an unproven
 * release is the registry's word alone; so a release that claims to be old must have been listed when the pin was made.
 */
export function checkPin(
  { tofu, downgrade, enforceSince }: PinPolicy,
  { lock, frozen }: PinContext,
  facts: PackageFacts,
  accepted: readonly AttestationFacts[],
): PinResult {
  const pin = lock.packages.get(facts.name);
  const found = levelOf(accepted);
  if (pin === undefined) {
    const fresh = tofu === undefined ? undefined : pinOf(facts.version, accepted);
    if (fresh === undefined) return { problems: [] };
    if (!frozen) return { problems: [], pin: fresh };
    return {
      problems: [
        {
          code: 'TP203',
          severity: 'error',
          message: 'the package is not in the trust lock, and new pins are not made here',
          expected: 'a pin in trust-lock.json',
          found: describeIdentity(fresh.identity),
          next: 'run signet ci on your own machine, look at the new pin and commit trust-lock.json',
        },
      ],
    };
  }
  if (evidenceLevels.indexOf(found) < evidenceLevels.indexOf(pin.level)) {
    return { problems: downgrade === 'allow' ? [] : checkDowngrade(pin, lock, enforceSince, facts, found, downgrade) };
  }
  const changed = tofu === undefined ? undefined : closestChange(tofu.pin, pin.identity, decisive(accepted));
  if (tofu !== undefined && changed !== undefined && changed.fields.length > 0) {
    return {
      problems: [
        {
          code: 'TP202',
          severity: tofu.onChange === 'warn' ? 'warning' : 'error',
          message: `the publisher changed since ${pin.since.version}`,
          expected: changed.fields.map((field) => `${field} ${pin.identity[field] ?? 'none'}`).join(', '),
          found: changed.fields.map((field) => `${field} ${changed.identity[field] ?? 'none'}`).join(', '),
          evidence: describeBundle(changed.attestation.verified),
          next: `if you know why, run signet trust accept ${facts.name} --reason …; else stay with ${pin.since.version}`,
        },
      ],
    };
  }
  // A package that is proven better from now on is held to that.
  if (found === pin.level || tofu === undefined || frozen) return { problems: [] };
  const raised = pinOf(facts.version, accepted);
  return raised === undefined
    ? { problems: [] }
    : { problems: [], pin: { ...raised, ...(pin.accepted === undefined ? {} : { accepted: pin.accepted }) } };
}

function checkDowngrade(
  pin: Pin,
  lock: TrustLock,
  enforceSince: Date | undefined,
  { name, version, release }: PackageFacts,
  found: string,
  mode: 'error' | 'warn',
): PinResult['problems'] {
  const severity = mode === 'warn' ? 'warning' : 'error';
  const created = new Date(lock.created);
  const since = enforceSince ?? created;
  const published = release?.published;
  // The very version that was pinned had its evidence then, however old it is.
  if (published !== undefined && published < since && version !== pin.since.version) {
    const { versions } = pin;
    const listed = release?.versions ?? [];
    const before = listed.filter(({ published: time }) => time <= created).map((one) => one.version);
    // Nothing can be said where none were recorded; the registry's word then stands alone.
    if (versions === undefined || versionSet(before).sha256 === versions.sha256) return [];
    return [
      {
        code: 'TP204',
        severity,
        message: `the release claims to be of ${published.toISOString().slice(0, 10)}, but the versions of that time were others`,
        expected: `the ${versions.count} versions that were listed when the pin was made`,
        found: `${before.length} versions`,
        next: `do not install it; if versions were only removed, run signet trust accept ${name} --reason …`,
      },
    ];
  }
  return [
    {
      code: 'TP201',
      severity,
      message: `the evidence dropped from ${pin.level} to ${found}: possibly somebody took over the account`,
      expected: `${pin.level}, as ${pin.since.version} had it by ${describeIdentity(pin.identity)}`,
      found: published === undefined ? found : `${found}, published ${published.toISOString().slice(0, 10)}`,
      next: `stay with ${pin.since.version}, and ask the publishers whether ${version} is theirs; if it is, run signet trust accept ${name} --reason …`,
    },
  ];
}

interface Change {
  readonly fields: readonly (keyof PinnedIdentity)[];
  readonly identity: PinnedIdentity;
  readonly attestation: AttestationFacts;
}

/** The pinned fields in which the signer differs who differs least. */
function closestChange(
  fields: readonly (keyof PinnedIdentity)[],
  pinned: PinnedIdentity,
  attestations: readonly AttestationFacts[],
): Change | undefined {
  const changes = attestations.map((attestation): Change => {
    const identity = identityOf(attestation.verified.signer);
    // Who has no repository is known by the subject alone.
    const compared = pinned.repositoryId === undefined ? [...fields, 'subject' as const] : fields;
    return {
      attestation,
      identity,
      fields: [...new Set(compared)].filter((field) => pinned[field] !== identity[field]),
    };
  });
  return changes.sort((a, b) => a.fields.length - b.fields.length)[0];
}

/** An identity in one line. Foreign strings, to be made inert where they are shown. */
export function describeIdentity({
  issuer,
  subject,
  repository,
  repositoryId,
  ownerId,
  workflow,
}: PinnedIdentity): string {
  const parts = [
    subject ?? repository,
    workflow,
    repositoryId === undefined ? undefined : `repository ${repositoryId}`,
    ownerId === undefined ? undefined : `owner ${ownerId}`,
    issuer === undefined ? undefined : `issuer ${issuer}`,
  ];
  return parts.filter((part) => part !== undefined).join(', ') || 'nobody';
}
