import { SignetError } from '@signet/primitives/formats';
import { isObject, type JsonObject, textMember } from '../http/index.ts';
import type { NpmOptions } from './npm-configuration.ts';
import { registryFailure, registryStatus } from './registry-failure.ts';

/** What a registry knows of a package. */
export interface PublishedVersions {
  /** Integrity by version; undefined where the registry gives none. */
  readonly integrities: ReadonlyMap<string, string | undefined>;
  readonly tags: Readonly<Record<string, unknown>>;
}

/**
 * A registry as npm talks to it: npm-registry-fetch with npm's configuration, so that tokens, proxies, client
 * certificates and TLS roots are those that `npm publish` would use, and nothing is read from npm's cache.
 */
export class RegistryClient {
  /** Base URL, with a slash at its end. */
  readonly url: string;
  readonly #name: string;
  /** The package's name as it stands in addresses. */
  readonly escapedName: string;
  /** Whether its token is for this package alone. */
  readonly hasOwnToken: boolean;
  readonly #options: NpmOptions;

  private constructor(url: string, name: string, escapedName: string, options: NpmOptions, hasOwnToken = false) {
    this.hasOwnToken = hasOwnToken;
    this.url = url;
    this.#name = name;
    this.escapedName = escapedName;
    this.#options = options;
  }

