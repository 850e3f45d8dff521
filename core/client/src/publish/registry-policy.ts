import { createHash } from 'node:crypto';
import { inert, parseBundle, parseStatement, SignetError, toBase64 } from '@signet/primitives/formats';
import type { Signer } from '@signet/primitives/keys';
import { isObject, type JsonObject } from '../http/index.ts';
import type { IdentityToken } from '../identity/index.ts';
import {
  describeSigner,
  evaluatePolicy,
  matchesName,
  ownersOf,
  type Policy,
  parsePolicy,
  type SignerFacts,
  type Violation,
  type ViolationCode,
} from '../policy/index.ts';
import { expectedCertificate, keyHint } from '../sign/index.ts';

/** Type of the statement in which a registry publishes its policy (`/-/signet/v1/policy`). */
const policyPredicateType = 'urn:signet:registry-policy:v1';

/**
 * What is not known before a publish: whether others have sent their signatures and attestations ahead, and what an expression
 * says of a predicate. The registry decides.
 */
const undecidable: readonly ViolationCode[] = ['TP103', 'TP113', 'TP123', 'TP130', 'TP131', 'TP132'];

/** By what a registry judges. */
export interface RegistryPolicy {
  readonly policy: Policy;
  /** Keys of publishers by their names in the policy, base64 of SubjectPublicKeyInfo; undefined where the registry does not tell. */
  readonly publisherKeys?: Readonly<Record<string, unknown>>;
}

/**
 * The policy in a registry's own statement of it. Its signature is not looked at: whoever changed it could only keep an author
 * from publishing, and the registry judges for itself in the end.
 *
 * @returns undefined for a policy that this version cannot read; the registry that wrote it can
 * @throws ERR_REGISTRY_RESPONSE when it is no such statement
 */
export function readRegistryPolicy(bundle: JsonObject, registry: string): RegistryPolicy | undefined {
  let text: string;
  let keys: unknown;
  try {
    const { content } = parseBundle(bundle);
    const statement = content.kind === 'dsse' ? parseStatement(content.envelope.payload) : undefined;
    const policy = statement?.predicateType === policyPredicateType ? statement.predicate.policy : undefined;
    const named = statement?.subject.find(({ name }) => name === 'trust-policy.yaml')?.digest.sha256;
    if (typeof policy !== 'string' || named !== createHash('sha256').update(policy).digest('hex')) {
      throw new SignetError('ERR_REGISTRY_RESPONSE', 'it is no statement of a policy');
    }
    text = policy;
    keys = statement?.predicate.publisherKeys;
  } catch (cause) {
    throw new SignetError('ERR_REGISTRY_RESPONSE', `the policy that ${registry} publishes cannot be read`, { cause });
  }
  try {
    const policy = parsePolicy(text, { path: 'the registry’s policy' });
    return { policy, ...(isObject(keys) ? { publisherKeys: keys } : {}) };
  } catch (thrown) {
    if (thrown instanceof SignetError && thrown.code === 'ERR_POLICY_INVALID') return undefined;
    throw thrown;
  }
}

/** What shall be published. */
export interface PublishIntent {
  readonly name: string;
  readonly version: string;
  /** `sha512-…` */
  readonly integrity: string;
  /** Types of the statements that will come along. */
  readonly predicateTypes: readonly string[];
}

/**
 * Asks the policy about a token that no certificate was issued for yet, so that not even the certificate log hears of a name that
 * would be refused. Where the token does not tell what its certificate will say, the question waits for the certificate.
 *
 * @throws ERR_EVIDENCE_REFUSED
 */
export function assertTokenAccepted(policy: Policy, intent: PublishIntent, token: IdentityToken): void {
  const { issuers, subjects, claims } = expectedCertificate(token);
  if (claims === undefined) return;
  const signers = issuers.flatMap((issuer) =>
    subjects.map((subject): SignerFacts => ({ kind: 'certificate', issuer, subject, claims })),
  );
  assertAccepted(policy, intent, signers);
}

/**
 * Asks the policy about a lasting key, before anything is signed with it.
 *
 * @throws ERR_EVIDENCE_REFUSED
 */
export function assertKeyAccepted(registry: RegistryPolicy, intent: PublishIntent, signer: Signer): void {
  assertAccepted(registry.policy, intent, keyFacts(registry, signer));
}

