import type { VerifiedAttestation } from '../npm/index.ts';
import type { PublishJob } from './publish-job.ts';

/** What was published, by whom, when, and where the proof stands. Foreign text: make it inert where it is shown. */
export interface PublishReport {
  readonly format: 1;
  readonly name: string;
  readonly version: string;
  readonly integrity: string;
  /** Bytes of the tarball. */
  readonly size: number;
  readonly registry: string;
  readonly tag: string;
  /** The registry's user that published. */
  readonly user?: string;
  /** Whom the certificate names, and where the token came from; absent where a lasting key signed. */
  readonly identity?: { readonly issuer: string; readonly subject: string; readonly source: string };
  /** Hint of the lasting key that signed, where one did. */
  readonly key?: string;
  readonly predicateType: string;
  /** Times that timestamp authorities vouch for. */
  readonly timestamps: readonly { readonly time: string; readonly authority: string }[];
  readonly logEntries: readonly { readonly log: string; readonly origin?: string; readonly index: string }[];
  /** What the consumer's verifier checked, one sentence each. */
  readonly checks: readonly string[];
  /** The bundle of the provenance. */
  readonly bundle: Readonly<Record<string, unknown>>;
  /** What was attested beside the provenance. */
  readonly extra: readonly {
    readonly predicateType: string;
    readonly logEntries: PublishReport['logEntries'];
    readonly bundle: Readonly<Record<string, unknown>>;
  }[];
}

/** The report of a publish that is done. */
export function describePublished(
  job: PublishJob,
  size: number,
  attestations: readonly VerifiedAttestation[],
): PublishReport {
  const [provenance, ...others] = attestations;
  const [bundle, ...otherBundles] = job.bundles;
  if (provenance === undefined || bundle === undefined) throw new TypeError('a publish has at least one attestation');
  const { predicateType, verified } = provenance;
  return {
    format: 1,
    name: job.name,
    version: job.version,
    integrity: job.integrity,
    size,
    registry: job.registry,
    tag: job.tag,
    ...(job.user === undefined ? {} : { user: job.user }),
    ...(job.identity === undefined ? {} : { identity: { ...job.identity, source: job.identitySource ?? '' } }),
    ...(job.key === undefined ? {} : { key: job.key.hint }),
    predicateType,
    timestamps: verified.timestamps.map(({ time, authority }) => ({ time: time.toISOString(), authority })),
    logEntries: logEntriesOf(provenance),
    checks: verified.checks,
    bundle,
    extra: others.map((other, index) => ({
      predicateType: other.predicateType,
      logEntries: logEntriesOf(other),
      bundle: otherBundles[index] ?? {},
    })),
  };
}

function logEntriesOf({ verified }: VerifiedAttestation): PublishReport['logEntries'] {
  return verified.logEntries.map(({ baseUrl, origin, index }) => ({
    log: baseUrl,
    ...(origin === undefined ? {} : { origin }),
    index: String(index),
  }));
}
