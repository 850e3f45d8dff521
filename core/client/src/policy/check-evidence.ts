import {
  type AttestationFacts,
  describeBundle,
  describeSigner,
  type InvalidEvidence,
  type PackageFacts,
} from './facts.ts';
import type { Distrust, Policy, TrustRootReference } from './policy.ts';
import type { Violation, ViolationCode } from './violation.ts';

/**
 * What always holds, whatever the rules say: nothing present may be invalid, only the name's owner vouches for it and only for its
 * issuers, and nothing distrusted counts.
 *
 * @param evidenceNeeded whether some rule asks for evidence, so that somebody must be able to vouch for it
 * @returns the attestations that rules may rely on, what is wrong with the others, and the types that these were labelled with
 */
export function checkEvidence(
  policy: Policy,
  owners: readonly TrustRootReference[],
  facts: PackageFacts,
  evidenceNeeded: boolean,
): {
  accepted: readonly AttestationFacts[];
  refused: readonly (string | undefined)[];
  violations: Violation[];
} {
  const subject = `${facts.name}@${facts.version}`;
  const violations = (facts.invalid ?? []).map((invalid) => invalidEvidence(invalid, subject, owners));
  const unproven = (facts.invalid ?? []).map(typeOf);
  const always = { severity: 'error', package: subject } as const;
  const [owner, second] = owners;
  if (second !== undefined || (owner === undefined && (evidenceNeeded || facts.attestations.length > 0))) {
    violations.push({
      ...always,
      code: 'TP120',
      message: second === undefined ? 'no trust root owns the name' : 'several trust roots own the name',
      expected: 'one trust root whose packages name it, or one without packages',
      found: owners.map(({ name }) => name).join(', ') || 'none',
      next: `correct trustRoots in ${policy.path}`,
    });
    // Whatever there may be, nobody can say what it is worth.
    return { accepted: [], refused: [undefined], violations };
  }
  const banned = distrustedBytes(policy.distrust, facts.integrity);
  if (banned !== undefined) {
    violations.push({
      ...always,
      code: 'TP150',
      message: `these bytes are distrusted: ${banned.reason}`,
      ...(facts.integrity === undefined ? {} : { found: facts.integrity }),
      next: 'choose another version',
    });
  }
  const accepted = facts.attestations.filter((attestation) => {
    const { verified } = attestation;
    if (owner === undefined || verified.trustRoot !== owner.name) {
      violations.push({
        ...always,
        code: 'TP121',
        message: 'the evidence comes from a trust root that does not own the name',
        expected: owner?.name ?? 'none',
        found: verified.trustRoot,
        evidence: describeBundle(verified),
        next: 'do not install it; somebody else than its owner vouches for the package',
      });
      return false;
    }
    const { signer } = verified;
    if (signer.kind === 'certificate' && owner.issuers !== undefined && !owner.issuers.includes(signer.issuer)) {
      violations.push({
        ...always,
        code: 'TP121',
        message: `trust root ${owner.name} may not vouch for identities of this issuer`,
        expected: owner.issuers.join(' or '),
        found: signer.issuer,
        evidence: describeBundle(verified),
        next: `if it is meant to, add the issuer to trustRoots.${owner.name}.issuers in ${policy.path}`,
      });
      return false;
    }
    const distrust = policy.distrust.find((entry) => isDistrusted(entry, attestation));
    if (distrust !== undefined) {
      violations.push({
        ...always,
        code: 'TP150',
        message: `${distrust.what.kind === 'identity' ? 'the signer' : 'the log entry'} is distrusted: ${distrust.reason}`,
        found: describeSigner(signer),
        evidence: describeBundle(verified),
        next: 'choose a version that somebody else signed, or that was signed at another time',
      });
    }
    return distrust === undefined;
  });
  const refused = facts.attestations.filter((attestation) => !accepted.includes(attestation));
  return { accepted, refused: [...unproven, ...refused.map(typeOf)], violations };
}

const typeOf = ({ predicateType }: { readonly predicateType?: string }): string | undefined => predicateType;

/** What is more than a signature that does not verify. */
const codes: Readonly<Record<string, ViolationCode>> = {
  ERR_PROVENANCE_MISMATCH: 'TP114',
  ERR_WITNESS_QUORUM: 'TP123',
  // With identities left to the policy, a verifier only says so of issuers that the root may not vouch for.
  ERR_IDENTITY_MISMATCH: 'TP121',
};

function invalidEvidence(
  { predicateType, error, otherRoot }: InvalidEvidence,
  subject: string,
  owners: readonly TrustRootReference[],
): Violation {
  const what = predicateType === undefined ? 'evidence' : `the attestation ${predicateType}`;
  const found = error.found ?? error.code;
  const base = {
    severity: 'error',
    package: subject,
    ...(error.expected === undefined ? {} : { expected: error.expected }),
    found,
  } as const;
  if (otherRoot !== undefined) {
    return {
      ...base,
      code: 'TP121',
      message: `${what} was signed under trust root ${otherRoot}, which does not own the name`,
      expected: owners.map(({ name }) => name).join(', '),
      found: otherRoot,
      next: 'do not install it; somebody else than its owner vouches for the package',
    };
  }
  return {
    ...base,
    code: codes[error.code] ?? 'TP102',
    message: `${what} is present but does not verify: ${error.message}`,
    next: 'do not install it; report it to the registry. This is never a warning',
  };
}

function distrustedBytes(distrust: readonly Distrust[], integrity: string | undefined): Distrust | undefined {
  return distrust.find(({ what }) => what.kind === 'integrity' && what.integrity === integrity);
}

/** Bounds are on the time of signing. Without a proven time the entry holds, whatever its bounds. */
function isDistrusted({ what, from, to }: Distrust, { verified }: AttestationFacts): boolean {
  const times = verified.timestamps.map(({ time }) => time);
  const within = (time: Date): boolean => (from === undefined || time >= from) && (to === undefined || time <= to);
  if (times.length > 0 && !times.some(within)) return false;
  if (what.kind === 'identity') {
    const { signer } = verified;
    return signer.kind === 'certificate' && signer.issuer === what.issuer && signer.subject.value === what.subject;
  }
  return (
    what.kind === 'logEntry' &&
    verified.logEntries.some(
      ({ origin, index }) => index === what.index && (origin === undefined || origin === what.origin),
    )
  );
}
