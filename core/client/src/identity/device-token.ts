import { SignetError } from '@signet/primitives/formats';
import { IdentityToken } from './identity-token.ts';
import { issuerUrl, provider } from './provider.ts';

/** How a person logs in whose browser is on another device. */
export interface DeviceLogin {
  /** The identity provider: its issuer URL, https, or http on this machine. */
  readonly issuer: string;
  /** Under which the provider knows this client; the token's audience. Default `sigstore`. */
  readonly clientId?: string;
  /** Tells the person where to go and what to enter there; `complete` is the page with the code in it, where there is one. */
  readonly showCode: (page: URL, code: string, complete: URL | undefined) => void;
  /** Milliseconds that the person has at most; the provider may give less. Default ten minutes. */
  readonly timeout?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Logs a person in at a terminal without a browser: the provider shows a code that is entered on any other device (RFC 8628). The
 * ID token's signature, issuer, audience and times are checked by openid-client.
 *
 * @throws ERR_IDENTITY_PROVIDER when the provider has no device flow or refuses, ERR_IDENTITY_TIMEOUT, ERR_CONFIGURATION for an
 * issuer over plain http that is not this machine
 */
export async function deviceToken(login: DeviceLogin): Promise<IdentityToken> {
  const { issuer, clientId = 'sigstore', showCode, timeout = 600_000, signal } = login;
  const server = issuerUrl(issuer);
  const oidc = await import('openid-client');
  const insecure = server.protocol === 'http:' ? [oidc.allowInsecureRequests] : [];
  const configuration = await provider(issuer, () =>
    oidc.discovery(server, clientId, { client_id: clientId }, oidc.None(), {
      execute: [...insecure, oidc.enableNonRepudiationChecks],
      timeout: 20,
    }),
  );
  if (configuration.serverMetadata().device_authorization_endpoint === undefined) {
    throw new SignetError(
      'ERR_IDENTITY_PROVIDER',
      `the identity provider ${issuer} has no login by code; log in by a browser`,
    );
  }
  const limit = AbortSignal.timeout(timeout);
  const granted = await provider(issuer, () =>
    oidc.initiateDeviceAuthorization(configuration, { scope: 'openid email' }),
  );
  showCode(pageOf(granted.verification_uri, issuer), granted.user_code, completeOf(granted.verification_uri_complete));
  const ended = signal === undefined ? limit : AbortSignal.any([limit, signal]);
  let expired = false;
  const poll = async () => {
    try {
      return await oidc.pollDeviceAuthorizationGrant(configuration, granted, undefined, { signal: ended });
    } catch (thrown) {
      expired = isExpired(thrown);
      throw thrown;
    }
  };
  const tokens = await provider(issuer, poll).catch((thrown: unknown) => {
    signal?.throwIfAborted();
    if (!limit.aborted && !expired) throw thrown;
    throw new SignetError('ERR_IDENTITY_TIMEOUT', 'nobody entered the code in time; run the command again');
  });
  if (tokens.id_token === undefined) {
    throw new SignetError('ERR_IDENTITY_PROVIDER', `the identity provider ${issuer} gives no ID token`);
  }
  return IdentityToken.parse(tokens.id_token);
}

/** The person is sent there, so that it must be a page of the web. */
function pageOf(text: string, issuer: string): URL {
  const url = completeOf(text);
  if (url !== undefined) return url;
  throw new SignetError('ERR_IDENTITY_PROVIDER', `the identity provider ${issuer} names no page to enter the code on`);
}

function completeOf(text: string | undefined): URL | undefined {
  const url = text !== undefined && URL.canParse(text) ? new URL(text) : undefined;
  return url?.protocol === 'https:' || url?.protocol === 'http:' ? url : undefined;
}

/** RFC 8628 §3.5. */
function isExpired(thrown: unknown): boolean {
  return typeof thrown === 'object' && thrown !== null && 'error' in thrown && thrown.error === 'expired_token';
}
