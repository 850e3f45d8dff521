import { setTimeout as sleep } from 'node:timers/promises';
import { canonicalize, SignetError } from '@signet/primitives/formats';
import { isObject, type JsonObject } from '../http/index.ts';
import { createPublishDocument } from '../npm/index.ts';
import type { PublishJob } from './publish-job.ts';
import type { RegistryClient } from './registry-client.ts';

/** How an upload is told about, ended and repeated. */
export interface UploadOptions {
  readonly otp?: string | undefined;
  readonly onStep?: ((step: 'upload' | 'read back') => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The registry has just said that it does not have the version, and nothing was sent since. */
  readonly isFresh?: boolean;
  /** Milliseconds since 1970 until which failures of the network are met by trying again. Default: once. */
  readonly deadline?: number;
}

/**
 * Brings a signed package to the registry and makes sure that it is there: one PUT with tarball and bundle, then both are
 * read back and compared. A version that turns out to be there with our bytes counts as sent: an earlier attempt got
 * through and its answer was lost.
 *
 * @param tarball the bytes that the job's integrity is of
 * @throws what the registry's refusal becomes; ERR_INTEGRITY_MISMATCH when the registry serves other bytes under this version,
 * ERR_READ_BACK when it does not show version or bundle
 */
export async function upload(
  job: PublishJob,
  tarball: Uint8Array,
  registry: RegistryClient,
  options: UploadOptions = {},
): Promise<void> {
  options.onStep?.('upload');
  for (let attempt = 1; ; attempt++) {
    try {
      await send(job, tarball, registry, { ...options, isFresh: options.isFresh === true && attempt === 1 });
      break;
    } catch (thrown) {
      const wait = Math.min(500 * 2 ** attempt, 15_000);
      if (!isPassing(thrown) || Date.now() + wait > (options.deadline ?? 0)) throw thrown;
      await pause(wait, options.signal);
    }
  }
  options.onStep?.('read back');
  await readBack(job, registry, options.signal);
}

async function send(
  job: PublishJob,
  tarball: Uint8Array,
  registry: RegistryClient,
  options: UploadOptions,
): Promise<void> {
  const { name, version, integrity, bundles } = job;
  const [, ...others] = bundles;
  // Before the version: a policy may demand them of it.
  for (const other of others) await registry.attach(other, version, options.signal);
  // Asked first, so that what arrived earlier is not sent again: some registries answer that with words of their own.
  const { integrities } =
    options.isFresh === true ? { integrities: new Map<string, string>() } : await registry.versions();
  if (integrities.get(version) === integrity) return;
  if (integrities.has(version)) {
    throw new SignetError(
      'ERR_VERSION_EXISTS',
      `${registry.url} has ${name}@${version} with other bytes; raise the version`,
      {
        expected: integrity,
        found: integrities.get(version) ?? 'no integrity',
      },
    );
  }
  try {
    await put(job, tarball, registry, options);
  } catch (thrown) {
    if (!(thrown instanceof SignetError) || thrown.code !== 'ERR_VERSION_EXISTS') throw thrown;
    const after = await registry.versions();
    if (after.integrities.get(version) === integrity) return;
    if (after.integrities.has(version)) throw thrown;
    // Somebody else was writing to the package at that moment.
    throw new SignetError(
      'ERR_HTTP_STATUS',
      `${registry.url} answers that there is a conflict, but does not have ${name}@${version}`,
      { cause: thrown },
    );
  }
}

/** Sends version and bundle in the way that the registry can. */
async function put(
  job: PublishJob,
  tarball: Uint8Array,
  registry: RegistryClient,
  { otp, signal }: UploadOptions,
): Promise<void> {
  const { manifest, version, tag, upload: way } = job;
  const [bundle] = job.bundles;
  if (bundle === undefined) throw new TypeError('a publish has at least one bundle');
  const access = job.access === undefined ? {} : { access: job.access };
  if (way === 'npm') {
    await registry.publishByNpm(version, { manifest, tarball, bundle, tag, ...access }, { otp, signal });
    return;
  }
  const document = (more: { readonly bundle?: JsonObject }) =>
    createPublishDocument({ manifest, tarball, tag, registry: registry.url, ...access, ...more });
  if (way === 'document') {
    try {
      await registry.publish(document({ bundle }), version, { otp, signal });
      return;
    } catch (thrown) {
      if (!isPlain(thrown)) throw thrown;
    }
  }
  await registry.attach(bundle, version, signal);
  await registry.publish(document({}), version, { otp, signal });
}

/** Verdaccio's words for a second attachment, where what takes it stands beside Verdaccio and not in it. */
function isPlain(thrown: unknown): boolean {
  return (
    thrown instanceof SignetError &&
    thrown.code === 'ERR_REGISTRY_REFUSED' &&
    /status 400\).*unsupported registry call/.test(thrown.message)
  );
}

function isPassing(thrown: unknown): boolean {
  return (
    thrown instanceof SignetError && ['ERR_NETWORK', 'ERR_NETWORK_TIMEOUT', 'ERR_HTTP_STATUS'].includes(thrown.code)
  );
}

/** Milliseconds to wait before looking again: registries behind caches show a new version a little later. */
const patience = [0, 200, 500, 1000, 2000];

async function readBack(job: PublishJob, registry: RegistryClient, signal: AbortSignal | undefined): Promise<void> {
  let difference: SignetError | undefined;
  for (const wait of patience) {
    await pause(wait, signal);
    difference = await compare(job, registry);
    if (difference === undefined) return;
    // Other bytes under our version will not turn into ours.
    if (difference.code === 'ERR_INTEGRITY_MISMATCH') break;
  }
  throw difference ?? new SignetError('ERR_READ_BACK', 'the registry does not show the version');
}

/** What the registry serves instead of what was published, or undefined when it is the same. */
async function compare(job: PublishJob, registry: RegistryClient): Promise<SignetError | undefined> {
  const label = `${job.name}@${job.version}`;
  const [{ integrities }, document] = await Promise.all([registry.versions(), registry.attestations(job.version)]);
  const found = integrities.get(job.version);
  if (found !== undefined && found !== job.integrity) {
    return new SignetError(
      'ERR_INTEGRITY_MISMATCH',
      `${registry.url} serves ${label} with other bytes than were published`,
      { expected: job.integrity, found },
    );
  }
  if (found === undefined) {
    return new SignetError('ERR_READ_BACK', `${registry.url} does not show ${label} after it was published`);
  }
  const served = Array.isArray(document?.attestations) ? document.attestations.filter(isObject) : [];
  const theirs = new Set(served.flatMap(({ bundle }) => (isObject(bundle) ? [canonicalize(bundle)] : [])));
  const absent = job.bundles.filter((bundle) => !theirs.has(canonicalize(bundle)));
  if (absent.length === 0) return undefined;
  return new SignetError(
    'ERR_READ_BACK',
    `${registry.url} does not serve ${absent.length === job.bundles.length ? 'the signature' : 'every attestation'} of ${label} that was published`,
    {
      expected: 'our bundles among its attestations',
      found: `${served.length} other attestations`,
    },
  );
}

async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(milliseconds, undefined, signal === undefined ? {} : { signal }).catch((thrown: unknown) => {
    throw signal?.reason ?? thrown;
  });
}
