import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digest } from '@signet/primitives/crypto';
import { SignetError, toHex, utf8 } from '@signet/primitives/formats';
import { formatCopy, parseCopy, type RepositoryCopy } from './copy.ts';
import type { FetchOptions } from './fetch-root.ts';
import { publicGoodRoot, publicGoodTrustedRoot, publicGoodUrl } from './public-good.ts';
import { day, type RootFacts, readRoot, type VerifiedCopy, verifyCopy } from './verify-copy.ts';

/** A repository and the root file from which it is trusted. */
export interface TrustReference {
  readonly url: string;
  /** The pinned root's bytes. */
  readonly root: Uint8Array;
}

export interface TrustStoreOptions extends FetchOptions {
  /** Folder for copies of repositories; without one every load asks the network. */
  readonly cache?: string | undefined;
  /** Open no connection. */
  readonly offline?: boolean | undefined;
  /** Takes sentences about trust that grows old; default: nobody. */
  readonly onNote?: ((sentence: string) => void) | undefined;
  /** Milliseconds for which a copy is used without asking again. Default an hour. */
  readonly maximumAge?: number | undefined;
}

/** Trust as it was loaded. */
export interface LoadedTrust {
  /** The bytes of `trusted_root.json`. */
  readonly trustedRoot: Uint8Array;
  readonly signingConfig?: Uint8Array;
  readonly root: RootFacts;
  /** `shipped` with this version of Signet, and not refreshed yet. */
  readonly source: 'network' | 'cache' | 'shipped';
  readonly refreshed?: Date;
  /** After it the trust is refused. */
  readonly expires: Date;
}

const hour = 3_600_000;
const maximumCopyBytes = 64 * 1024 * 1024;

/**
 * Trust roots of TUF repositories, kept as copies for when there is no network. A copy is verified from the pinned root each time it is
 * read, so the folder need not be trusted.
 */
export class TrustStore {
  readonly #options: TrustStoreOptions;
  readonly #clock: () => Date;

  constructor(options: TrustStoreOptions = {}) {
    this.#options = options;
    this.#clock = options.clock ?? (() => new Date());
  }

