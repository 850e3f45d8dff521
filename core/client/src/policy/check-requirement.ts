import {
  type AttestationFacts,
  describeBundle,
  type PackageFacts,
  registrySignatureType,
  type SignerFacts,
  signedBy,
} from './facts.ts';
import type {
  AttestationRequirement,
  Policy,
  ProvenanceRequirement,
  Requirement,
  SignatureRequirement,
} from './policy.ts';
import { compareSigner, type Difference } from './publisher.ts';
import type { Violation, ViolationCode } from './violation.ts';

/** A violation as a requirement knows it: rule, severity and package are the evaluator's to add. */
export type Problem = Omit<Violation, 'severity' | 'rule' | 'package'>;

/** Types of predicates that count as provenance. */
export const provenanceTypes: readonly string[] = [
  'https://slsa.dev/provenance/v1',
  'https://slsa.dev/provenance/v0.2',
];

/** What keeps a package from meeting one requirement; nothing when it does. */
export function checkRequirement(policy: Policy, requirement: Requirement, all: PackageFacts, now: Date): Problem[] {
  if (requirement.kind === 'registrySignature') return checkRegistrySignature(all);
  // The registry's own signature says that it accepted the package, and nothing about who published it.
  const facts = { ...all, attestations: withoutRegistrySignature(all.attestations) };
  if (requirement.kind === 'provenance') return checkProvenance(policy, requirement, facts);
  if (requirement.kind === 'signature') return checkSignature(policy, requirement, facts);
  return checkAttestation(policy, requirement, facts, now);
}

/**
 * Whether a problem is only that something is missing, of which there is something that does not hold: that says more exactly what is
 * wrong, and denies the package in any case.
 *
 * @param refused types of evidence that is there and does not count; undefined for one without a label
 */
export function isExplained(
  { code }: Problem,
  requirement: Requirement,
  refused: readonly (string | undefined)[],
): boolean {
  if (!missing.has(code)) return false;
  return refused.some((type) => {
    if (requirement.kind === 'registrySignature') return type === registrySignatureType;
    if (type === registrySignatureType) return false;
    if (type === undefined || requirement.kind === 'signature') return true;
    return requirement.kind === 'provenance' ? provenanceTypes.includes(type) : type === requirement.predicateType;
  });
}

const missing: ReadonlySet<ViolationCode> = new Set(['TP103', 'TP110', 'TP115', 'TP130']);

/** What publishers signed. */
export function withoutRegistrySignature(attestations: readonly AttestationFacts[]): readonly AttestationFacts[] {
  return attestations.filter(({ predicateType }) => predicateType !== registrySignatureType);
}

function checkRegistrySignature({ attestations }: PackageFacts): Problem[] {
  if (attestations.some(({ predicateType }) => predicateType === registrySignatureType)) return [];
  return [
    {
      code: 'TP103',
      message: 'no valid signature of the registry',
      expected: 'a signature over name, version and bytes with a key of trustRoots.….registryKeys',
      found: foundTypes(attestations),
      next: 'ask the operator of the registry; do not install it before',
    },
  ];
}

function checkProvenance(policy: Policy, requirement: ProvenanceRequirement, facts: PackageFacts): Problem[] {
  const candidates = facts.attestations.filter(({ predicateType }) => provenanceTypes.includes(predicateType));
  if (candidates.length === 0) {
    return [
      {
        code: 'TP110',
        message: 'provenance is missing',
        expected: `provenance ${byWhom(requirement)}`,
        found: foundTypes(facts.attestations),
        next: 'ask the publisher to publish with provenance (signet publish, or npm publish --provenance)',
      },
    ];
  }
  return best(
    candidates.map((attestation) => {
      const { verified } = attestation;
      const problems = wrongPublisher(policy, requirement.by, attestation);
      const { repository } = requirement;
      const source = claim(verified.signer, 'sourceRepositoryUri');
      if (repository !== undefined && source?.toLowerCase() !== repository.toLowerCase().replace(/\.git$|\/$/, '')) {
        problems.push(
          publisherProblem([{ field: 'repository', expected: repository, found: source ?? 'nothing' }], attestation),
        );
      }
      const ref = claim(verified.signer, 'sourceRepositoryRef');
      const tags = [`refs/tags/v${facts.version}`, `refs/tags/${facts.version}`];
      if (requirement.tagMatchesVersion && (ref === undefined || !tags.includes(ref))) {
        problems.push({
          code: 'TP112',
          message: 'the source that was built is not the tag of this version',
          expected: tags.join(' or '),
          found: ref ?? 'no ref in the certificate',
          evidence: describeBundle(verified),
          next: 'ask the publisher to release from the tag; until then stay with an earlier version',
        });
      }
      problems.push(...checkExpression(requirement.cel, attestation));
      return problems;
    }),
  );
}

