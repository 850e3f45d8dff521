import { SignetError } from '@signet/primitives/formats';
import {
  type ExaminedDocument,
  examineAttestationDocument,
  examineBundles,
  type RegistryKey,
  type VerifiedAttestation,
  verifyRegistrySignatures,
} from '../npm/index.ts';
import {
  evaluatePolicy,
  type InvalidEvidence,
  matchesName,
  ownersOf,
  type PinContext,
  type ReleaseClaim,
  registrySignatureType,
} from '../policy/index.ts';
import type { VerificationResult } from '../verify/index.ts';
import { evaluateExpressions, expressionsFor } from './cel.ts';
import { type EvidenceRequest, fetchAttestations } from './evidence.ts';
import { batchKey } from './evidence-batch.ts';
import type { EvidenceFile } from './evidence-file.ts';
import type { LoadedPolicy } from './policy-file.ts';
import { type ProvenAttestation, provenBundle } from './proven-facts.ts';
import type { Registry } from './registry.ts';
import { fetchDistribution } from './registry-version.ts';
import { fetchReleases } from './releases.ts';
import type { JudgedPackage } from './report.ts';

/** Where evidence comes from and by what it is judged. */
export interface JudgeOptions extends LoadedPolicy {
  /** The registry to ask about a package. */
  readonly registryFor: (name: string) => Registry | Promise<Registry>;
  readonly request?: EvidenceRequest;
  /** Evidence at hand, which is looked at first. */
  readonly evidence?: EvidenceFile | undefined;
  /** What registries said already, by {@link batchKey}; null for none. */
  readonly answers?: ReadonlyMap<string, unknown>;
  /** Results for bundles of these answers that were verified together; see `verifyAhead`. */
  readonly verifiedAhead?: ReadonlyMap<unknown, VerificationResult>;
  /** What was verified about packages before. */
  readonly pins?: PinContext | undefined;
  /** Open no connection: what the evidence at hand does not settle is an error. */
  readonly offline?: boolean;
}

/** A package version and its bytes. */
export interface PackageToJudge {
  readonly name: string;
  readonly version: string;
  /** Exactly one `sha512-…` */
  readonly integrity: string;
  readonly locations?: readonly string[];
}

/**
 * Judges one package version: verifies its attestations under the trust root that owns the name and against the bytes' hash, and asks
 * the policy. Evidence at hand is enough where it leaves nothing to say; else the registry is asked for all it has.
 *
 * @throws what `fetchAttestations` throws, ERR_TRUST_FILE, ERR_TRUST_MATERIAL, ERR_OFFLINE; everything else is in the decision
 */
export async function judgePackage(options: JudgeOptions, candidate: PackageToJudge): Promise<JudgedPackage> {
  const { policy, trustRoots } = options;
  const { name, version, integrity, locations = [] } = candidate;
  const [owner, second] = ownersOf(policy, name);
  // Loaded first: without trust there is no use in asking.
  const trust = owner === undefined || second !== undefined ? undefined : await trustRoots.load(owner.name);
  const subject = { name, version, integrity };
  const vouchers = owner === undefined || trust === undefined ? undefined : await trustRoots.vouchers(owner.name);
  let registrys: ProvenAttestation | InvalidEvidence | undefined;
  const conclude = ({ attestations, invalid }: ExaminedDocument, release?: ReleaseClaim): JudgedPackage => {
    const facts = {
      ...subject,
      attestations: [
        ...attestations.map(proven),
        ...(registrys !== undefined && 'verified' in registrys ? [registrys] : []),
      ],
      invalid: [...invalid, ...(registrys !== undefined && 'error' in registrys ? [registrys] : [])],
      ...(release === undefined ? {} : { release }),
    };
    const decision = evaluatePolicy(policy, facts, { pins: options.pins });
    return { ...subject, locations, decision, attestations: facts.attestations };
  };
  const kept = options.evidence?.bundlesFor(name, version, integrity) ?? [];
  const expressions = expressionsFor(policy, name, version);
  const expressed = (examined: ExaminedDocument) => express(expressions, examined, subject);
  const atHand =
    trust === undefined ? nothing : await expressed(examineBundles(kept, { ...subject, trust, ...vouchers }));
  if (kept.length > 0) {
    const judged = conclude(atHand);
    if (judged.decision.violations.length === 0 || atHand.invalid.length > 0) return judged;
  }
  if (options.offline === true) {
    throw new SignetError(
      'ERR_OFFLINE',
      `the evidence at hand does not settle ${name}@${version}, and --offline forbids to ask for more`,
    );
  }
  const document = await askFor(options, candidate);
  if (trust === undefined) return await withRelease(options, candidate, atHand, conclude);
  registrys = await registrySignature(options, candidate, trust.name, vouchers?.registryKeys ?? []);
  if (document === undefined) return await withRelease(options, candidate, atHand, conclude);
  const { verifiedAhead } = options;
  const ahead = verifiedAhead === undefined ? {} : { verifiedAhead };
  const examined = await expressed(examine(document, { ...subject, trust, ...vouchers, ...ahead }));
  const known = {
    attestations: [...atHand.attestations, ...examined.attestations],
    invalid: await traceRoots(options, candidate, document, examined.invalid, trust.name),
    unjudged: examined.unjudged,
  };
  return await withRelease(options, candidate, known, conclude);
}

