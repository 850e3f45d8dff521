import { resolve } from 'node:path';
import {
  bundleToJson,
  fromBase64,
  type KeyDetails,
  parseBundle,
  parsePublicKeyInfo,
  SignetError,
} from '@signet/primitives/formats';
import type { ServiceAccess } from '../http/index.ts';
import { type PublisherKey, type VerifiedAttestation, verifyPackageBundle } from '../npm/index.ts';
import { assertNamedByTrust, completeBundle, type ExpectedSigner, type SigningServices } from '../sign/index.ts';
import type { TrustMaterial } from '../trust/index.ts';
import type { JobFolder, KeptJob } from './job-folder.ts';
import type { NpmConfiguration } from './npm-configuration.ts';
import { runLifecycleScript } from './pack.ts';
import { isFinal, type PublishJob, unfinished } from './publish-job.ts';
import type { PublishOptions, PublishStep } from './publish-options.ts';
import { describePublished, type PublishReport } from './publish-report.ts';
import type { RegistryClient } from './registry-client.ts';
import { upload } from './upload.ts';

/** Finishing needs these, whether the publish has just begun or is taken up again. */
export interface Finishing {
  readonly options: Pick<PublishOptions, 'cwd' | 'otp' | 'onStep' | 'signal'>;
  readonly configuration: NpmConfiguration;
  readonly folder: JobFolder;
  readonly tarball: Uint8Array;
  readonly client: RegistryClient;
  readonly trust: TrustMaterial;
  readonly http: ServiceAccess;
  /** Which services are named now, where those of the job have a log that takes no more entries. */
  readonly latestServices?: () => Promise<SigningServices | undefined>;
  /** The registry has just said that it does not have the version, and nothing was sent since. */
  readonly isFresh?: boolean;
}

/**
 * Brings a job from where it is to its end: witnesses, the consumer's verification, upload, reading back, scripts. The job is kept
 * after each step.
 *
 * @throws ERR_PUBLISH_UNFINISHED when it stopped and can be resumed; refusals that stand
 */
export async function finish(kept: KeptJob, finishing: Finishing): Promise<PublishReport> {
  const { options, configuration, folder, tarball, client, trust, http, isFresh = false } = finishing;
  const { otp, signal, cwd } = options;
  let reached: PublishStep | undefined;
  const onStep = (step: PublishStep) => {
    reached = step;
    options.onStep?.(step);
  };
  let { job } = kept;
  const { signer, publisherKeys } = expectedSigner(job);
  let report: PublishReport;
  try {
    const attestations: VerifiedAttestation[] = [];
    for (const [index, begun] of kept.job.bundles.entries()) {
      const { bundle, verified } = await completeBundle(parseBundle(begun), {
        services: job.services,
        trust,
        ...signer,
        http,
        latestServices: async () => {
          const latest = await finishing.latestServices?.();
          if (latest === undefined) return undefined;
          // Where entries go from now on must be watched by those who trust us, like the place before.
          assertNamedByTrust(latest, trust);
          job = { ...job, services: latest };
          return latest;
        },
        onStep,
        onProgress: async (progress) => {
          job = { ...job, bundles: job.bundles.with(index, bundleToJson(progress)) };
          await folder.keep(job);
        },
      });
      const { name, version, integrity } = job;
      // As a consumer will: not only that the bundle holds, but that it is about this name, this version and these bytes.
      // The bundle itself was verified a moment ago, for the one identity that it may have; with a key it is asked whose that is.
      const verifiedAhead = new Map(signer.identity === undefined ? [] : [[bundle, { ok: true, verified } as const]]);
      attestations.push(verifyPackageBundle(bundle, { name, version, integrity, trust, publisherKeys, verifiedAhead }));
    }
    signal?.throwIfAborted();
    const deadline = http.retry?.deadline;
    await upload(job, tarball, client, {
      otp,
      onStep,
      signal,
      isFresh,
      ...(deadline === undefined ? {} : { deadline }),
    });
    report = describePublished(job, tarball.length, attestations);
  } catch (thrown) {
    // While it is read back the package is there already, whatever the registry says then.
    if (isFinal(thrown) && reached !== 'read back' && signal?.aborted !== true) {
      await folder.remove(job.integrity);
      throw thrown;
    }
    throw unfinished(thrown, kept.path, signal?.aborted === true);
  }
  await folder.remove(job.integrity);
  if (job.folder !== undefined) {
    const path = resolve(cwd, job.folder);
    for (const event of ['publish', 'postpublish']) await runLifecycleScript(event, path, job.manifest, configuration);
  }
  return report;
}

/** Whom every bundle of a job must be by, for who completes it and for who verifies it. */
function expectedSigner({ identity, key, name }: PublishJob): {
  readonly signer: ExpectedSigner & { readonly keyDetails?: KeyDetails };
  readonly publisherKeys: readonly PublisherKey[];
} {
  if (key === undefined) return { signer: identity === undefined ? {} : { identity }, publisherKeys: [] };
  const { keyDetails } = key;
  const publicKey = parsePublicKeyInfo(fromBase64(key.publicKey, 'the key of the unfinished publish'));
  return {
    signer: { key: { publicKey, keyDetails }, keyDetails },
    publisherKeys: [{ publisher: name, publicKey: publicKey.spki }],
  };
}

/** What several publishes came to: the reports of those that ended well, or one error that speaks for the others. */
export function settle(results: readonly PromiseSettledResult<PublishReport>[]): readonly PublishReport[] {
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
  const [first] = failures;
  if (failures.length === 0) {
    return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  }
  if (results.length === 1 || !(first instanceof SignetError)) throw first;
  const messages = failures.map((failure) => (failure instanceof Error ? failure.message : String(failure)));
  const done = results.length - failures.length;
  throw new SignetError(
    first.code,
    `${done} of ${results.length} packages are published; of the others: ${messages.join('; ')}`,
    { cause: first },
  );
}
