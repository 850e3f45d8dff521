import { createHash } from 'node:crypto';
import { toPurl } from '@signet/client/npm';
import { inert } from '@signet/primitives/formats';
import type { EvidenceStorage } from './storage.ts';
import type { UplinkStorage } from './uplink-storage.ts';
import type { Logger } from './verdaccio-host.ts';

/** npm's attestation document of one version, as an uplink served it: the evidence of strangers, unjudged. */
export interface AttestationDocument {
  readonly attestations: readonly unknown[];
}

/** A folder of the storage that is no package name, so that nothing serves it. */
const folder = '.signet-uplinks';
/** Largest document, bytes; the largest real ones have some 100 KB. */
const documentLimit = 8 * 1024 * 1024;
/** Documents that are kept in memory; the least recently used go first. */
const maximumKept = 2000;
/** How soon an uplink that has nothing is asked again, milliseconds. */
const absentFor = 5 * 60 * 1000;

interface Kept {
  readonly fetched: number;
  readonly document: AttestationDocument | undefined;
}

/**
 * Attestations of packages that this registry does not own. They are fetched from the uplink once and kept in the registry's own
 * storage, where every process finds them, also while the uplink is away.
 */
export class UplinkAttestations {
  readonly #uplinks: UplinkStorage;
  readonly #storage: EvidenceStorage;
  readonly #refresh: number;
  readonly #logger: Logger;
  readonly #kept = new Map<string, Kept>();
  readonly #running = new Map<string, Promise<AttestationDocument | undefined>>();

  /** @param options.refresh how long a document is believed to be complete, milliseconds */
  constructor(options: {
    readonly uplinks: UplinkStorage;
    readonly storage: EvidenceStorage;
    readonly refresh: number;
    readonly logger: Logger;
  }) {
    this.#uplinks = options.uplinks;
    this.#storage = options.storage;
    this.#refresh = options.refresh;
    this.#logger = options.logger;
  }

  /**
   * The document of a version; undefined when no uplink has any, or only an empty list, which is no evidence.
   *
   * @throws ERR_NETWORK, ERR_INPUT_TOO_LARGE, ERR_JSON when the uplink cannot be asked and nothing was kept
   */
  of(name: string, version: string): Promise<AttestationDocument | undefined> {
    const purl = toPurl(name, version);
    const kept = this.#kept.get(purl);
    if (kept !== undefined && this.#isFresh(kept)) {
      this.#kept.delete(purl);
      this.#kept.set(purl, kept);
      return Promise.resolve(kept.document);
    }
    const running = this.#running.get(purl) ?? this.#load(name, version, purl);
    this.#running.set(purl, running);
    const done = () => this.#running.delete(purl);
    running.then(done, done);
    return running;
  }

  async #load(name: string, version: string, purl: string): Promise<AttestationDocument | undefined> {
    const place = `${folder}/${createHash('sha256').update(purl).digest('hex').slice(0, 40)}`;
    const stored = readKept(await this.#storage.readDocument(place), purl);
    if (stored !== undefined && this.#isFresh(stored)) return this.#keep(purl, stored);
    try {
      const document = parseDocument(await this.#uplinks.fetchAttestations(name, version, documentLimit));
      const fetched = Date.now();
      // What was there is not forgotten because an uplink no longer has it.
      if (document === undefined) return this.#keep(purl, { fetched, document: stored?.document });
      await this.#storage.writeDocument(place, { format: 1, purl, fetched: new Date(fetched).toISOString(), document });
      return this.#keep(purl, { fetched, document });
    } catch (error) {
      if (stored?.document === undefined) throw error;
      this.#logger.warn({ reason: inert(error), purl }, 'attestations of @{purl} as they were before: @{reason}');
      return stored.document;
    }
  }

  #isFresh({ fetched, document }: Kept): boolean {
    const age = Date.now() - fetched;
    return age >= 0 && age < (document === undefined ? absentFor : this.#refresh);
  }

  #keep(purl: string, kept: Kept): AttestationDocument | undefined {
    this.#kept.delete(purl);
    this.#kept.set(purl, kept);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= maximumKept) break;
      this.#kept.delete(oldest);
    }
    return kept.document;
  }
}

function readKept(value: unknown, purl: string): Kept | undefined {
  const kept = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const fetched = Date.parse(String(kept.fetched));
  const document = parseDocument(kept.document);
  if (kept.format !== 1 || kept.purl !== purl || Number.isNaN(fetched) || document === undefined) return undefined;
  return { fetched, document };
}

function parseDocument(value: unknown): AttestationDocument | undefined {
  const list = typeof value === 'object' && value !== null && 'attestations' in value ? value.attestations : undefined;
  return Array.isArray(list) && list.length > 0 ? { attestations: list } : undefined;
}
