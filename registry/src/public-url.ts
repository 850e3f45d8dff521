import { SignetError } from '@signet/primitives/formats';

/** Base URLs of everything on the one origin (INTERFACES.md, "One origin"); none ends with a slash except `registry`. */
export interface InstanceUrls {
  readonly publicUrl: string;
  readonly registry: string;
  readonly ca: string;
  readonly ct: string;
  readonly log: string;
  /** Null in an instance that was made before there was a v1 log. */
  readonly logV1: string | null;
  readonly tsa: string;
  readonly tuf: string;
  readonly oidc: string;
  readonly ciIssuer: string;
  readonly instance: string;
  readonly trustedRoot: string;
  readonly signingConfig: string;
}

/** The path below which everything that is not npm's own protocol lives. */
export const servicesPrefix = '/-/signet';

/**
 * Checks and normalises a public URL: http or https, no credentials, path, query or fragment. The result carries no
 * trailing slash. It becomes the log's origin and the development issuer and can never change afterwards.
 *
 * @throws ERR_INSTANCE_CONFIG
 */
export function parsePublicUrl(text: string): string {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new SignetError('ERR_INSTANCE_CONFIG', `The public URL ${JSON.stringify(text)} is not an http or https URL`);
  }
  if (url.username !== '' || url.password !== '' || url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw new SignetError(
      'ERR_INSTANCE_CONFIG',
      `The public URL ${JSON.stringify(text)} must be an origin alone, such as https://npm.acme.example`,
    );
  }
  return url.origin;
}

/**
 * Whether nobody but this machine can be meant by the URL. `localhost` counts: RFC 6761 §6.3 reserves it for loopback.
 */
export function isLoopback(publicUrl: string): boolean {
  const { hostname } = new URL(publicUrl);
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

/**
 * All URLs that follow from the public one.
 *
 * @param has what not every instance has
 */
export function instanceUrls(publicUrl: string, has: { readonly logV1: boolean } = { logV1: true }): InstanceUrls {
  const below = (path: string) => `${publicUrl}${servicesPrefix}/${path}`;
  return {
    publicUrl,
    registry: `${publicUrl}/`,
    ca: below('ca'),
    ct: below('ct'),
    log: below('log'),
    logV1: has.logV1 ? below('log-v1') : null,
    tsa: below('tsa'),
    tuf: below('tuf'),
    oidc: below('oidc'),
    ciIssuer: below('oidc/ci'),
    instance: below('v1/instance'),
    trustedRoot: below('v1/trusted_root.json'),
    signingConfig: below('v1/signing_config.v0.2.json'),
  };
}

/** The base URL of a certificate log: a rotation continues it in a new log beside the old one. */
export function certificateLogUrl(urls: InstanceUrls, generation: number): string {
  return generation === 1 ? urls.ct : `${urls.ct}-${generation}`;
}
