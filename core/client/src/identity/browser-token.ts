import { redact, SignetError } from '@signet/primitives/formats';
import { IdentityToken } from './identity-token.ts';
import { listenForRedirect } from './loopback.ts';

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

/** Plain http is accepted only where nobody can listen in. */
function issuerUrl(issuer: string): URL {
  const url = URL.canParse(issuer) ? new URL(issuer) : undefined;
  const local = url !== undefined && ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  if (url === undefined || !(url.protocol === 'https:' || (url.protocol === 'http:' && local))) {
    throw new SignetError('ERR_CONFIGURATION', 'the identity provider must be reached over https', {
      expected: 'an https URL, or http on this machine',
      found: issuer,
    });
  }
  return url;
}

/** What goes wrong between us and the provider, as one error that carries no code, verifier or token. */
async function provider<T>(issuer: string, exchange: () => Promise<T>): Promise<T> {
  try {
    return await exchange();
  } catch (thrown) {
    const said = thrown instanceof Error ? describe(thrown) : String(thrown);
    throw new SignetError(
      'ERR_IDENTITY_PROVIDER',
      `the identity provider ${issuer} does not give a token: ${redact(said)}`,
    );
  }
}

function describe(error: Error): string {
  const member = (name: string): string | undefined => {
    const value: unknown = name in error ? Reflect.get(error, name) : undefined;
    return typeof value === 'string' ? value : undefined;
  };
  const refusal = member('error');
  const cause = error.cause instanceof Error ? error.cause.message : undefined;
  return refusal === undefined
    ? [error.message, cause].filter(Boolean).join(': ')
    : [refusal, member('error_description')].filter(Boolean).join(': ');
}