function checkSignature(policy: Policy, requirement: SignatureRequirement, facts: PackageFacts): Problem[] {
  const expected = `a signature by ${requirement.by.join(' or ')}`;
  const [first] = facts.attestations;
  if (first === undefined) {
    return [
      {
        code: 'TP115',
        message: 'the package is not signed',
        expected,
        found: 'no evidence',
        next: 'ask the publisher to sign it (signet publish); do not install it before',
      },
    ];
  }
  const judged = facts.attestations.map((attestation) => ({
    attestation,
    problems: wrongPublisher(policy, requirement.by, attestation),
  }));
  const good = judged
    .filter(({ problems }) => problems.length === 0)
    .map(({ attestation }) => attestation.verified.signer);
  // A person who signs twice is one person: distinct by issuer and subject, not by certificate. Of keys, by whose they are.
  const distinct = new Set(
    good.map((signer) =>
      JSON.stringify(signer.kind === 'key' ? [signer.publisher] : [signer.issuer, signer.subject.value]),
    ),
  );
  if (distinct.size >= requirement.threshold) return [];
  if (distinct.size === 0) return best(judged.map(({ problems }) => problems));
  return [
    {
      code: 'TP113',
      message: `${distinct.size} of ${requirement.threshold} required distinct signers`,
      expected: `${requirement.threshold} of ${requirement.by.join(', ')}`,
      found: [...distinct].join(', '),
      evidence: describeBundle(first.verified),
      next: 'ask the others to sign it too',
    },
  ];
}

function checkAttestation(
  policy: Policy,
  requirement: AttestationRequirement,
  facts: PackageFacts,
  now: Date,
): Problem[] {
  const candidates = facts.attestations.filter(({ predicateType }) => predicateType === requirement.predicateType);
  if (candidates.length === 0) {
    return [
      {
        code: 'TP130',
        message: `the attestation ${requirement.predicateType} is missing`,
        expected: `one by ${requirement.by.join(' or ')}`,
        found: foundTypes(facts.attestations),
        next: `ask ${requirement.by.join(' or ')} for it`,
      },
    ];
  }
  return best(
    candidates.map((attestation) => {
      const problems = wrongPublisher(policy, requirement.by, attestation).map(
        (problem): Problem => ({ ...problem, code: 'TP131' }),
      );
      const time = signedBy(attestation.verified);
      const age = time === undefined ? Number.POSITIVE_INFINITY : now.getTime() - time.getTime();
      if (requirement.maxAge !== undefined && age > requirement.maxAge) {
        problems.push({
          code: 'TP131',
          message: `the attestation ${requirement.predicateType} is too old`,
          expected: `at most ${days(requirement.maxAge)}`,
          found: time === undefined ? 'no proven time' : days(age),
          evidence: describeBundle(attestation.verified),
          next: `ask ${requirement.by.join(' or ')} for a newer one`,
        });
      }
      problems.push(...checkExpression(requirement.cel, attestation));
      return problems;
    }),
  );
}

/** What is evaluated beforehand, because it takes a thread and a time limit; what was not evaluated is not true. */
function checkExpression(expression: string | undefined, { cel, verified }: AttestationFacts): Problem[] {
  if (expression === undefined) return [];
  const result = cel !== undefined && Object.hasOwn(cel, expression) ? cel[expression] : 'it was not evaluated';
  if (result === true) return [];
  return [
    {
      code: 'TP132',
      message: result === false ? 'the expression is false' : 'the expression cannot be evaluated',
      expected: expression,
      found: String(result),
      evidence: describeBundle(verified),
      next: 'look at the predicate with signet inspect; ask the publisher for a better one, or correct the expression',
    },
  ];
}

/** Why the signer is none of the publishers; nothing when it is one, or anybody may be. */
function wrongPublisher(policy: Policy, by: readonly string[] | undefined, attestation: AttestationFacts): Problem[] {
  if (by === undefined) return [];
  let nearest: readonly Difference[] | undefined;
  for (const name of by) {
    const publisher = policy.publishers.get(name);
    // The parser made sure that it exists; a policy made otherwise is not a reason to let anything pass.
    const differences =
      publisher === undefined ? [unknownPublisher(name)] : compareSigner(publisher, attestation.verified.signer);
    if (differences.length === 0) return [];
    if (nearest === undefined || differences.length < nearest.length) nearest = differences;
  }
  return [publisherProblem(nearest ?? [unknownPublisher('')], attestation)];
}

function unknownPublisher(name: string): Difference {
  return { field: 'publisher', expected: `a publisher ${name}`, found: 'none in the policy' };
}

function publisherProblem(differences: readonly Difference[], attestation: AttestationFacts): Problem {
  return {
    code: 'TP111',
    message: `wrong publisher: ${differences.map(({ field }) => field).join(', ')} differ${differences.length === 1 ? 's' : ''}`,
    expected: differences.map(({ field, expected }) => `${field} ${expected}`).join(', '),
    found: differences.map(({ field, found }) => `${field} ${found}`).join(', '),
    evidence: describeBundle(attestation.verified),
    next: 'do not install it unless you know why another publishes it now; then change the policy',
  };
}

/** One attestation that has no problems is enough; otherwise those of the one that came nearest. */
function best(perCandidate: readonly (readonly Problem[])[]): Problem[] {
  const [nearest = []] = [...perCandidate].sort((a, b) => a.length - b.length);
  return [...nearest];
}

function byWhom({ by, repository }: ProvenanceRequirement): string {
  return [
    ...(by === undefined ? [] : [`by ${by.join(' or ')}`]),
    ...(repository === undefined ? [] : [`from ${repository}`]),
  ].join(' ');
}

function foundTypes(attestations: readonly AttestationFacts[]): string {
  return attestations.map(({ predicateType }) => predicateType).join(', ') || 'no evidence';
}

function claim(signer: SignerFacts, name: 'sourceRepositoryUri' | 'sourceRepositoryRef'): string | undefined {
  return signer.kind === 'certificate' ? signer.claims[name] : undefined;
}

/** A duration in words: hours up to two days, then days. */
export function days(milliseconds: number): string {
  const hours = milliseconds / 3_600_000;
  return hours < 48 ? `${Math.round(hours)}h` : `${Math.round(hours / 24)}d`;
}
