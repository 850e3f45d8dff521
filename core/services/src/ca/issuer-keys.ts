import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { fetchJson } from './fetch-json.ts';
import { IssuanceError } from './issuance-error.ts';
import type { Issuer } from './issuer.ts';
import { kubernetesAccess } from './kubernetes-access.ts';

/** Signature algorithms that an issuer's key cannot be confused with a secret under. */
export const asymmetricAlgorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

/** What a token of an issuer may be signed with, at one moment. */
export interface IssuerKeys {
  readonly algorithms: readonly string[];
  readonly keySet: JWTVerifyGetKey;
}

interface Fetched extends IssuerKeys {
  readonly fetchedAt: number;
}

/** After this the keys are fetched again in the background, so that an issuer's short outage is not noticed. */
const refreshAfterMilliseconds = 5 * 60_000;
/** After this keys are not used any more: a key that its issuer withdrew must die here too. */
const expireAfterMilliseconds = 15 * 60_000;
/** An unknown key id fetches at once, so that a rotation just made is seen, but strangers can only cause so many. */
const unknownKeyBurst = 3;
const unknownKeyIntervalMilliseconds = 10_000;
/** A dead issuer is asked again only after this, or every token would wait for its timeout. */
const retryFailedAfterMilliseconds = 2_000;

/**
 * The keys of one issuer: fixed ones from the configuration, or those that its discovery document points to
 * (OpenID Connect Discovery 1.0 §4), fetched when first needed, shared by all requests and renewed.
 */
export class IssuerKeySource {
  readonly #issuer: Issuer;
  readonly #now: () => number;
  #current: Fetched | undefined;
  #fetching: Promise<Fetched> | undefined;
  #failure: { at: number; error: IssuanceError } | undefined;
  #budget = unknownKeyBurst;
  #budgetAt: number;

  /** @param now milliseconds that never run backwards, for ages of what was fetched */
  constructor(issuer: Issuer, now: () => number = () => performance.now()) {
    this.#issuer = issuer;
    this.#now = now;
    this.#budgetAt = now();
    if (issuer.staticKeys !== undefined) {
      this.#current = { ...keysOf(issuer.staticKeys, asymmetricAlgorithms), fetchedAt: Number.POSITIVE_INFINITY };
    }
  }

  /** @throws ERR_ISSUER_UNAVAILABLE */
  async keys(): Promise<IssuerKeys> {
    const current = this.#current;
    const age = current === undefined ? Number.POSITIVE_INFINITY : this.#now() - current.fetchedAt;
    if (current === undefined || age >= expireAfterMilliseconds) return this.#fetch();
    if (age >= refreshAfterMilliseconds && this.#fetching === undefined && !this.#failedRecently()) {
      // A failure is kept in #failure and reported once the keys have expired.
      this.#fetch().catch(() => undefined);
    }
    return current;
  }

  /**
   * Keys after a token named one that is not among `seen`; undefined when there are none newer to be had now.
   *
   * @throws ERR_ISSUER_UNAVAILABLE
   */
  async newerKeys(seen: IssuerKeys): Promise<IssuerKeys | undefined> {
    if (this.#issuer.staticKeys !== undefined) return undefined;
    if (this.#current !== undefined && this.#current !== seen) return this.#current;
    if (this.#fetching === undefined && !this.#takeFromBudget()) return undefined;
    return this.#fetch();
  }

  #takeFromBudget(): boolean {
    const now = this.#now();
    const earned = Math.floor((now - this.#budgetAt) / unknownKeyIntervalMilliseconds);
    if (earned > 0) {
      this.#budget = Math.min(unknownKeyBurst, this.#budget + earned);
      this.#budgetAt += earned * unknownKeyIntervalMilliseconds;
    }
    if (this.#budget === 0) return false;
    this.#budget--;
    return true;
  }

  #failedRecently(): boolean {
    return this.#failure !== undefined && this.#now() - this.#failure.at < retryFailedAfterMilliseconds;
  }

  #fetch(): Promise<Fetched> {
    if (this.#fetching !== undefined) return this.#fetching;
    if (this.#failure !== undefined && this.#failedRecently()) return Promise.reject(this.#failure.error);
    this.#fetching = fetchKeys(this.#issuer)
      .then((keys) => {
        this.#current = { ...keys, fetchedAt: this.#now() };
        this.#failure = undefined;
        return this.#current;
      })
      .catch((error: IssuanceError) => {
        this.#failure = { at: this.#now(), error };
        throw error;
      })
      .finally(() => {
        this.#fetching = undefined;
      });
    return this.#fetching;
  }
}

async function fetchKeys(issuer: Issuer): Promise<IssuerKeys> {
  const access = await kubernetesAccess(issuer);
  const options = {
    ...(issuer.caCertificates === undefined ? {} : { caCertificates: issuer.caCertificates }),
    ...access,
  };
  const discoveryUrl = `${issuer.url.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const discovery = await fetched(issuer, discoveryUrl, options);
  // OpenID Connect Discovery 1.0 §4.3: otherwise one issuer could answer for another.
  if (member(discovery, 'issuer') !== issuer.url) {
    throw unavailable(issuer, 'issuer-mismatch', 'its discovery document names another issuer');
  }
  const keysUrl = member(discovery, 'jwks_uri');
  if (typeof keysUrl !== 'string' || !URL.canParse(keysUrl)) {
    throw unavailable(issuer, 'issuer-unusable', 'its discovery document has no jwks_uri');
  }
  const { protocol } = new URL(keysUrl);
  if (protocol !== 'https:' && !(protocol === 'http:' && issuer.url.startsWith('http:'))) {
    throw unavailable(issuer, 'issuer-unusable', 'its jwks_uri is not https');
  }
  const keySet = await fetched(issuer, keysUrl, options);
  // Absent means RS256, the one that every provider must support (OpenID Connect Core §15.1).
  const announced = member(discovery, 'id_token_signing_alg_values_supported');
  const algorithms = Array.isArray(announced)
    ? asymmetricAlgorithms.filter((algorithm) => announced.includes(algorithm))
    : ['RS256'];
  if (algorithms.length === 0) {
    throw unavailable(issuer, 'issuer-unusable', 'it announces no signature algorithm with public keys');
  }
  try {
    return keysOf(keySet, algorithms);
  } catch (cause) {
    throw unavailable(issuer, 'issuer-unusable', 'its JSON Web Key Set is malformed', cause);
  }
}

async function fetched(issuer: Issuer, url: string, options: Parameters<typeof fetchJson>[1]): Promise<unknown> {
  try {
    return await fetchJson(url, options);
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw unavailable(issuer, 'issuer-unavailable', `${url}: ${problem}`, cause);
  }
}

function keysOf(keySet: unknown, algorithms: readonly string[]): IssuerKeys {
  // Throws JWKSInvalid for anything but { keys: [ objects ] }.
  return { algorithms, keySet: createLocalJWKSet(keySet as JSONWebKeySet) };
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}

function unavailable(issuer: Issuer, reason: string, problem: string, cause?: unknown): IssuanceError {
  return new IssuanceError('ERR_ISSUER_UNAVAILABLE', reason, `The issuer ${issuer.url} is not usable: ${problem}.`, {
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Whether a verification failed because the token names a key that is not in the set. */
export function isUnknownKey(error: unknown): boolean {
  return error instanceof errors.JWKSNoMatchingKey;
}
