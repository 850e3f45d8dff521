import { SignetError } from '@signet/primitives/basics';
import type { NpmSettings } from './npm-settings.ts';

/** A registry as npm is configured to use it for one name. */
export interface Registry {
  /** Base URL with a slash at its end. */
  readonly url: string;
  /** Credentials for it, never shown. */
  readonly headers: Readonly<Record<string, string>>;
}

type Options = NpmSettings['options'];

/**
 * The registry of a package: `given` if there is one, else that of the name's scope, else npm's default.
 *
 * @throws ERR_CONFIGURATION
 */
export function registryFor(name: string, options: Options, given?: string): Registry {
  const scope = name.startsWith('@') ? name.slice(0, name.indexOf('/')) : undefined;
  const scoped = scope === undefined ? undefined : options[`${scope}:registry`];
  const chosen = given ?? (typeof scoped === 'string' ? scoped : options.registry);
  const url = typeof chosen === 'string' ? URL.parse(chosen) : null;
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new SignetError('ERR_CONFIGURATION', `the registry configured for ${name} is not a URL of http or https`);
  }
  url.search = '';
  url.hash = '';
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return { url: url.href, headers: credentials(url, options) };
}

/**
 * npm's rule for credentials (npm-registry-fetch, auth.js): the longest configured beginning of `//host/path/`, with or without its
 * final slash. They are bound to a host, so that none goes to a registry it was not made for.
 */
function credentials(url: URL, options: Options): Record<string, string> {
  let key = `//${url.host}${url.pathname}`;
  while (key.length > '//'.length) {
    const value = authorization(key, options);
    if (value !== undefined) return { authorization: value };
    key = key.replace(/(?:[^/]+|\/)$/, '');
  }
  return {};
}

function authorization(key: string, options: Options): string | undefined {
  const setting = (name: string): string | undefined => {
    const value = options[`${key}:${name}`];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const token = setting('_authToken');
  if (token !== undefined) return `Bearer ${token}`;
  const basic = setting('_auth');
  if (basic !== undefined) return `Basic ${basic}`;
  const user = setting('username');
  const password = setting('_password');
  if (user === undefined || password === undefined) return undefined;
  return `Basic ${Buffer.from(`${user}:${Buffer.from(password, 'base64').toString('utf8')}`).toString('base64')}`;
}
