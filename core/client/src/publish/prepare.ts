import { describeValue, SignetError } from '@signet/primitives/formats';
import { isObject, type RetryPolicy, textMember } from '../http/index.ts';
import { assertNamedByTrust, describeInstance, type InstanceDescription, type SigningServices } from '../sign/index.ts';
import type { TrustMaterial } from '../trust/index.ts';
import type { NpmConfiguration } from './npm-configuration.ts';
import { type PackedPackage, packPackage } from './pack.ts';
import { type Preflight, preflight } from './preflight.ts';
import type { PublishOptions } from './publish-options.ts';
import { RegistryClient } from './registry-client.ts';

/** A package packed and found publishable; nothing public has happened yet. */
export interface PreparedPublish {
  readonly packed: PackedPackage;
  readonly client: RegistryClient;
  readonly preflight: Preflight;
  readonly tag: string;
  readonly access: 'public' | 'restricted' | undefined;
  readonly trust: TrustMaterial;
  readonly services: SigningServices;
  /** Whether the registry named the services. */
  readonly servicesFromRegistry: boolean;
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
  retry: RetryPolicy,
): Promise<PreparedPublish> {
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
  const isChosen = chosenTag !== undefined || configuration.tagIsChosen;
  const checked = await preflight(client, packed, { name: tag, isChosen });
  const trust = typeof options.trust === 'function' ? await options.trust(packed.name) : options.trust;
  const found =
    options.services === undefined
      ? await servicesOf(client.url, trust, { signal, retry })
      : { services: options.services, servicesFromRegistry: false, login: undefined };
  const access = options.access ?? accessOf(textMember(publishConfig, 'access') ?? configuration.options.access);
  return { packed, client, preflight: checked, tag, access, trust, ...found };
}

async function servicesOf(
  registry: string,
  trust: TrustMaterial,
  http: { readonly signal: AbortSignal | undefined; readonly retry: RetryPolicy },
): Promise<Pick<PreparedPublish, 'services' | 'servicesFromRegistry' | 'login'>> {
  const { services, login } = await describeInstance(registry, http);
  assertNamedByTrust(services, trust);
  return { services, servicesFromRegistry: true, login };
}

function accessOf(value: unknown): 'public' | 'restricted' | undefined {
  if (value === undefined || value === null) return undefined;
  if (value === 'public' || value === 'restricted') return value;
  throw new SignetError('ERR_USAGE', 'access is neither public nor restricted', { found: describeValue(value) });
}