/** Whom the policy may know a key as. A registry that does not tell the keys of its publishers may mean any of them. */
export function keyFacts({ policy, publisherKeys }: RegistryPolicy, signer: Signer): readonly SignerFacts[] {
  const spki = toBase64(signer.publicKey.spki);
  const names = [...policy.publishers.values()]
    .filter(({ kind, name }) => kind === 'key' && (publisherKeys === undefined || publisherKeys[name] === spki))
    .map(({ name }) => name);
  const key = { kind: 'key', hint: keyHint(signer) } as const;
  return names.length === 0 ? [key] : names.map((publisher) => ({ ...key, publisher }));
}

/**
 * Asks the policy about whoever will sign: one of `signers`, any of whom is enough.
 *
 * @throws ERR_EVIDENCE_REFUSED with the rule, what it expects, and the line of the policy that would let the signer in
 */
export function assertAccepted(policy: Policy, intent: PublishIntent, signers: readonly SignerFacts[]): void {
  let nearest: { readonly signer: SignerFacts; readonly violations: readonly Violation[] } | undefined;
  for (const signer of signers) {
    const violations = violationsOf(policy, intent, signer);
    if (violations.length === 0) return;
    if (nearest === undefined || violations.length < nearest.violations.length) nearest = { signer, violations };
  }
  if (nearest === undefined) return;
  const { signer, violations } = nearest;
  const [first] = violations;
  const reasons = violations.map(({ code, rule, message, expected, found }) => {
    const where = rule === undefined ? '' : `, rule ${inert(rule)}`;
    const difference =
      expected === undefined ? '' : `: expected ${inert(expected)}, found ${inert(found ?? 'nothing')}`;
    return `${inert(message)}${difference} (${code}${where})`;
  });
  throw new SignetError(
    'ERR_EVIDENCE_REFUSED',
    `the registry would refuse ${intent.name}@${intent.version} by ${inert(describeSigner(signer))}: ${reasons.join('; ')}; nothing was signed. Publish as one whom its policy names, or ask its operator for: ${policyLine(signer)}`,
    { expected: inert(first?.expected ?? 'a signer whom the policy names'), found: inert(first?.found ?? 'another') },
  );
}

/**
 * Asks whether the policy has any use for a statement beside the provenance: a registry takes by itself only what a requirement of
 * its policy speaks of.
 *
 * @throws ERR_EVIDENCE_REFUSED with the line that the policy lacks
 */
export function assertEvidenceWanted(
  policy: Policy,
  intent: PublishIntent,
  predicateType: string,
  signer: SignerFacts,
): void {
  const rules = policy.rules.filter(({ match }) => matchesName(match, intent.name, intent.version));
  const wanted = rules.some((rule) =>
    rule.require.some((requirement) => {
      const alone = requirement.kind === 'signature' ? { ...requirement, threshold: 1 } : requirement;
      const single = { ...policy, exceptions: [], rules: [{ ...rule, mode: 'enforce' as const, require: [alone] }] };
      return violationsOf(single, { ...intent, predicateTypes: [predicateType] }, signer, ['TP132']).length === 0;
    }),
  );
  if (wanted) return;
  throw new SignetError(
    'ERR_EVIDENCE_REFUSED',
    `the registry's policy asks for no ${inert(predicateType)} about ${intent.name} by ${inert(describeSigner(signer))}, and would refuse it; nothing was signed. Leave it out, or ask its operator to add to a rule: require: [{ attestation: { predicateType: ${JSON.stringify(predicateType)}, by: [NAME] } }]`,
  );
}

function violationsOf(
  policy: Policy,
  intent: PublishIntent,
  signer: SignerFacts,
  ignored: readonly ViolationCode[] = undecidable,
): readonly Violation[] {
  const [owner] = ownersOf(policy, intent.name);
  const verified = { signer, timestamps: [{ time: new Date() }], logEntries: [], trustRoot: owner?.name ?? '' };
  const attestations = intent.predicateTypes.map((predicateType) => ({ predicateType, predicate: {}, verified }));
  const { violations, rules } = evaluatePolicy(policy, { ...intent, attestations }, { publishing: true });
  const certain = violations.filter(({ severity, code }) => severity === 'error' && !ignored.includes(code));
  // A registry refuses what no rule of its policy names.
  return rules.length > 0 ? certain : violations.filter(({ code }) => code === 'TP101');
}

/** As JSON strings, which YAML reads, foreign text stays data. */
function policyLine(signer: SignerFacts): string {
  if (signer.kind === 'key') return 'publishers: { NAME: { key: { file: ./key.pub } } }';
  const { issuer, subject } = signer;
  return `publishers: { NAME: { oidc: { issuer: ${JSON.stringify(inert(issuer))}, san: [${JSON.stringify(inert(subject.value))}] } } }`;
}
