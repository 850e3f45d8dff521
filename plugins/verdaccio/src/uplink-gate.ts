import { createHash } from 'node:crypto';
import { integrityOfDigest } from '@signet/client/npm';
import { toHex } from '@signet/primitives/formats';
import type { OwnedNames } from './names.ts';
import { Refusal } from './refusal.ts';
import type { RuleFiles } from './rules.ts';
import type { EvidenceStorage, TarballVerdict } from './storage.ts';
import type { UplinkMode } from './uplink-configuration.ts';
import type { UplinkJudge } from './uplink-judge.ts';
import type { ProxiedVersion, UplinkStorage } from './uplink-storage.ts';
import type { Logger } from './verdaccio-host.ts';
import { VerdictCache } from './verdict-cache.ts';

/** What the gate works with. */
export interface UplinkGateParts {
  readonly names: OwnedNames;
  readonly mode: UplinkMode;
  readonly storage: EvidenceStorage;
  readonly uplinks: UplinkStorage;
  readonly judge: UplinkJudge;
  readonly rules: RuleFiles;
  /** How long a verdict holds, milliseconds. */
  readonly lifetime: number;
  readonly logger: Logger;
}

/** Files whose hash is remembered; the least recently used go first. */
const maximumHashes = 50_000;

/**
 * Keeps tarballs of uplinks from being served before what is said of them was judged and their bytes were hashed. A tarball is
 * fetched into the storage first and served from there, so that no client gets a byte of what does not hold.
 *
 * A tarball of an owned name that came from elsewhere is never served: who owns a name is the only one to publish it.
 */
export class UplinkGate {
  readonly #parts: UplinkGateParts;
  readonly #verdicts: VerdictCache;
  /** Of files in the storage that were hashed in this process: what they are. */
  readonly #hashes = new Map<string, string>();

  constructor(parts: UplinkGateParts) {
    this.#parts = parts;
    this.#verdicts = new VerdictCache(parts.lifetime);
    const { mode, uplinks, storage, names } = parts;
    uplinks.closeFor((name) => names.has(name));
    if (mode !== 'off') {
      uplinks.fetchOnlyByPull((name, file) => {
        this.#hashes.delete(`${name}/${file}`);
        this.#verdicts.forget(`${name}/${file}`);
      });
    }
    storage.guardTarballs((name, file) => this.#check(name, file));
  }

  #check(name: string, file: string): TarballVerdict | Promise<TarballVerdict> {
    const { mode, names, rules } = this.#parts;
    const owned = names.has(name);
    if (file.endsWith('.sigstore.json') || (mode === 'off' && !owned)) return undefined;
    let id: string;
    try {
      id = rules.recent().id;
    } catch (error) {
      return this.#refusal(name, file, error);
    }
    return this.#verdicts.judge(`${name}/${file}`, id, async () => {
      try {
        await (owned ? this.#examineOwned(name, file) : this.#examine(name, file));
        return undefined;
      } catch (error) {
        return this.#refusal(name, file, error);
      }
    });
  }

  async #examineOwned(name: string, file: string): Promise<void> {
    const { storage, uplinks } = this.#parts;
    if ((await storage.readPackage(name)) === undefined) return;
    const [foreign] = (await uplinks.versionsOfFile(name, file)).filter(({ remote }) => remote);
    if (foreign === undefined) return;
    throw new Refusal(
      403,
      'ERR_EVIDENCE_REFUSED',
      `${name} belongs to this registry, but ${foreign.version} was fetched from an uplink; unpublish it here, and ask who published it there`,
    );
  }

  async #examine(name: string, file: string): Promise<void> {
    const { uplinks, judge } = this.#parts;
    const versions = await uplinks.versionsOfFile(name, file);
    if (versions.length === 0) throw new Refusal(404, 'ERR_EVIDENCE_MISSING', 'no such file available');
    // First what costs nothing: of an uplink that lies no tarball is fetched.
    for (const version of versions) await judge.examine(version);
    const key = `${name}/${file}`;
    if (await uplinks.pull(name, file)) this.#hashes.delete(key);
    const found = this.#hashes.get(key) ?? (await this.#hash(name, file));
    this.#remember(key, found);
    for (const version of versions) if (!matches(version, found)) await this.#discard(version, file, key);
  }

  /** Takes a tarball that is another than its uplink said out of the storage, so that it can be fetched anew. */
  async #discard({ name, version }: ProxiedVersion, file: string, key: string): Promise<never> {
    this.#hashes.delete(key);
    await this.#parts.storage.removeFile(name, file);
    throw new Refusal(
      403,
      'ERR_INTEGRITY_MISMATCH',
      `${name}@${version} is not passed on: the tarball that came from the uplink is not the one of its document`,
    );
  }

  /** `sha512-…` and the SHA-1 in hex. */
  async #hash(name: string, file: string): Promise<string> {
    const [sha512, sha1] = [createHash('sha512'), createHash('sha1')];
    await this.#parts.storage.scanFile(name, file, (chunk) => {
      sha512.update(chunk);
      sha1.update(chunk);
    });
    return `${integrityOfDigest(sha512.digest())} ${toHex(sha1.digest())}`;
  }

  #remember(key: string, hash: string): void {
    this.#hashes.delete(key);
    this.#hashes.set(key, hash);
    for (const oldest of this.#hashes.keys()) {
      if (this.#hashes.size <= maximumHashes) break;
      this.#hashes.delete(oldest);
    }
  }

  /** Verdaccio's own errors, of an uplink that is away or has no such file, stay as they are. */
  #refusal(name: string, file: string, error: unknown): Error {
    const { logger } = this.#parts;
    const reason = error instanceof Error ? error.message : String(error);
    const status = error instanceof Error && 'status' in error ? Number(error.status) : undefined;
    if (error instanceof Error && status !== undefined) {
      if (status === 403) logger.warn({ package: name, file, reason }, 'not served: @{file} of @{package}: @{reason}');
      return error;
    }
    logger.error({ package: name, file, reason }, 'cannot judge @{file} of @{package}: @{reason}');
    return new Refusal(503, 'ERR_REGISTRY_STORAGE', `What the uplink says of ${name} cannot be judged now`, error);
  }
}

/** Old versions have a SHA-1 alone; that the judge lets them pass is a matter of the mode. */
function matches({ integrity, shasum }: ProxiedVersion, found: string): boolean {
  const [sha512, sha1] = found.split(' ');
  return integrity === undefined ? shasum?.toLowerCase() === sha1 : integrity === sha512;
}
