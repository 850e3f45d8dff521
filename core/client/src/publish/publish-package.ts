import { relative, resolve } from 'node:path';
import { digest } from '@signet/primitives/crypto';
import { bundleToJson, Certificate, parseBundle, SignetError, statementV1, toHex } from '@signet/primitives/formats';
import type { ServiceAccess } from '../http/index.ts';
import type { FoundToken } from '../identity/index.ts';
import { sha512Integrity, toPurl, verifyPackageBundle } from '../npm/index.ts';
import {
  assertNamedByTrust,
  completeBundle,
  type InstanceDescription,
  SigningSession,
  tokenRequirements,
} from '../sign/index.ts';
import type { TrustMaterial } from '../trust/index.ts';
import { JobFolder, type KeptJob } from './job-folder.ts';
import { loadNpmConfiguration, type NpmConfiguration } from './npm-configuration.ts';
import { runLifecycleScript } from './pack.ts';
import { type PreparedPublish, preparePublish } from './prepare.ts';
import { createProvenance } from './provenance.ts';
import { isFinal, type PublishJob, unfinished } from './publish-job.ts';
import { defaultRetryFor, type PublishOptions, type PublishStep } from './publish-options.ts';
import { describePublished, type PublishReport } from './publish-report.ts';
import { RegistryClient } from './registry-client.ts';
import { upload } from './upload.ts';

/**
 * Publishes a package with the proof of who published it: packed once, found publishable, signed keylessly, verified as a
 * consumer will verify it, sent in one request with its bundle, and read back.
 *
 * From the signature on, all that is needed to finish is kept in `.signet`; {@link resumePublish} takes it up again.
 *
 * @throws what {@link preparePublish} and signing throw; ERR_PUBLISH_UNFINISHED when it stopped half-way and can be resumed,
 * or when an earlier publish of this version did; ERR_CANCELLED when the signal ended it before anything was signed
 */
export async function publishPackage(options: PublishOptions): Promise<PublishReport> {
  const http = serviceAccess(options);
  const configuration = await loadNpmConfiguration({ cwd: options.cwd, env: options.env });
  const stopped = (thrown: unknown): never => {
    throw options.signal?.aborted ? cancelled() : thrown;
  };
  const prepared = await preparePublish(options, configuration).catch(stopped);
  const folder = new JobFolder(options.cwd);
  await refuseSecondJob(folder, prepared);
  const job = await beginJob(options, prepared, http).catch(stopped);
  const { tarball } = prepared.packed;
  const path = await folder.keep(job, tarball);
  return await finish({ job, path }, { options, configuration, folder, tarball, http, ...prepared });
}

/**
 * Finishes the publish that stopped in this project: with the same bytes, with the same certificate where a timestamp shows
 * that it was used in time, and with the same log entry.
 *
 * @throws ERR_USAGE when there is none, or several and `source` names none of them; otherwise as {@link publishPackage}
 */
export async function resumePublish(
  options: Omit<PublishOptions, 'source' | 'tag' | 'access' | 'registry'>,
): Promise<PublishReport> {
  const http = serviceAccess(options);
  const folder = new JobFolder(options.cwd);
  const kept = onlyJob(await folder.list(), folder);
  const configuration = await loadNpmConfiguration({ cwd: options.cwd, env: options.env });
  const tarball = await folder.tarball(kept);
  const { name, registry } = kept.job;
  const trust = typeof options.trust === 'function' ? await options.trust(name) : options.trust;
  if (kept.job.servicesFromRegistry) assertNamedByTrust(kept.job.services, trust);
  const client = await RegistryClient.open(name, configuration.options, { registry });
  const job = await renewIfExpired(kept.job, tarball, { ...options, trust }, http);
  if (job !== kept.job) await folder.keep(job);
  return await finish({ job, path: kept.path }, { options, configuration, folder, tarball, http, client, trust });
}

/** What was made until now (at most a certificate for a key that is forgotten) is of no use to anybody. */
function cancelled(): SignetError {
  return new SignetError('ERR_CANCELLED', 'cancelled; nothing was signed');
}

/** Finishing needs these, whether the publish has just begun or is taken up again. */
interface Finishing {
  readonly options: Pick<PublishOptions, 'cwd' | 'otp' | 'onStep' | 'signal'>;
  readonly configuration: NpmConfiguration;
  readonly folder: JobFolder;
  readonly tarball: Uint8Array;
  readonly client: RegistryClient;
  readonly trust: TrustMaterial;
  readonly http: ServiceAccess;
}

