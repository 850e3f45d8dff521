import { digest } from '@signet/primitives/crypto';
import { SignetError, statementV1, toHex } from '@signet/primitives/formats';
import { isObject, textMember } from '../http/index.ts';
import type { FoundToken } from '../identity/index.ts';
import { sha512Integrity, toPurl, verifyPackageBundle } from '../npm/index.ts';
import {
  assertNamedByTrust,
  describeInstance,
  expectedAudience,
  type InstanceDescription,
  type SigningServices,
  SigningSession,
  type SigningStep,
} from '../sign/index.ts';
import type { TrustMaterial } from '../trust/index.ts';
import { loadNpmConfiguration } from './npm-configuration.ts';
import { type PackedPackage, packPackage, runLifecycleScript } from './pack.ts';
import { type Preflight, preflight } from './preflight.ts';
import { createProvenance } from './provenance.ts';
import { finishPublish, type PublishJob } from './publish-job.ts';
import { describePublished, type PublishReport } from './publish-report.ts';
import { RegistryClient } from './registry-client.ts';

/** The steps of a publish, in order, as `onStep` is told of them. */
export type PublishStep = 'pack' | 'preflight' | 'identity' | SigningStep | 'upload' | 'read back';

/** What is published, where to, in whose name, and whom the result must convince. */
export interface PublishOptions {
  /** Path of a folder or of a tarball. */
  readonly source: string;
  /** The folder whose `.npmrc` counts. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Overrides every configured registry. */
  readonly registry?: string | undefined;
  /** Distribution tag; default npm's configuration, `latest`. */
  readonly tag?: string | undefined;
  readonly access?: 'public' | 'restricted' | undefined;
  /** One-time password for the registry. */
  readonly otp?: string | undefined;
  /** What consumers of the package trust, or how to find it by the package's name. The finished bundle must verify with it. */
  readonly trust: TrustMaterial | ((packageName: string) => Promise<TrustMaterial>);
  /**
   * Services named by the caller. Without them the registry is asked where its services are, and only services that the
   * trusted root names are used.
   */
  readonly services?: SigningServices | undefined;
  /** Obtains the identity token, once nothing else stands in the way. */
  readonly findToken: (wanted: {
    readonly audience: string;
    readonly login: InstanceDescription['login'];
  }) => Promise<FoundToken>;
  readonly onStep?: ((step: PublishStep) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A package packed and found publishable; nothing public has happened yet. */
interface Prepared {
  readonly packed: PackedPackage;
  readonly client: RegistryClient;
  readonly checked: Preflight;
  readonly tag: string;
  readonly access: 'public' | 'restricted' | undefined;
  readonly trust: TrustMaterial;
  readonly services: SigningServices;
  readonly login: InstanceDescription['login'];
}

/**
 * Publishes a package with the proof of who published it: packed once, found publishable, signed keylessly, verified as a
 * consumer will verify it, sent in one request with its bundle, and read back.
 *
 * @throws ERR_PACKAGE…, ERR_PACK_FAILED, ERR_VERSION_EXISTS, ERR_REGISTRY_…, ERR_SERVICES, ERR_READ_BACK, and what signing
 * and verifying throw
 */
export async function publishPackage(options: PublishOptions): Promise<PublishReport> {
  const configuration = await loadNpmConfiguration({ cwd: options.cwd, env: options.env });
  const prepared = await prepare(options, configuration);
  const { packed, client, tag, access } = prepared;
  options.onStep?.('identity');
  const audience = await expectedAudience(prepared.services.caUrl, { signal: options.signal });
  const found = await options.findToken({ audience, login: prepared.login });
  const { bundle, attestation } = await sign(options, prepared, found);
  const job: PublishJob = {
    format: 1,
    name: packed.name,
    version: packed.version,
    integrity: sha512Integrity(packed.tarball),
    registry: client.url,
    tag,
    ...(access === undefined ? {} : { access }),
    manifest: packed.manifest,
    bundle,
  };
  options.signal?.throwIfAborted();
  await finishPublish(job, packed.tarball, client, { otp: options.otp, onStep: options.onStep });
  if (packed.folder !== undefined) {
    for (const event of ['publish', 'postpublish']) {
      await runLifecycleScript(event, packed.folder, packed.manifest, configuration);
    }
  }
  return describePublished(job, packed, attestation.verified, {
    user: prepared.checked.user,
    tokenSource: found.source,
    predicateType: attestation.predicateType,
  });
}

async function sign(
  options: PublishOptions,
  { packed, services, trust }: Prepared,
  { token }: FoundToken,
): Promise<{ bundle: Readonly<Record<string, unknown>>; attestation: ReturnType<typeof verifyPackageBundle> }> {
  const { onStep, signal } = options;
  const { name, version, tarball } = packed;
  const session = await SigningSession.open({ identityToken: token, services, trust, onStep, signal });
  const statement = statementV1({
    subject: [{ name: toPurl(name, version), digest: { sha512: toHex(digest('sha512', tarball)) } }],
    ...createProvenance(token, session.claims, { name, version }),
  });
  const { bundle } = await session.signStatement(statement);
  // As a consumer will: not only that the bundle holds, but that it is about this name, this version and these bytes.
  const attestation = verifyPackageBundle(bundle, { name, version, integrity: sha512Integrity(tarball), trust });
  return { bundle, attestation };
}

async function prepare(
  options: PublishOptions,
  configuration: Awaited<ReturnType<typeof loadNpmConfiguration>>,
): Promise<Prepared> {
  const { onStep, source, registry, signal } = options;
  onStep?.('pack');
  const packed = await packPackage(source, configuration);
  const publishConfig = isObject(packed.manifest.publishConfig) ? packed.manifest.publishConfig : {};
  onStep?.('preflight');
  const client = await RegistryClient.open(packed.name, configuration.options, {
    registry,
    publishConfig: textMember(publishConfig, 'registry'),
  });
  const chosenTag = options.tag ?? textMember(publishConfig, 'tag');
  const configuredTag = configuration.options.defaultTag;
  const tag = chosenTag ?? (typeof configuredTag === 'string' ? configuredTag : 'latest');
  const checked = await preflight(client, packed, {
    name: tag,
    isChosen: chosenTag !== undefined || configuration.tagIsChosen,
  });
  const trust = typeof options.trust === 'function' ? await options.trust(packed.name) : options.trust;
  const { services, login } = await findServices(options.services, client.url, trust, signal);
  const access = options.access ?? accessOf(textMember(publishConfig, 'access') ?? configuration.options.access);
  return { packed, client, checked, tag, access, trust, services, login };
}

async function findServices(
  given: SigningServices | undefined,
  registry: string,
  trust: TrustMaterial,
  signal: AbortSignal | undefined,
): Promise<{ services: SigningServices; login: InstanceDescription['login'] }> {
  if (given !== undefined) return { services: given, login: undefined };
  const { services, login } = await describeInstance(registry, { signal });
  assertNamedByTrust(services, trust);
  return { services, login };
}

function accessOf(value: unknown): 'public' | 'restricted' | undefined {
  if (value === undefined || value === null) return undefined;
  if (value === 'public' || value === 'restricted') return value;
  throw new SignetError('ERR_USAGE', 'access is neither public nor restricted', { found: String(value) });
}

/** What {@link rehearsePublish} found out. */
export interface PublishRehearsal {
  readonly packed: PackedPackage;
  readonly integrity: string;
  readonly preflight: Preflight;
  readonly tag: string;
  readonly access: 'public' | 'restricted' | undefined;
  readonly services: SigningServices;
}

/**
 * Does all of a publish that nobody sees: packs, asks the registry what it would refuse, finds the services. Nothing is
 * signed, logged or sent.
 *
 * @throws as {@link publishPackage} does up to the identity
 */
export async function rehearsePublish(options: Omit<PublishOptions, 'findToken'>): Promise<PublishRehearsal> {
  const configuration = await loadNpmConfiguration({ cwd: options.cwd, env: options.env });
  const findToken = () => Promise.reject(new TypeError('a rehearsal needs no token'));
  const { packed, checked, tag, access, services } = await prepare({ ...options, findToken }, configuration);
  return { packed, integrity: sha512Integrity(packed.tarball), preflight: checked, tag, access, services };
}
