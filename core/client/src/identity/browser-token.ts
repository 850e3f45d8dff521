import { SignetError } from '@signet/primitives/formats';
import { IdentityToken } from './identity-token.ts';
import { listenForRedirect } from './loopback.ts';
import { issuerUrl, provider } from './provider.ts';

/** How a person logs in. */
export interface BrowserLogin {
  /** The identity provider: its issuer URL, https, or http on this machine. */
  readonly issuer: string;
  /** Under which the provider knows this client; the token's audience. Default `sigstore`. */
  readonly clientId?: string;
  /** Shows or opens the page where the person logs in. */
  readonly openBrowser: (url: URL) => void;
  /** Milliseconds that the person has. Default five minutes. */
  readonly timeout?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Logs a person in: authorization code flow with PKCE S256 (RFC 7636), state and nonce, over a redirect to a free port of
 * this machine (RFC 8252). The ID token's signature, issuer, audience, nonce and times are checked by openid-client.
 *
 * @throws ERR_IDENTITY_PROVIDER when the provider cannot be used or refuses, ERR_IDENTITY_TIMEOUT, ERR_CONFIGURATION for an
 * issuer over plain http that is not this machine
 */
export async function browserToken(login: BrowserLogin): Promise<IdentityToken> {
  const { issuer, clientId = 'sigstore', openBrowser, timeout = 300_000, signal } = login;
  const server = issuerUrl(issuer);
  // Loaded here: whoever signs in CI or only verifies does not pay for it.
  const oidc = await import('openid-client');
  const insecure = server.protocol === 'http:' ? [oidc.allowInsecureRequests] : [];
  const configuration = await provider(issuer, () =>
    oidc.discovery(server, clientId, { client_id: clientId }, oidc.None(), {
      execute: [...insecure, oidc.enableNonRepudiationChecks],
      timeout: 20,
    }),
  );
  const redirect = await listenForRedirect();
  try {
    const verifier = oidc.randomPKCECodeVerifier();
    const state = oidc.randomState();
    const nonce = oidc.randomNonce();
    const page = oidc.buildAuthorizationUrl(configuration, {
      redirect_uri: redirect.redirectUri,
      scope: 'openid email',
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
    });
    const callback = redirect.callback(state, { timeout, signal });
    openBrowser(page);
    const url = await callback;
    const tokens = await provider(issuer, () =>
      oidc.authorizationCodeGrant(configuration, url, {
        pkceCodeVerifier: verifier,
        expectedState: state,
        expectedNonce: nonce,
        idTokenExpected: true,
      }),
    );
    if (tokens.id_token === undefined) {
      throw new SignetError('ERR_IDENTITY_PROVIDER', `the identity provider ${issuer} gives no ID token`);
    }
    return IdentityToken.parse(tokens.id_token);
  } finally {
    redirect.close();
  }
}
