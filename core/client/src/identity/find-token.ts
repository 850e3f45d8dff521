import { ambientToken, chooseSource, type FoundToken } from './ambient.ts';
import { browserToken } from './browser-token.ts';
import { type DeviceLogin, deviceToken } from './device-token.ts';
import { type ExplicitToken, explicitToken } from './explicit-token.ts';
import type { LoginCache } from './login-cache.ts';
import type { Environment } from './token-source.ts';

/** Where a token may come from, from the most explicit to the least. */
export interface TokenSearch {
  /** A token that the caller names; nothing else is looked at then. */
  readonly explicit?: ExplicitToken | undefined;
  readonly env: Environment;
  /** The audience that the certificate authority asks for. */
  readonly audience: string;
  /** Where a person can log in. */
  readonly login?: { readonly issuer: string; readonly clientId?: string } | undefined;
  /** Shows the login page; absent where there is no person. */
  readonly openBrowser?: ((url: URL) => void) | undefined;
  /** Shows the code of a login on another device; where it is there, it is preferred to a browser. */
  readonly showCode?: DeviceLogin['showCode'] | undefined;
  /** Where a login is remembered for a few minutes, where that is wanted. */
  readonly cache?: LoginCache | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Finds the identity token to sign with: the one given, else the CI platform's or `SIGSTORE_ID_TOKEN`, else a login in the
 * browser where there is a person and an identity provider.
 *
 * The token's own audience is compared where it matters, before it is sent: some platforms fix it, and an authority may
 * demand another for each issuer.
 *
 * @throws ERR_IDENTITY_TOKEN_MISSING saying why no source offers one, ERR_IDENTITY_TOKEN_EXPIRED, and what the chosen
 * source throws
 */
export async function findToken(search: TokenSearch): Promise<FoundToken> {
  const found = await find(search);
  found.token.assertCurrent();
  return found;
}

async function find(search: TokenSearch): Promise<FoundToken> {
  const { explicit, env, audience, login, openBrowser, showCode, cache, signal } = search;
  if (explicit !== undefined) {
    const source = 'file' in explicit ? 'identity token file' : 'identity token';
    return { token: await explicitToken(explicit), source, skipped: [] };
  }
  const { source, skipped } = chooseSource(env);
  if (source !== undefined || login === undefined || (openBrowser === undefined && showCode === undefined)) {
    return await ambientToken({ env, audience, signal });
  }
  const key = { issuer: login.issuer, clientId: login.clientId ?? 'sigstore' };
  const remembered = await cache?.find(key);
  if (remembered !== undefined) return { token: remembered, source: 'remembered login', skipped };
  const token =
    showCode === undefined
      ? await browserToken({ ...login, openBrowser: openBrowser ?? (() => undefined), signal })
      : await deviceToken({ ...login, showCode, signal });
  await cache?.keep(key, token);
  return { token, source: showCode === undefined ? 'browser login' : 'login by code', skipped };
}