async function finish(kept: KeptJob, finishing: Finishing): Promise<PublishReport> {
  const { options, configuration, folder, tarball, client, trust, http } = finishing;
  const { otp, signal, cwd } = options;
  let reached: PublishStep | undefined;
  const onStep = (step: PublishStep) => {
    reached = step;
    options.onStep?.(step);
  };
  let { job } = kept;
  let report: PublishReport;
  try {
    const { bundle } = await completeBundle(parseBundle(job.bundle), {
      services: job.services,
      trust,
      identity: job.identity,
      http,
      onStep,
      onProgress: async (progress) => {
        job = { ...job, bundle: bundleToJson(progress) };
        await folder.keep(job);
      },
    });
    const { name, version, integrity } = job;
    // As a consumer will: not only that the bundle holds, but that it is about this name, this version and these bytes.
    const attestation = verifyPackageBundle(bundle, { name, version, integrity, trust });
    signal?.throwIfAborted();
    await upload(job, tarball, client, {
      otp,
      onStep,
      signal,
      ...(http.retry?.deadline === undefined ? {} : { deadline: http.retry.deadline }),
    });
    report = describePublished(job, tarball.length, attestation);
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

async function beginJob(options: PublishOptions, prepared: PreparedPublish, http: ServiceAccess): Promise<PublishJob> {
  const { packed, client, preflight, tag, access, services, servicesFromRegistry } = prepared;
  const { name, version, tarball } = packed;
  const signed = await signPackage({ name, version, tarball }, prepared, options, http);
  return {
    format: 1,
    name,
    version,
    integrity: sha512Integrity(tarball),
    registry: client.url,
    tag,
    ...(access === undefined ? {} : { access }),
    ...(packed.folder === undefined ? {} : { folder: relative(options.cwd, packed.folder) }),
    manifest: packed.manifest,
    services,
    servicesFromRegistry,
    ...signed,
    ...(preflight.user === undefined ? {} : { user: preflight.user }),
  };
}

/** Asks for the identity and signs; what comes back is public, and no log has heard of it yet. */
async function signPackage(
  subject: { readonly name: string; readonly version: string; readonly tarball: Uint8Array },
  where: Pick<PreparedPublish, 'services' | 'trust'> & { readonly login: InstanceDescription['login'] },
  options: Pick<PublishOptions, 'findToken' | 'onStep' | 'signal'>,
  http: ServiceAccess,
): Promise<Pick<PublishJob, 'identity' | 'identitySource' | 'bundle'>> {
  const { services, trust, login } = where;
  const { findToken, onStep, signal } = options;
  const { name, version, tarball } = subject;
  onStep?.('identity');
  const wanted = await tokenRequirements(services.caUrl, login, http);
  const { token, source }: FoundToken = await findToken(wanted);
  const session = await SigningSession.open({ identityToken: token, services, trust, onStep, signal, http });
  const statement = statementV1({
    subject: [{ name: toPurl(name, version), digest: { sha512: toHex(digest('sha512', tarball)) } }],
    ...createProvenance(token, session.claims, { name, version }),
  });
  const begun = await session.beginStatement(statement);
  return { identity: session.identity, identitySource: source, bundle: bundleToJson(begun) };
}

/**
 * A certificate lives for minutes. Where no timestamp shows that the signature was made in time, and so no log has it
 * either, the same bytes are signed anew.
 */
async function renewIfExpired(
  job: PublishJob,
  tarball: Uint8Array,
  options: Pick<PublishOptions, 'findToken' | 'onStep' | 'signal'> & { readonly trust: TrustMaterial },
  http: ServiceAccess,
): Promise<PublishJob> {
  const bundle = parseBundle(job.bundle);
  if (bundle.timestamps.length > 0 || bundle.key.kind !== 'certificate') return job;
  // Half a minute for the way to the timestamp authority.
  if (Certificate.parse(bundle.key.certificate).isValidAt(new Date(Date.now() + 30_000))) return job;
  const { name, version, services } = job;
  const signed = await signPackage(
    { name, version, tarball },
    { services, trust: options.trust, login: undefined },
    options,
    http,
  );
  return { ...job, ...signed };
}

async function refuseSecondJob(folder: JobFolder, { packed }: PreparedPublish): Promise<void> {
  const other = (await folder.list()).find(({ job }) => job.name === packed.name && job.version === packed.version);
  if (other === undefined) return;
  throw new SignetError(
    'ERR_PUBLISH_UNFINISHED',
    `an earlier publish of ${packed.name}@${packed.version} is unfinished; run signet publish --resume, or delete ${other.path} to begin anew`,
  );
}

function onlyJob(jobs: readonly KeptJob[], folder: JobFolder): KeptJob {
  const [first, second] = jobs;
  if (first === undefined) {
    throw new SignetError('ERR_USAGE', `there is no unfinished publish in ${folder.path}`);
  }
  if (second === undefined) return first;
  const names = jobs.map(({ job, path }) => `${job.name}@${job.version} (${path})`).join(', ');
  throw new SignetError(
    'ERR_USAGE',
    'there are several unfinished publishes; delete those that shall not be finished',
    { found: names },
  );
}

/** All services together have one budget of time, from now on. */
function serviceAccess(options: Pick<PublishOptions, 'retryFor' | 'signal' | 'http'>): ServiceAccess {
  const { retryFor = defaultRetryFor, signal, http } = options;
  const retry = {
    attempts: Number.POSITIVE_INFINITY,
    budget: retryFor,
    firstDelay: 250,
    deadline: Date.now() + retryFor,
  };
  return { ...http, signal, retry };
}

/** What {@link rehearsePublish} found out. */
export type PublishRehearsal = Omit<PreparedPublish, 'client' | 'login' | 'trust'> & { readonly integrity: string };

/**
 * Does all of a publish that nobody sees. Nothing is signed, logged or sent.
 *
 * @throws what {@link preparePublish} throws
 */
export async function rehearsePublish(options: Omit<PublishOptions, 'findToken'>): Promise<PublishRehearsal> {
  const configuration = await loadNpmConfiguration({ cwd: options.cwd, env: options.env });
  const { client: _client, login: _login, trust: _trust, ...found } = await preparePublish(options, configuration);
  return { ...found, integrity: sha512Integrity(found.packed.tarball) };
}
