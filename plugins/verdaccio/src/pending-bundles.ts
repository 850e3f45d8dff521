import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { inert } from '@signet/primitives/formats';
import { NameLock } from './name-lock.ts';
import { Refusal } from './refusal.ts';
import type { EvidenceStorage } from './storage.ts';
import type { Logger } from './verdaccio-host.ts';

/** As many bundles wait for one tarball at most. */
const maximumWaiting = 16;

/** A folder of the storage that is no package name, so that nothing serves it. */
const folder = '.signet-pending';

interface PendingFile {
  readonly format: 1;
  readonly bundles: readonly { readonly expires: string; readonly bundle: unknown }[];
}

/**
 * Bundles that came before their package: they wait in the registry's own storage, where every process that serves it finds
 * them, under the hash of the purl and the bytes they speak of, until the package comes or they expire.
 */
export class PendingBundles {
  readonly #storage: EvidenceStorage;
  readonly #lifetime: number;
  readonly #logger: Logger;
  readonly #lock = new NameLock();

  /** @param lifetime milliseconds that a bundle waits */
  constructor(storage: EvidenceStorage, lifetime: number, logger: Logger) {
    this.#storage = storage;
    this.#lifetime = lifetime;
    this.#logger = logger;
  }

  /**
   * Keeps a bundle. The same one again waits from now on.
   *
   * @returns until when
   * @throws a refusal with status 429 when too many wait already
   */
  async add(purl: string, integrity: string, bundle: unknown): Promise<Date> {
    const place = placeOf(purl, integrity);
    const release = await this.#lock.acquire(place);
    try {
      const expires = new Date(Date.now() + this.#lifetime);
      const others = (await this.#read(place)).filter((waiting) => !isDeepStrictEqual(waiting.bundle, bundle));
      if (others.length >= maximumWaiting) {
        throw new Refusal(429, 'ERR_REQUEST', `${maximumWaiting} bundles wait for ${purl} already; publish it first`);
      }
      const file: PendingFile = { format: 1, bundles: [...others, { expires: expires.toISOString(), bundle }] };
      await this.#storage.writeDocument(place, file);
      // Whoever uploads and never publishes leaves nothing behind, unless this process ends before; then the next reader tidies.
      setTimeout(() => this.#tidy(place), this.#lifetime + 1000).unref();
      return expires;
    } finally {
      release();
    }
  }

  /** The bundles that wait for these bytes under this name and version. */
  async of(purl: string, integrity: string): Promise<readonly unknown[]> {
    return (await this.#read(placeOf(purl, integrity))).map(({ bundle }) => bundle);
  }

  /** Forgets what waited for a version that was published. */
  async clear(purl: string, integrity: string): Promise<void> {
    await this.#storage.removeDocument(placeOf(purl, integrity));
  }

  async #read(place: string): Promise<PendingFile['bundles']> {
    const file = (await this.#storage.readDocument(place)) as Partial<PendingFile> | undefined;
    if (file?.format !== 1 || !Array.isArray(file.bundles)) return [];
    const now = Date.now();
    return file.bundles.filter(({ expires }) => Date.parse(expires) > now);
  }

  #tidy(place: string): void {
    const tidied = this.#lock.acquire(place).then(async (release) => {
      try {
        if ((await this.#read(place)).length === 0) await this.#storage.removeDocument(place);
      } finally {
        release();
      }
    });
    tidied.catch((error) => this.#logger.warn({ reason: inert(error) }, 'an expired bundle stays: @{reason}'));
  }
}

function placeOf(purl: string, integrity: string): string {
  const hash = createHash('sha256').update(`${purl}\n${integrity}`).digest('hex').slice(0, 40);
  return `${folder}/${hash}`;
}