  /**
   * The trust of a repository: a copy that is young enough, else what the repository serves, else (when it cannot be reached) a copy that
   * has not expired.
   *
   * @throws ERR_TRUST_REPOSITORY, ERR_TRUST_EXPIRED; offline ERR_OFFLINE without a copy; ERR_NETWORK and the others of a request
   */
  async load(reference: TrustReference): Promise<LoadedTrust> {
    const known = await this.#known(reference);
    const now = this.#clock();
    if (this.#options.offline === true) return this.#withoutNetwork(reference, known, undefined);
    const age = known === undefined ? Number.POSITIVE_INFINITY : now.getTime() - known.copy.refreshed.getTime();
    if (known?.verified !== undefined && age >= 0 && age < (this.#options.maximumAge ?? hour)) {
      if (known.verified.freshUntil > now) return loaded(known.copy, known.verified, 'cache');
    }
    try {
      return await this.refresh(reference);
    } catch (error) {
      if (!isNetworkFailure(error)) throw error;
      return this.#withoutNetwork(reference, known, error);
    }
  }

  /** Asks the repository now. @throws as {@link load} */
  async refresh(reference: TrustReference): Promise<LoadedTrust> {
    if (this.#options.offline === true) {
      throw new SignetError('ERR_OFFLINE', `the trust root ${reference.url} cannot be refreshed with --offline`);
    }
    const known = await this.#known(reference);
    // Loaded where it is used: most runs find a copy that is young enough.
    const { fetchRepository } = await import('./fetch-repository.ts');
    const copy = await fetchRepository(reference.url, reference.root, known?.copy, this.#options);
    const verified = verifyCopy(reference.root, copy, this.#clock());
    const trust = loaded(copy, verified, 'network');
    await this.#keep(reference, copy);
    return trust;
  }

  /** The bytes that {@link load} would use without asking anybody, or undefined. For caches of verdicts. */
  async peek(reference: TrustReference): Promise<LoadedTrust | undefined> {
    const known = await this.#known(reference);
    if (known?.verified !== undefined) return loaded(known.copy, known.verified, 'cache');
    return this.#shipped(reference);
  }

  /** The copy of a repository, verified; undefined when there is none that verifies. */
  async copyOf(reference: TrustReference): Promise<RepositoryCopy | undefined> {
    return (await this.#known(reference))?.copy;
  }

  /**
   * Puts a copy from elsewhere into the folder, unless what is there is newer.
   *
   * @returns whether it was newer
   * @throws ERR_TRUST_REPOSITORY, ERR_TRUST_EXPIRED, ERR_CONFIGURATION without a folder
   */
  async take(
    reference: TrustReference,
    copy: RepositoryCopy,
  ): Promise<{ readonly newer: boolean; readonly trust: LoadedTrust }> {
    if (this.#options.cache === undefined) {
      throw new SignetError('ERR_CONFIGURATION', 'there is no folder to keep trust in; set SIGNET_CACHE');
    }
    const verified = verifyCopy(reference.root, copy, this.#clock());
    const known = (await this.#known(reference))?.verified;
    if (known !== undefined && isAhead(known, verified)) {
      throw new SignetError(
        'ERR_TRUST_ARCHIVE',
        `the archive is older than what is known of ${reference.url} already`,
        {
          expected: `timestamp ${known.versions.timestamp} or later`,
          found: `timestamp ${verified.versions.timestamp}`,
        },
      );
    }
    const newer = known === undefined || isAhead(verified, known);
    if (newer) await this.#keep(reference, copy);
    return { newer, trust: loaded(copy, verified, 'cache') };
  }

  #withoutNetwork(
    reference: TrustReference,
    known: { copy: RepositoryCopy; verified?: VerifiedCopy; problem?: unknown } | undefined,
    failure: unknown,
  ): LoadedTrust {
    const now = this.#clock();
    if (known?.verified !== undefined) {
      const { freshUntil } = known.verified;
      // Somebody who can cut the network must not be able to hold a client on old trust without a word from the client's own side.
      if (freshUntil <= now && failure !== undefined) {
        throw new SignetError(
          'ERR_TRUST_EXPIRED',
          `the trust root ${reference.url} was last refreshed on ${day(known.copy.refreshed)}, is no longer fresh since ` +
            `${day(freshUntil)} and cannot be reached; --offline uses it until ${day(known.verified.expires)}`,
          { cause: failure },
        );
      }
      if (freshUntil <= now) {
        this.#options.onNote?.(
          `the trust root ${reference.url} was last refreshed on ${day(known.copy.refreshed)}; it is used until ${day(known.verified.expires)}`,
        );
      }
      return loaded(known.copy, known.verified, 'cache');
    }
    const shipped = this.#shipped(reference);
    if (shipped !== undefined) {
      if (shipped.expires > now) {
        this.#options.onNote?.(
          `the trust root ${reference.url} is the one that shipped with signet, not refreshed yet`,
        );
        return shipped;
      }
      throw new SignetError(
        'ERR_TRUST_EXPIRED',
        `the trust root of ${reference.url} that shipped with signet expired on ${day(shipped.expires)}; ` +
          'connect once (signet trust refresh), import an archive (signet trust import) or update signet',
      );
    }
    if (known?.problem !== undefined) throw known.problem;
    if (failure !== undefined) throw failure;
    throw new SignetError(
      'ERR_OFFLINE',
      `nothing is known of the trust root ${reference.url} yet; run signet trust refresh once, or signet trust import an archive of it`,
    );
  }

  /** What ships with Signet counts until the root beside it expires. */
  #shipped(reference: TrustReference): LoadedTrust | undefined {
    const root = publicGoodRoot();
    if (reference.url !== publicGoodUrl || Buffer.compare(root, reference.root) !== 0) return undefined;
    const facts = readRoot(root);
    return { trustedRoot: publicGoodTrustedRoot(), root: facts, source: 'shipped', expires: facts.expires };
  }

  async #known(
    reference: TrustReference,
  ): Promise<{ copy: RepositoryCopy; verified?: VerifiedCopy; problem?: unknown } | undefined> {
    const path = this.#path(reference);
    if (path === undefined) return undefined;
    let bytes: Uint8Array;
    try {
      if ((await stat(path)).size > maximumCopyBytes) return undefined;
      bytes = await readFile(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new SignetError('ERR_TRUST_FILE', `${path} cannot be read`, { cause: error });
    }
    let copy: RepositoryCopy | undefined;
    try {
      copy = parseCopy(bytes, path);
      return { copy, verified: verifyCopy(reference.root, copy, this.#clock()) };
    } catch (problem) {
      if (!(problem instanceof SignetError)) throw problem;
      // An expired copy still says which versions were seen. Anything else that does not verify is as good as none.
      return copy !== undefined && problem.code === 'ERR_TRUST_EXPIRED' ? { copy, problem } : undefined;
    }
  }

  async #keep(reference: TrustReference, copy: RepositoryCopy): Promise<void> {
    const path = this.#path(reference);
    if (path === undefined) return;
    const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
    try {
      await mkdir(join(path, '..'), { recursive: true });
      await writeFile(temporary, formatCopy(copy), { flag: 'wx' });
      await rename(temporary, path);
    } catch (cause) {
      await rm(temporary, { force: true });
      throw new SignetError('ERR_TRUST_FILE', `the copy of the trust root cannot be kept in ${path}`, { cause });
    }
  }

  /** One file for each repository and pinned root: another pin starts anew. */
  #path({ url, root }: TrustReference): string | undefined {
    if (this.#options.cache === undefined) return undefined;
    const name = toHex(digest('sha256', utf8(`${url}\n`), root));
    return join(this.#options.cache, 'trust', `${name}.json`);
  }
}

/** The public-good instance of Sigstore, by the root that ships with this version. */
export function publicGood(): TrustReference {
  return { url: publicGoodUrl, root: publicGoodRoot() };
}

function loaded(copy: RepositoryCopy, verified: VerifiedCopy, source: 'network' | 'cache'): LoadedTrust {
  const trustedRoot = verified.files.get('trusted_root.json');
  if (trustedRoot === undefined) {
    throw new SignetError('ERR_TRUST_REPOSITORY', `${copy.url} publishes no trusted_root.json`);
  }
  const signingConfig = verified.files.get('signing_config.v0.2.json');
  return {
    trustedRoot,
    ...(signingConfig === undefined ? {} : { signingConfig }),
    root: verified.root,
    source,
    refreshed: copy.refreshed,
    expires: verified.expires,
  };
}

function isAhead(one: VerifiedCopy, other: VerifiedCopy): boolean {
  return (['root', 'targets', 'snapshot', 'timestamp'] as const).some(
    (role) => one.versions[role] > other.versions[role],
  );
}

/** Whether the repository could not be asked, rather than gave a bad answer. */
function isNetworkFailure(error: unknown): boolean {
  return error instanceof SignetError && ['ERR_NETWORK', 'ERR_NETWORK_TIMEOUT', 'ERR_HTTP_STATUS'].includes(error.code);
}
