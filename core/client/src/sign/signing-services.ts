import { SignetError, type SigningConfig, selectServices } from '@signet/primitives/formats';
import type { TrustMaterial } from '../trust/index.ts';

/** The services that one signature is made with. */
export interface SigningServices {
  /** Base URL of the certificate authority. */
  readonly caUrl: string;
  /** Timestamp authorities: the endpoint itself, or the base URL below which `/api/v1/timestamp` is. */
  readonly tsaUrls: readonly string[];
  /** Base URLs of transparency logs. */
  readonly logUrls: readonly string[];
  /** The API of all of these logs: Rekor's second, or its first. Default 2. */
  readonly rekorVersion?: 1 | 2;
}

/**
 * Chooses services from a signing config: those valid now, by its selectors (client-spec, SigningConfig v0.2).
 *
 * @throws ERR_SERVICE_UNAVAILABLE when a kind has too few
 */
export function servicesFromSigningConfig(config: SigningConfig, now: Date = new Date()): SigningServices {
  const [ca] = selectServices(
    config.caUrls,
    { selector: 'ANY' },
    { what: 'certificate authorities', supportedVersions: [1], now },
  );
  const logs = selectServices(config.rekorTlogUrls, config.rekorTlogConfig, {
    what: 'transparency logs',
    supportedVersions: [1, 2],
    now,
  });
  const rekorVersion = logs[0]?.majorApiVersion === 1 ? 1 : 2;
  // The second version of Rekor gives no time; of the first, the log's own time serves where there is no authority.
  const authorities =
    rekorVersion === 1 && config.tsaUrls.length === 0
      ? []
      : selectServices(config.tsaUrls, config.tsaConfig, {
          what: 'timestamp authorities',
          supportedVersions: [1],
          now,
        });
  if (ca === undefined) throw new SignetError('ERR_SERVICES', 'the signing config names no certificate authority');
  return {
    caUrl: ca.url,
    tsaUrls: authorities.map(({ url }) => url),
    logUrls: logs.map(({ url }) => url),
    ...(rekorVersion === 1 ? { rekorVersion } : {}),
  };
}

/**
 * Demands that the trusted root names each service. Where a registry says which services to use, it must not be able to
 * send the identity token to a certificate authority of its own choice, nor signatures to a log nobody watches.
 *
 * @throws ERR_SERVICES naming the service and what the trusted root has instead
 */
export function assertNamedByTrust(services: SigningServices, trust: TrustMaterial): void {
  const { certificateAuthorities, tlogs, timestampAuthorities } = trust.root;
  demand(
    'certificate authority',
    services.caUrl,
    certificateAuthorities.map(({ uri }) => uri),
  );
  for (const url of services.logUrls)
    demand(
      'transparency log',
      url,
      tlogs.map(({ baseUrl }) => baseUrl),
    );
  for (const url of services.tsaUrls)
    demand(
      'timestamp authority',
      url,
      timestampAuthorities.map(({ uri }) => uri),
    );
}

function demand(what: string, url: string, named: readonly string[]): void {
  if (named.some((one) => samePlace(one, url))) return;
  throw new SignetError(
    'ERR_SERVICES',
    `the registry names a ${what} that the trusted root does not know; nothing was sent to it`,
    {
      expected: named.join(' or ') || `a ${what} in the trusted root`,
      found: url,
    },
  );
}

/** Trusted roots name an authority by its base URL, signing configs by its endpoint; either may end with a slash. */
function samePlace(one: string, other: string): boolean {
  const base = (text: string) => {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    return url === undefined
      ? undefined
      : `${url.origin}${url.pathname.replace(/\/api\/v1\/timestamp$/, '').replace(/\/+$/, '')}`;
  };
  const left = base(one);
  return left !== undefined && left === base(other);
}

/** The URL of an endpoint below a service's base URL. */
export function endpoint(baseUrl: string, path: string): string {
  return `${baseUrl.replace(/\/+$/, '')}${path}`;
}
