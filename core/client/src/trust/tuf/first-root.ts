import { SignetError } from '@signet/primitives/formats';
import { jsonObject, request, textMember } from '../../http/index.ts';
import { type FetchOptions, fetchRootVersion } from './fetch-root.ts';
import { type RootFacts, readRoot } from './verify-copy.ts';

/** What an instance says of its trust: where to ask, never whom to believe. */
export interface InstanceTrust {
  readonly url: string;
  readonly names: readonly string[];
  readonly fingerprint?: string;
  readonly version?: number;
}

/** A root file that was fetched, with what people compare. */
export interface FetchedRoot {
  readonly bytes: Uint8Array;
  readonly facts: RootFacts;
}

/** More rotations than tuf-js would follow. */
const maximumVersion = 256;

/**
 * Asks an instance where its trust root is (`/-/signet/v1/instance`). A URL of a TUF repository itself is taken as it is.
 *
 * @throws ERR_SERVICES, ERR_NETWORK and the others of a request
 */
export async function describeTrust(url: string, options: FetchOptions = {}): Promise<InstanceTrust> {
  const base = url.replace(/\/+$/, '');
  const { transport, signal } = options;
  const answer = await request(`${base}/-/signet/v1/instance`, {
    service: 'the instance',
    headers: { accept: 'application/json' },
    alsoAccept: [400, 401, 403, 404],
    ...(transport === undefined ? {} : { transport }),
    ...(signal === undefined ? {} : { signal }),
  });
  if (answer.status >= 300) return { url: base, names: [] };
  const description = jsonObject(answer.body, 'the description of the instance', 'ERR_SERVICES');
  const tuf = textMember(description, 'tuf');
  if (tuf === undefined || !URL.canParse(tuf)) {
    throw new SignetError(
      'ERR_SERVICES',
      `${base} does not say where its trust root is; give the URL of its TUF repository`,
    );
  }
  const names = Array.isArray(description.names) ? description.names.filter((name) => typeof name === 'string') : [];
  const fingerprint = textMember(description, 'tufRootFingerprint');
  const version = description.tufRootVersion;
  return {
    url: tuf,
    names,
    ...(fingerprint === undefined ? {} : { fingerprint }),
    ...(typeof version === 'number' ? { version } : {}),
  };
}

/**
 * Fetches the root file with a fingerprint that somebody learnt from the operator. It may be an older one: the repository keeps all of
 * them.
 *
 * @param fingerprint SHA-256 of the file, 64 hexadecimal digits; absent: the newest root, for a first look
 * @throws ERR_TRUST_FINGERPRINT, ERR_TRUST_REPOSITORY, and what a request throws
 */
export async function fetchFirstRoot(
  url: string,
  fingerprint: string | undefined,
  options: FetchOptions = {},
): Promise<FetchedRoot> {
  let newest: FetchedRoot | undefined;
  for (let version = 1; version <= maximumVersion; version++) {
    const bytes = await fetchRootVersion(url, version, options);
    if (bytes === undefined) break;
    newest = { bytes, facts: readRoot(bytes) };
    if (newest.facts.fingerprint === fingerprint) return newest;
  }
  if (newest === undefined) throw new SignetError('ERR_TRUST_REPOSITORY', `${url} serves no 1.root.json`);
  if (fingerprint === undefined) return newest;
  throw new SignetError(
    'ERR_TRUST_FINGERPRINT',
    `no root of ${url} has the fingerprint that was given; ask its operator for it by a way that you trust`,
    { expected: fingerprint, found: `${newest.facts.fingerprint} (root ${newest.facts.version})` },
  );
}
