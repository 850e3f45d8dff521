import { relative } from 'node:path';
import { SignetError } from '@signet/primitives/formats';
import type { ServiceAccess } from '../http/index.ts';
import { sha512Integrity } from '../npm/index.ts';
import { assertNamedByTrust, describeInstance, type SigningServices } from '../sign/index.ts';
import { Author } from './author.ts';
import { finish, settle } from './finish.ts';
import { JobFolder, type KeptJob } from './job-folder.ts';
import { loadNpmConfiguration, type NpmConfiguration } from './npm-configuration.ts';
import { type PackedPackage, packPackage, runsScripts } from './pack.ts';
import { extraAttestations } from './package-attestations.ts';
import { preflightIdentity, preflightKey } from './preflight.ts';
import { type PreparedPublish, preparePacked, preparePublish } from './prepare.ts';
import { provenanceType } from './provenance.ts';
import type { PublishJob } from './publish-job.ts';
import { defaultRetryFor, type PublishOptions } from './publish-options.ts';
import type { PublishReport } from './publish-report.ts';
import { ReleaseRegistries } from './release-registries.ts';
import { type ExtraAttestation, renewIfExpired, signPackage } from './sign-package.ts';
import { openRegistry } from './trusted-publishing.ts';

/** How many packages are witnessed and sent at a time. */
const concurrency = 10;

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
  const [report] = await publishPackages([options.source], options);
  if (report === undefined) throw new TypeError('a package was published without a report');
  return report;
}

/**
 * Publishes several packages, as the workspaces of a repository are: nothing of any of them becomes public before all are found
 * publishable, and one token and one certificate serve for all. Each then goes its own way: where one stops, the others go on,
 * and `--resume` finishes it.
 *
 * @param sources paths of folders or tarballs, in the order in which they are packed
 * @param onPublished called with each report as it comes
 * @throws as {@link publishPackage}; with several packages the error says how many were published
 */
export async function publishPackages(
  sources: readonly string[],
  options: Omit<PublishOptions, 'source'> & { readonly onPublished?: ((report: PublishReport) => void) | undefined },
): Promise<readonly PublishReport[]> {
  const http = serviceAccess(options);
  const configuration = await loadNpmConfiguration({ cwd: options.cwd, env: options.env });
  const folder = new JobFolder(options.cwd);
  const begin = async () => {
    const registries = new ReleaseRegistries();
    const pack = (source: string) => {
      options.onStep?.('pack');
      return packPackage(source, configuration);
    };
    const prepare = async (packing: Promise<PackedPackage>) =>
      await preparePacked(await packing, options, configuration, registries);
    const preparing: Promise<PreparedPublish>[] = [];
    // One after the other where their scripts may use each other's results; the registry is asked meanwhile.
    const apart = await runsScripts(sources, configuration);
    for (const source of sources) {
      const packing = pack(source);
      const asking = prepare(packing);
      // Heard of below, with the others.
      asking.catch(() => undefined);
      preparing.push(asking);
      if (apart) await packing;
    }
    await Promise.allSettled(preparing);
    const prepared = await Promise.all(preparing);
    const kept = await folder.list();
    for (const { packed } of prepared) refuseSecondJob(kept, packed);
    const extras: (readonly ExtraAttestation[])[] = [];
    for (const one of prepared) extras.push(await extraAttestations(one, options));
    const author = new Author(options, http);
    for (const [index, one] of prepared.entries()) {
      const predicateTypes = [provenanceType, ...(extras[index] ?? []).map(({ predicateType }) => predicateType)];
      if (author.signer !== undefined) {
        preflightKey(author.signer, one.preflight, one.packed, { upload: one.upload, predicateTypes });
        continue;
      }
      const { token } = await author.token(one.services, one.login);
      await preflightIdentity(token, one.preflight, one.packed, { access: one.access, predicateTypes });
    }
    const jobs: PublishJob[] = [];
    for (const [index, one] of prepared.entries()) jobs.push(await beginJob(options, one, extras[index] ?? [], author));
    return prepared.map((one, index) => ({ prepared: one, job: jobs[index] as PublishJob }));
  };
  const begun = await begin().catch((thrown: unknown) => {
    throw options.signal?.aborted ? cancelled() : thrown;
  });
  // All are kept before anything of one of them is sent.
  const paths = await Promise.all(begun.map(({ job, prepared }) => folder.keep(job, prepared.packed.tarball)));
  const results = await inTurn(begun, async ({ prepared, job }, index) => {
    const { tarball } = prepared.packed;
    const { client, trust } = prepared;
    const kept = { job, path: paths[index] ?? folder.fileOf(job.integrity) };
    const latestServices = () => servicesNow(job, options, http);
    const parts = { options, configuration, folder, tarball, http, client, trust, latestServices };
    const report = await finish(kept, { ...parts, isFresh: true });
    options.onPublished?.(report);
    return report;
  });
  return settle(results);
}

/**
 * Finishes the publish that stopped in this project: with the same bytes, with the same certificate where a timestamp shows
 * that it was used in time, and with the same log entry.
 *
 * @throws ERR_USAGE when there is none, or several; otherwise as {@link publishPackage}
 */
