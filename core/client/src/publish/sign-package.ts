import { digest } from '@signet/primitives/crypto';
import { bundleToJson, Certificate, parseBundle, statementV1, toBase64, toHex } from '@signet/primitives/formats';
import type { Signer } from '@signet/primitives/keys';
import type { JsonObject } from '../http/index.ts';
import { sha512Integrity, toPurl } from '../npm/index.ts';
import type { SignerFacts } from '../policy/index.ts';
import { type BundleSigner, type InstanceDescription, keyHint, type SigningServices } from '../sign/index.ts';
import type { TrustMaterial } from '../trust/index.ts';
import type { Author, AuthorFacts } from './author.ts';
import type { Preflight } from './preflight.ts';
import { createKeyProvenance, createProvenance, type ProvenancePredicate } from './provenance.ts';
import type { PublishJob } from './publish-job.ts';
import { assertAccepted, assertEvidenceWanted, keyFacts } from './registry-policy.ts';

/** A statement that accompanies the provenance. */
export interface ExtraAttestation {
  readonly predicateType: string;
  readonly predicate: JsonObject;
}

/** What is signed, and with what. */
export interface PackageToSign {
  readonly name: string;
  readonly version: string;
  readonly tarball: Uint8Array;
  readonly services: SigningServices;
  readonly trust: TrustMaterial;
  readonly login?: InstanceDescription['login'];
  /** By what the registry judges, if it says. */
  readonly policy?: Preflight['policy'];
  readonly extra?: readonly ExtraAttestation[];
}

/**
 * Signs the provenance of a package and what goes with it. What comes back is public, and no log has heard of it yet.
 *
 * @throws ERR_EVIDENCE_REFUSED when the registry's policy does not let in whom the certificate names, ERR_PROVENANCE_MISMATCH, and
 * what obtaining identity and certificate throws
 */
export async function signPackage(
  subject: PackageToSign,
  author: Author,
): Promise<AuthorFacts & Pick<PublishJob, 'bundles'>> {
  const { name, version, tarball, services, trust, extra = [] } = subject;
  const { by, provenance, signers, signer } =
    author.signer === undefined
      ? await identified(subject, author)
      : withKey(author.signer, author.keySigner(author.signer, services, trust), subject);
  const statements = [provenance, ...extra];
  if (subject.policy !== undefined) {
    const { policy } = subject.policy;
    const predicateTypes = statements.map(({ predicateType }) => predicateType);
    const intent = { name, version, integrity: sha512Integrity(tarball), predicateTypes };
    assertAccepted(policy, intent, signers);
    const [first] = signers;
    if (first !== undefined) {
      for (const { predicateType } of extra) assertEvidenceWanted(policy, intent, predicateType, first);
    }
  }
  const about = [{ name: toPurl(name, version), digest: { sha512: toHex(digest('sha512', tarball)) } }];
  const bundles: JsonObject[] = [];
  for (const statement of statements) {
    bundles.push(bundleToJson(await signer.beginStatement(statementV1({ subject: about, ...statement }))));
  }
  return { ...by, bundles };
}

/** Who signs, what they say of the package, and what a policy is told of them. */
interface Signing {
  readonly by: AuthorFacts;
  readonly provenance: ProvenancePredicate;
  /** Any of these is enough. */
  readonly signers: readonly SignerFacts[];
  readonly signer: BundleSigner;
}

async function identified({ name, version, services, trust, login }: PackageToSign, author: Author): Promise<Signing> {
  const { token, source } = await author.token(services, login);
  const session = await author.session(services, trust, login);
  const { identity, claims } = session;
  const subject = { type: 'certified', value: identity.subject };
  return {
    by: { identity, identitySource: source },
    provenance: createProvenance(token, claims, { name, version }),
    signers: [{ kind: 'certificate', issuer: identity.issuer, subject, claims }],
    signer: session,
  };
}

function withKey(key: Signer, signer: BundleSigner, { name, version, policy }: PackageToSign): Signing {
  const { publicKey, keyDetails } = key;
  const hint = keyHint(key);
  return {
    by: { key: { hint, publicKey: toBase64(publicKey.spki), keyDetails } },
    provenance: createKeyProvenance(publicKey.spki, { name, version }),
    signers: policy === undefined ? [{ kind: 'key', hint }] : keyFacts(policy, key),
    signer,
  };
}

/**
 * A certificate lives for minutes. Where no timestamp shows that the signatures were made in time, and so no log has them
 * either, the same statements about the same bytes are signed anew.
 */
export async function renewIfExpired(
  job: PublishJob,
  tarball: Uint8Array,
  trust: TrustMaterial,
  author: Author,
): Promise<PublishJob> {
  const bundles = job.bundles.map((bundle) => parseBundle(bundle));
  // Half a minute for the way to the timestamp authority.
  const soon = new Date(Date.now() + 30_000);
  const expired = bundles.map(
    ({ timestamps, key }) =>
      timestamps.length === 0 && key.kind === 'certificate' && !Certificate.parse(key.certificate).isValidAt(soon),
  );
  if (!expired.includes(true)) return job;
  const { name, version, services } = job;
  const extra = bundles.slice(1).map(({ content }) => predicateOf(content));
  const signed = await signPackage({ name, version, tarball, services, trust, extra }, author);
  const kept = signed.bundles.map((bundle, index) => (expired[index] ? bundle : (job.bundles[index] ?? bundle)));
  return { ...job, ...signed, bundles: kept };
}

function predicateOf(content: ReturnType<typeof parseBundle>['content']): ExtraAttestation {
  if (content.kind !== 'dsse') throw new TypeError('a publish signs statements');
  const { predicateType, predicate } = JSON.parse(Buffer.from(content.envelope.payload).toString('utf8'));
  return { predicateType, predicate };
}
