import { createHash } from 'node:crypto';
import { NameLock } from './name-lock.ts';
import type { EvidenceStorage } from './storage.ts';

/** A folder of the storage that is no package name, so that nothing serves it. */
const folder = '.signet-packages';

/** What the registry remembers of a package for as long as it has a storage, whether or not the package is still there. */
export interface PackageRecord {
  readonly format: 1;
  readonly name: string;
  /** Who published it first; undefined for packages of before this was written down. */
  readonly owner?: string;
  /** `dist.integrity` of the versions that were unpublished, null where none was known. */
  readonly removed: Readonly<Record<string, string | null>>;
}

/**
 * Remembers owners and versions that are gone. A version that was unpublished can come back with the bytes that it had and with
 * no others: whoever verified or pinned it must never meet something else under its name.
 */
export class PackageRecords {
  readonly #storage: EvidenceStorage;
  readonly #lock: NameLock;

  constructor(storage: EvidenceStorage) {
    this.#storage = storage;
    this.#lock = new NameLock((name) => storage.lock(`the record of ${name}`));
  }

  /** @throws ERR_REGISTRY_STORAGE; a record that cannot be read is not none */
  async read(name: string): Promise<PackageRecord> {
    const found = (await this.#storage.readDocument(placeOf(name))) as Partial<PackageRecord> | undefined;
    const removed: Record<string, string | null> = Object.create(null);
    const record = { format: 1, name, removed } as const;
    if (found?.format !== 1 || found.name !== name) return record;
    Object.assign(removed, found.removed);
    return typeof found.owner === 'string' ? { ...record, owner: found.owner } : record;
  }

  /** Notes the owner of a package that has none. */
  async claim(name: string, owner: string): Promise<void> {
    await this.#change(name, (record) => (record.owner === undefined ? { ...record, owner } : record));
  }

  /** Notes versions that are about to go. @param versions with their `dist.integrity` */
  async noteRemoved(name: string, versions: ReadonlyMap<string, string | null>): Promise<void> {
    if (versions.size === 0) return;
    await this.#change(name, (record) => ({
      ...record,
      removed: { ...record.removed, ...Object.fromEntries(versions) },
    }));
  }

  async #change(name: string, change: (record: PackageRecord) => PackageRecord): Promise<void> {
    const release = await this.#lock.acquire(name);
    try {
      const before = await this.read(name);
      const after = change(before);
      if (after !== before) await this.#storage.writeDocument(placeOf(name), after);
    } finally {
      release();
    }
  }
}

function placeOf(name: string): string {
  return `${folder}/${createHash('sha256').update(name).digest('hex').slice(0, 40)}`;
}