export async function resumePublish(options: ResumeOptions): Promise<PublishReport> {
  const folder = new JobFolder(options.cwd);
  const jobs = await folder.list();
  if (jobs.length > 1) {
    const names = jobs.map(({ job, path }) => `${job.name}@${job.version} (${path})`).join(', ');
    throw new SignetError('ERR_USAGE', 'there are several unfinished publishes', { found: names });
  }
  const [report] = await resumePublishes(options);
  if (report === undefined) throw new TypeError('a publish was finished without a report');
  return report;
}

/** What {@link publishPackage} takes, as far as the kept jobs do not say it. */
export type ResumeOptions = Omit<PublishOptions, 'source' | 'tag' | 'access' | 'registry' | 'sbom' | 'audit'> & {
  readonly onPublished?: ((report: PublishReport) => void) | undefined;
};

/**
 * Finishes every publish that stopped in this project, as {@link resumePublish} does one.
 *
 * @throws ERR_USAGE when there is none
 */
export async function resumePublishes(options: ResumeOptions): Promise<readonly PublishReport[]> {
  const http = serviceAccess(options);
  const folder = new JobFolder(options.cwd);
  const jobs = await folder.list();
  if (jobs.length === 0) throw new SignetError('ERR_USAGE', `there is no unfinished publish in ${folder.path}`);
  const configuration = await loadNpmConfiguration({ cwd: options.cwd, env: options.env });
  const author = new Author(options, http);
  const results = await inTurn(jobs, async (kept) => {
    const report = await resume(kept, { options, configuration, folder, http, author });
    options.onPublished?.(report);
    return report;
  });
  return settle(results);
}

async function resume(
  kept: KeptJob,
  given: {
    readonly options: ResumeOptions;
    readonly configuration: NpmConfiguration;
    readonly folder: JobFolder;
    readonly http: ServiceAccess;
    readonly author: Author;
  },
): Promise<PublishReport> {
  const { options, configuration, folder, http, author } = given;
  const tarball = await folder.tarball(kept);
  const { name, registry, services, servicesFromRegistry } = kept.job;
  const trust = typeof options.trust === 'function' ? await options.trust(name) : options.trust;
  if (servicesFromRegistry) assertNamedByTrust(services, trust);
  const client = await openRegistry(name, configuration, { registry }, options);
  const job = await renewIfExpired(kept.job, tarball, trust, author);
  if (job !== kept.job) await folder.keep(job);
  const latestServices = () => servicesNow(job, options, http);
  const parts = { options, configuration, folder, tarball, http, client, trust, latestServices };
  return await finish({ job, path: kept.path }, parts);
}

/** Asks anew whoever named the services of a job: the registry, or the author. */
async function servicesNow(
  { registry, servicesFromRegistry }: PublishJob,
  { services }: Pick<PublishOptions, 'services'>,
  http: ServiceAccess,
): Promise<SigningServices | undefined> {
  return servicesFromRegistry ? (await describeInstance(registry, http)).services : services;
}

/** What was made until now (at most a certificate for a key that is forgotten) is of no use to anybody. */
function cancelled(): SignetError {
  return new SignetError('ERR_CANCELLED', 'cancelled; nothing was signed');
}

async function beginJob(
  options: Pick<PublishOptions, 'cwd'>,
  prepared: PreparedPublish,
  extra: readonly ExtraAttestation[],
  author: Author,
): Promise<PublishJob> {
  const { packed, client, preflight, tag, access, services, servicesFromRegistry, upload, trust, login } = prepared;
  const { name, version, tarball } = packed;
  const { policy } = preflight;
  const signed = await signPackage({ name, version, tarball, services, trust, login, policy, extra }, author);
  return {
    format: 3,
    name,
    version,
    integrity: sha512Integrity(tarball),
    registry: client.url,
    tag,
    ...(access === undefined ? {} : { access }),
    ...(packed.folder === undefined ? {} : { folder: relative(options.cwd, packed.folder) }),
    manifest: packed.manifest,
    services,
    upload,
    servicesFromRegistry,
    ...signed,
    ...(preflight.user === undefined ? {} : { user: preflight.user }),
  };
}

function refuseSecondJob(kept: readonly KeptJob[], packed: PreparedPublish['packed']): void {
  const other = kept.find(({ job }) => job.name === packed.name && job.version === packed.version);
  if (other === undefined) return;
  throw new SignetError(
    'ERR_PUBLISH_UNFINISHED',
    `an earlier publish of ${packed.name}@${packed.version} is unfinished; run signet publish --resume, or delete ${other.path} to begin anew`,
  );
}

/** All services together have one budget of time, from now on. */
function serviceAccess(options: Pick<PublishOptions, 'retryFor' | 'signal' | 'http'>): ServiceAccess {
  const { retryFor = defaultRetryFor, signal, http } = options;
  const deadline = Date.now() + retryFor;
  return {
    ...http,
    signal,
    retry: { attempts: Number.POSITIVE_INFINITY, budget: retryFor, firstDelay: 250, deadline },
  };
}

/** Works on a few at a time; the end of one does not end the others. */
async function inTurn<Item, Result>(
  items: readonly Item[],
  work: (item: Item, index: number) => Promise<Result>,
): Promise<PromiseSettledResult<Result>[]> {
  const results: PromiseSettledResult<Result>[] = [];
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) {
      [results[index]] = (await Promise.allSettled([work(items[index] as Item, index)])) as [
        PromiseSettledResult<Result>,
      ];
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, worker));
  return results;
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
