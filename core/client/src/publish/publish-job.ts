import { canonicalize, SignetError } from '@signet/primitives/formats';
import { isObject, type JsonObject } from '../http/index.ts';
import { createPublishDocument, sha512Integrity } from '../npm/index.ts';
import type { RegistryClient } from './registry-client.ts';

/**
 * Everything that is needed to finish a publish once it is signed: from here on nothing is made anew, so that a publish
 * that stops can be taken up again with the same bytes, the same certificate and the same log entry. Holds no secrets.
 */
export interface PublishJob {
  readonly format: 1;
  readonly name: string;
  readonly version: string;
  /** sha512 of the tarball. */
  readonly integrity: string;
  readonly registry: string;
  readonly tag: string;
  readonly access?: 'public' | 'restricted';
  /** package.json as it shall stand in the registry. */
  readonly manifest: JsonObject;
  readonly bundle: JsonObject;
}

/**
 * Brings a signed package to the registry and makes sure that it is there: one PUT with tarball and bundle, then both are
 * read back and compared. A version that turns out to be there with our bytes counts as published: an earlier attempt got
 * through and its answer was lost.
 *
 * @throws ERR_INTEGRITY_MISMATCH when the tarball is not the one that was signed or the registry then serves another, what
 * the registry's refusal becomes, and ERR_READ_BACK
 */
export async function finishPublish(
  job: PublishJob,
  tarball: Uint8Array,
  registry: RegistryClient,
  options: {
    readonly otp?: string | undefined;
    readonly onStep?: ((step: 'upload' | 'read back') => void) | undefined;
  } = {},
): Promise<void> {
  const integrity = sha512Integrity(tarball);
  if (integrity !== job.integrity) {
    throw new SignetError('ERR_INTEGRITY_MISMATCH', 'the tarball is not the one that was signed; nothing was sent', {
      expected: job.integrity,
      found: integrity,
    });
  }
  options.onStep?.('upload');
  const { manifest, bundle, tag, access } = job;
  const document = createPublishDocument({
    manifest,
    tarball,
    bundle,
    tag,
    registry: registry.url,
    ...(access === undefined ? {} : { access }),
  });
  try {
    await registry.publish(document, job.version, options.otp);
  } catch (thrown) {
    if (!(thrown instanceof SignetError) || thrown.code !== 'ERR_VERSION_EXISTS') throw thrown;
    const { integrities } = await registry.versions();
    if (integrities.get(job.version) !== job.integrity) throw thrown;
  }
  options.onStep?.('read back');
  await readBack(job, registry);
}

/** Milliseconds to wait before looking again: registries behind caches show a new version a little later. */
const patience = [0, 200, 500, 1000, 2000];

async function readBack(job: PublishJob, registry: RegistryClient): Promise<void> {
  let difference: SignetError | undefined;
  for (const wait of patience) {
    await new Promise((resolve) => setTimeout(resolve, wait));
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
  const { integrities } = await registry.versions();
  const found = integrities.get(job.version);
  if (found !== undefined && found !== job.integrity) {
    return new SignetError(
      'ERR_INTEGRITY_MISMATCH',
      `${registry.url} serves ${label} with other bytes than were published`,
      {
        expected: job.integrity,
        found,
      },
    );
  }
  if (found === undefined) {
    return new SignetError('ERR_READ_BACK', `${registry.url} does not show ${label} after it was published`);
  }
  const document = await registry.attestations(job.version);
  const served = Array.isArray(document?.attestations) ? document.attestations.filter(isObject) : [];
  const ours = canonicalize(job.bundle);
  if (served.some((one) => isObject(one.bundle) && canonicalize(one.bundle) === ours)) return undefined;
  return new SignetError(
    'ERR_READ_BACK',
    `${registry.url} does not serve the signature of ${label} that was published`,
    {
      expected: 'our bundle among its attestations',
      found: `${served.length} other attestations`,
    },
  );
}