  /**
   * The registry that npm publishes `name` to: `registry` if given, else the one configured for the scope, else npm's.
   *
   * @param publishConfig `publishConfig.registry` of package.json, which npm prefers to files but not to flags
   */
  static async open(
    name: string,
    npmOptions: NpmOptions,
    given: { readonly registry?: string | undefined; readonly publishConfig?: string | undefined },
  ): Promise<RegistryClient> {
    const [{ default: npmFetch }, { default: npa }] = await Promise.all([
      import('npm-registry-fetch'),
      import('npm-package-arg'),
    ]);
    const spec = npa(name);
    const chosen = given.registry ?? given.publishConfig;
    const scope = spec.scope === undefined || spec.scope === null ? undefined : spec.scope;
    // What is asked for by name wins over the registry of the scope as well.
    const options: Record<string, unknown> = {
      ...npmOptions,
      ...(chosen === undefined
        ? {}
        : { registry: chosen, ...(scope === undefined ? {} : { [`${scope}:registry`]: chosen }) }),
      cache: undefined,
      preferOnline: true,
    };
    const picked = npmFetch.pickRegistry(name, options);
    if (!URL.canParse(picked)) {
      throw new SignetError('ERR_CONFIGURATION', 'the registry is not a URL', { found: picked });
    }
    const escaped: unknown = spec.escapedName;
    return new RegistryClient(
      picked.replace(/\/*$/, '/'),
      name,
      typeof escaped === 'string' ? escaped : encodeURIComponent(name),
      options,
    );
  }

  /** Whether npm's configuration has credentials for this registry. */
  async hasCredentials(): Promise<boolean> {
    const { default: getAuth } = await import('npm-registry-fetch/lib/auth.js');
    const { token, auth, isBasicAuth } = getAuth(this.url, this.#options);
    return Boolean(token) || Boolean(auth) || isBasicAuth;
  }

  /** The same registry with another token, whatever is configured. */
  withToken(token: string): RegistryClient {
    return new RegistryClient(this.url, this.#name, this.escapedName, { ...this.#options, forceAuth: { token } }, true);
  }

  /** Versions that are taken, or none for a new package. */
  async versions(): Promise<PublishedVersions> {
    let packument: JsonObject;
    try {
      packument = await this.#json(`${this.escapedName}?write=true`, `looking for ${this.#name}`);
    } catch (thrown) {
      if (thrown instanceof Missing) return { integrities: new Map(), tags: {} };
      throw thrown;
    }
    const versions = isObject(packument.versions) ? packument.versions : {};
    const integrities = new Map<string, string | undefined>();
    for (const [version, manifest] of Object.entries(versions)) {
      const dist = isObject(manifest) && isObject(manifest.dist) ? manifest.dist : {};
      integrities.set(version, textMember(dist, 'integrity'));
    }
    return { integrities, tags: isObject(packument['dist-tags']) ? packument['dist-tags'] : {} };
  }

  /**
   * The user that the credentials belong to, or undefined where the registry does not say.
   *
   * @throws ERR_REGISTRY_CREDENTIALS when there are none or they are not accepted
   */
  async user(): Promise<string | undefined> {
    let answer: JsonObject;
    try {
      answer = await this.#json('-/whoami', 'checking the credentials');
    } catch (thrown) {
      // Registries that have no such page, and tokens that may publish but not ask who they are.
      if (thrown instanceof SignetError && thrown.code === 'ERR_REGISTRY_CREDENTIALS') {
        // A token for this package alone was given out a moment ago, for publishing and nothing else.
        if (this.hasOwnToken) return undefined;
        throw await this.#credentialsError();
      }
      if (thrown instanceof Missing || (thrown instanceof SignetError && thrown.code === 'ERR_REGISTRY_REFUSED'))
        return undefined;
      throw thrown;
    }
    const user = textMember(answer, 'username');
    // Verdaccio answers 200 without a name to whom it does not know.
    if (user === undefined) throw await this.#credentialsError();
    return user;
  }

  async #credentialsError(): Promise<SignetError> {
    const configured = await this.hasCredentials();
    return new SignetError(
      'ERR_REGISTRY_CREDENTIALS',
      `${configured ? `credentials are configured for ${this.url} and not accepted` : `no credentials are configured for ${this.url}`}; run: npm login --registry ${this.url}`,
    );
  }

  /** Sends the publish document. */
  async publish(
    document: JsonObject,
    version: string,
    options: { readonly otp?: string | undefined; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    const { default: npmFetch } = await import('npm-registry-fetch');
    try {
      await npmFetch(this.escapedName, {
        ...this.#options,
        ...(options.otp === undefined ? {} : { otp: options.otp }),
        signal: options.signal,
        method: 'PUT',
        body: Buffer.from(JSON.stringify(document)),
        headers: { 'content-type': 'application/json', 'npm-command': 'publish' },
        spec: this.#name,
        ignoreBody: true,
      } as Parameters<typeof npmFetch>[1]);
    } catch (thrown) {
      options.signal?.throwIfAborted();
      throw registryFailure(thrown, this.url, `publishing ${this.#name}@${version}`);
    }
  }

  /**
   * Publishes with npm's own library (libnpmpublish, `provenanceFile`), which verifies the bundle under npm's own trust root
   * before it sends anything.
   */
  async publishByNpm(
    version: string,
    release: {
      readonly manifest: JsonObject;
      readonly tarball: Uint8Array;
      readonly bundle: JsonObject;
      readonly tag: string;
      readonly access?: 'public' | 'restricted';
    },
    options: { readonly otp?: string | undefined; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    const { publishByNpm } = await import('./npm-upload.ts');
    try {
      await publishByNpm(release, {
        ...this.#options,
        ...(options.otp === undefined ? {} : { otp: options.otp }),
        signal: options.signal,
      });
    } catch (thrown) {
      options.signal?.throwIfAborted();
      throw registryFailure(thrown, this.url, `publishing ${this.#name}@${version}`);
    }
  }

  /** Whether the registry signs its versions, by the keys that it publishes for that (`/-/npm/v1/keys`). */
  async servesKeys(): Promise<boolean> {
    const answer = await this.#ifKnown('-/npm/v1/keys', 'asking for its keys');
    return Array.isArray(answer?.keys) && answer.keys.length > 0;
  }

  /** Whether bundles can be sent by themselves. What is sent to find out is no bundle, and changes nothing. */
  async takesBundles(): Promise<boolean> {
    const { default: npmFetch } = await import('npm-registry-fetch');
    try {
      await npmFetch('-/signet/v1/bundles', {
        ...this.#options,
        method: 'POST',
        body: Buffer.from('{}'),
        headers: { 'content-type': 'application/json' },
        spec: this.#name,
        ignoreBody: true,
      } as Parameters<typeof npmFetch>[1]);
    } catch (thrown) {
      const status = registryStatus(thrown);
      if (status === 422) return true;
      if (status === undefined) throw registryFailure(thrown, this.url, 'asking whether it takes bundles');
    }
    return false;
  }

  /**
   * Sends one bundle about a version, before or after the version itself (`POST /-/signet/v1/bundles`). Sent again it changes
   * nothing.
   */
  async attach(bundle: JsonObject, version: string, signal?: AbortSignal | undefined): Promise<void> {
    const { default: npmFetch } = await import('npm-registry-fetch');
    try {
      await npmFetch('-/signet/v1/bundles', {
        ...this.#options,
        signal,
        method: 'POST',
        body: Buffer.from(JSON.stringify(bundle)),
        headers: { 'content-type': 'application/json' },
        spec: this.#name,
        ignoreBody: true,
      } as Parameters<typeof npmFetch>[1]);
    } catch (thrown) {
      signal?.throwIfAborted();
      throw registryFailure(thrown, this.url, `attaching an attestation of ${this.#name}@${version}`);
    }
  }

  /** What the registry says it judges by, a bundle, or undefined where it says nothing. */
  async policy(): Promise<JsonObject | undefined> {
    return await this.#ifKnown('-/signet/v1/policy', 'asking for its policy');
  }

  /** The answer of a page that not every registry has. */
  async #ifKnown(path: string, doing: string): Promise<JsonObject | undefined> {
    try {
      return await this.#json(path, doing);
    } catch (thrown) {
      // Registries that have no such page refuse it in several ways.
      const says = thrown instanceof SignetError ? thrown.code : undefined;
      if (thrown instanceof Missing || says === 'ERR_REGISTRY_REFUSED' || says === 'ERR_REGISTRY_CREDENTIALS')
        return undefined;
      throw thrown;
    }
  }

  /** The attestation document of a version, or undefined where the registry has none. */
  async attestations(version: string): Promise<JsonObject | undefined> {
    try {
      return await this.#json(
        `-/npm/v1/attestations/${this.escapedName}@${version}`,
        `reading back ${this.#name}@${version}`,
      );
    } catch (thrown) {
      if (thrown instanceof Missing) return undefined;
      throw thrown;
    }
  }

  /** @throws Missing for 404, else what {@link registryFailure} makes of it */
  async #json(path: string, doing: string): Promise<JsonObject> {
    const { default: npmFetch } = await import('npm-registry-fetch');
    try {
      return await npmFetch.json(path, { ...this.#options, spec: this.#name } as Parameters<typeof npmFetch>[1]);
    } catch (thrown) {
      if (registryStatus(thrown) === 404) throw new Missing();
      if (
        thrown instanceof SyntaxError ||
        (thrown instanceof Error && 'code' in thrown && thrown.code === 'EJSONPARSE')
      ) {
        throw new SignetError('ERR_REGISTRY_RESPONSE', `the answer of ${this.url} while ${doing} is not JSON`);
      }
      throw registryFailure(thrown, this.url, doing);
    }
  }
}

/** The registry answers 404. Never leaves this file. */
class Missing extends Error {
  override readonly name = 'Missing';
}
