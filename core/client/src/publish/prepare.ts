import { describeValue, inert, SignetError } from '@signet/primitives/formats';
import { HttpStatusError, isObject, textMember } from '../http/index.ts';
import { assertNamedByTrust, describeInstance, type InstanceDescription, type SigningServices } from '../sign/index.ts';
import type { TrustMaterial } from '../trust/index.ts';
import type { NpmConfiguration } from './npm-configuration.ts';
import { isNpmjs } from './npmjs-rules.ts';
import { type PackedPackage, packPackage } from './pack.ts';
import { type Preflight, preflight } from './preflight.ts';
import type { PublishOptions } from './publish-options.ts';
import type { RegistryClient } from './registry-client.ts';
import { ReleaseRegistries } from './release-registries.ts';
import { openRegistry } from './trusted-publishing.ts';
import { isPublicGood, npmServices, type UploadWay, uploadWayOf } from './upload-way.ts';

/** A package packed and found publishable; nothing public has happened yet. */
export interface PreparedPublish {
  readonly packed: PackedPackage;
  readonly client: RegistryClient;
  readonly preflight: Preflight;
  readonly tag: string;
  readonly access: 'public' | 'restricted' | undefined;
  readonly trust: TrustMaterial;
  readonly services: SigningServices;
  /** Whether nobody but the registry named the services, or npm's own were taken. */
  readonly servicesFromRegistry: boolean;
  readonly upload: UploadWay;
  readonly login: InstanceDescription['login'];
}

/**
 * Does all of a publish that nobody sees: packs, asks the registry what it would refuse, finds the services.
 *
 * @throws ERR_PACKAGE…, ERR_PACK_FAILED, ERR_VERSION_EXISTS, ERR_REGISTRY_…, ERR_SERVICES
 */
export async function preparePublish(
  options: Omit<PublishOptions, 'findToken'>,
  configuration: NpmConfiguration,
): Promise<PreparedPublish> {
  options.onStep?.('pack');
  return await preparePacked(await packPackage(options.source, configuration), options, configuration);
}

/** As {@link preparePublish}, of a package that is packed already. */
export async function preparePacked(
  packed: PackedPackage,
  options: Omit<PublishOptions, 'findToken' | 'source'>,
  configuration: NpmConfiguration,
  registries: ReleaseRegistries = new ReleaseRegistries(),
): Promise<PreparedPublish> {
  const { onStep, registry } = options;
  const publishConfig = isObject(packed.manifest.publishConfig) ? packed.manifest.publishConfig : {};
  onStep?.('preflight');
  const configured = { registry, publishConfig: textMember(publishConfig, 'registry') };
  const client = await openRegistry(packed.name, configuration, configured, options);
  // npm's registry describes nothing; it is known.
  const isNpms = await isNpmjs(client.url);
  const described = isNpms ? undefined : registries.instance(client.url, () => describe(client.url, options));
  const instance = await described;
  if (instance?.names !== undefined) assertOwned(packed.name, instance.names, client.url);
  const chosenTag = options.tag ?? textMember(publishConfig, 'tag');
  const configuredTag = configuration.options.defaultTag;
  const tag = chosenTag ?? (typeof configuredTag === 'string' ? configuredTag : 'latest');
  const isChosen = chosenTag !== undefined || configuration.tagIsChosen;
  const checked = await preflight(client, packed, { name: tag, isChosen }, registries);
  const trust = typeof options.trust === 'function' ? await options.trust(packed.name) : options.trust;
  // What is published to npm is public. The name of a package of any other registry goes to a public log by its author's word alone.
  const standard = isNpms && isPublicGood(trust) ? npmServices : undefined;
  const services = options.services ?? instance?.services ?? standard;
  if (services === undefined) throw elsewhere(client.url, packed.name);
  const upload = await registries.upload(client, () =>
    uploadWayOf(client, { isInstance: instance !== undefined, trust }),
  );
  const servicesFromRegistry = options.services === undefined;
  if (servicesFromRegistry) assertNamedByTrust(services, trust);
  const login = servicesFromRegistry ? instance?.login : undefined;
  const access = options.access ?? accessOf(textMember(publishConfig, 'access') ?? configuration.options.access);
  return { packed, client, preflight: checked, tag, access, trust, services, servicesFromRegistry, upload, login };
}

/** Asks the registry what it says of itself. Other registries than Signet's describe nothing. */
async function describe(
  registry: string,
  { services, signal, http }: Pick<PublishOptions, 'services' | 'signal' | 'http'>,
): Promise<InstanceDescription | undefined> {
  try {
    return await describeInstance(registry, { ...http, signal });
  } catch (thrown) {
    signal?.throwIfAborted();
    if (services !== undefined && thrown instanceof SignetError) return undefined;
    if (thrown instanceof SignetError && thrown.cause instanceof HttpStatusError) return undefined;
    throw thrown;
  }
}

/** Most often the registry is not the one that was meant. */
function elsewhere(registry: string, name: string): SignetError {
  const scope = name.startsWith('@') ? `${name.slice(0, name.indexOf('/'))}:registry` : 'registry';
  return new SignetError(
    'ERR_CONFIGURATION',
    `npm's configuration sends ${name} to ${registry}, which has no signing services. If it belongs elsewhere, say so: npm config set ${scope} URL, or --registry URL. If it belongs there, name the services with --signing-config FILE`,
  );
}

/**
 * A name that the registry does not own is refused there, but only after its signature stands in the log.
 *
 * @throws ERR_PUBLISH_FORBIDDEN
 */
function assertOwned(name: string, patterns: readonly string[], registry: string): void {
  const owned = patterns.some((pattern) =>
    pattern.endsWith('/*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern,
  );
  if (owned) return;
  throw new SignetError(
    'ERR_PUBLISH_FORBIDDEN',
    `this registry owns only ${inert(patterns.join(', ')) || 'no names'}, you tried ${name}; nothing was signed`,
    { expected: `a name that ${registry} owns`, found: name },
  );
}

function accessOf(value: unknown): 'public' | 'restricted' | undefined {
  if (value === undefined || value === null) return undefined;
  if (value === 'public' || value === 'restricted') return value;
  throw new SignetError('ERR_USAGE', 'access is neither public nor restricted', { found: describeValue(value) });
}