/** The registry's own signature as a fact, where a rule asks for it: one request more for each such package. */
async function registrySignature(
  { policy, registryFor, request }: JudgeOptions,
  { name, version, integrity }: PackageToJudge,
  trustRoot: string,
  keys: readonly RegistryKey[],
): Promise<ProvenAttestation | InvalidEvidence | undefined> {
  const asked = policy.rules.some(
    ({ match, require }) =>
      require.some(({ kind }) => kind === 'registrySignature') && matchesName(match, name, version),
  );
  if (!asked) return undefined;
  const { signatures } = await fetchDistribution(name, version, await registryFor(name), request);
  try {
    const [key] = verifyRegistrySignatures(signatures ?? [], { name, version, integrity, registryKeys: keys });
    if (key === undefined) return undefined;
    return {
      predicateType: registrySignatureType,
      predicate: {},
      verified: {
        signer: { kind: 'key', hint: key.keyId },
        timestamps: [],
        logEntries: [],
        trustRoot,
        checks: ['the registry signed name, version and sha512'],
      },
    };
  } catch (error) {
    // None by a trusted key is none; one by such a key over other bytes is false evidence.
    if (!(error instanceof SignetError)) throw error;
    if (error.code === 'ERR_REGISTRY_KEY') return undefined;
    return { predicateType: registrySignatureType, error };
  }
}

/** Where evidence is missing that was there before, asks how old the release is: lines of before nobody proved are no downgrade. */
async function withRelease(
  { registryFor, request }: JudgeOptions,
  { name, version }: PackageToJudge,
  known: ExaminedDocument,
  conclude: (known: ExaminedDocument, release?: ReleaseClaim) => JudgedPackage,
): Promise<JudgedPackage> {
  const judged = conclude(known);
  if (!judged.decision.violations.some(({ code }) => code === 'TP201')) return judged;
  const release = await fetchReleases(name, version, await registryFor(name), request);
  return release === undefined ? judged : conclude(known, release);
}

/** Adds what expressions of the policy say of each attestation. */
async function express(
  expressions: readonly string[],
  examined: ExaminedDocument,
  subject: { readonly name: string; readonly version: string },
): Promise<ExaminedDocument> {
  if (expressions.length === 0) return examined;
  const attestations: VerifiedAttestation[] = [];
  for (const attestation of examined.attestations) {
    attestations.push({ ...attestation, cel: await evaluateExpressions(expressions, attestation, subject) });
  }
  return { ...examined, attestations };
}

/** What a batch has brought, else the registry's answer to a question of its own. */
async function askFor({ answers, registryFor, request }: JudgeOptions, candidate: PackageToJudge): Promise<unknown> {
  const known = answers?.get(batchKey(candidate));
  if (known !== undefined) return known ?? undefined;
  const { name, version } = candidate;
  return await fetchAttestations(name, version, await registryFor(name), request);
}

function proven({
  predicateType,
  predicate,
  verified,
  bundle,
  publisher,
  cel,
}: VerifiedAttestation): ProvenAttestation {
  const expressed = cel === undefined ? {} : { cel };
  return { predicateType, predicate, verified: provenBundle(verified, publisher), bundle, ...expressed };
}

const nothing: ExaminedDocument = { attestations: [], invalid: [], unjudged: 0 };

/** A document that is none is evidence that does not hold. */
function examine(document: unknown, subject: Parameters<typeof examineAttestationDocument>[1]): ExaminedDocument {
  try {
    return examineAttestationDocument(document, subject);
  } catch (error) {
    if (!(error instanceof SignetError)) throw error;
    return { attestations: [], invalid: [{ error }], unjudged: 0 };
  }
}

/** Finds out whether evidence that does not hold would hold under a root that does not own the name: a better word for the same no. */
async function traceRoots(
  { trustRoots }: LoadedPolicy,
  { name, version, integrity }: PackageToJudge,
  document: unknown,
  invalid: readonly InvalidEvidence[],
  owner: string,
): Promise<readonly InvalidEvidence[]> {
  let traced = invalid;
  for (const root of trustRoots.names) {
    if (root === owner || traced.every(({ otherRoot }) => otherRoot !== undefined)) continue;
    const trust = await trustRoots.load(root).catch(() => undefined);
    if (trust === undefined) continue;
    const types = examine(document, { name, version, integrity, trust }).attestations.map(
      ({ predicateType }) => predicateType,
    );
    traced = traced.map((evidence) =>
      evidence.predicateType !== undefined && types.includes(evidence.predicateType)
        ? { ...evidence, otherRoot: root }
        : evidence,
    );
  }
  return traced;
}
