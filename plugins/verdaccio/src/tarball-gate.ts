import { createHash } from 'node:crypto';
import { integrityOfDigest } from '@signet/client/npm';
import type { Enforcement, Evidence } from './evidence.ts';
import type { EvidenceReader } from './evidence-reader.ts';
import type { OwnedNames } from './names.ts';
import { Refusal } from './refusal.ts';
import type { EvidenceStorage, StoredPackage, TarballVerdict } from './storage.ts';
import type { Logger } from './verdaccio-host.ts';
import { VerdictCache } from './verdict-cache.ts';

/** What the gate works with. */
export interface TarballGateParts {
  readonly names: OwnedNames;
  readonly storage: EvidenceStorage;
  readonly evidence: Evidence;
  readonly reader: EvidenceReader;
  readonly enforcement: Enforcement;
  /** How long a verdict holds, milliseconds. */
  readonly lifetime: number;
  readonly logger: Logger;
}

/**
 * Keeps tarballs of owned names from being served when the evidence beside them is missing, does not verify or no longer
 * satisfies the policy, and when the stored bytes are not those of the package document. It stands before Verdaccio's storage and
 * not before its routes: no spelling of an address leads around it.
 *
 * A verdict is kept until policy or trusted root change, the package is written to by this process, or some minutes passed, which
 * is how long another process's writing and requirements about age may go unnoticed. With a verdict at hand nothing is read.
 */
export class TarballGate {
  readonly #parts: TarballGateParts;
  readonly #verdicts: VerdictCache;

  constructor(parts: TarballGateParts) {
    this.#parts = parts;
    this.#verdicts = new VerdictCache(parts.lifetime);
    if (parts.enforcement !== 'off') parts.storage.guardTarballs((name, file) => this.#check(name, file));
  }

  /** Judges a package anew from now on. */
  forget(name: string): void {
    this.#verdicts.forgetBelow(`${name}/`);
  }

  #check(name: string, file: string): TarballVerdict | Promise<TarballVerdict> {
    // Bundles are evidence themselves, and for clients to judge.
    if (!this.#parts.names.has(name) || file.endsWith('.sigstore.json')) return undefined;
    let rules: string;
    try {
      rules = this.#parts.evidence.rulesId();
    } catch (error) {
      return this.#refused(name, file, error);
    }
    return this.#verdicts.judge(`${name}/${file}`, rules, () => this.#judge(name, file));
  }

  async #judge(name: string, file: string): Promise<TarballVerdict> {
    try {
      await this.#examine(name, file);
      return undefined;
    } catch (error) {
      return this.#refused(name, file, error);
    }
  }

  /** @throws a refusal, or what reading throws */
  async #examine(name: string, file: string): Promise<void> {
    const { storage, reader, evidence, enforcement, logger } = this.#parts;
    const stored = await storage.readPackage(name);
    const versions = stored === undefined ? [] : versionsOf(stored, name, file);
    // Verdaccio answers 404, unless something lies there that belongs to no version.
    if (versions.length === 0) throw new Refusal(404, 'ERR_EVIDENCE_MISSING', 'no such file available');
    let bytes: string | undefined;
    for (const version of versions) {
      const integrity = stored?.versions.get(version)?.integrity;
      if (integrity === undefined) {
        this.#refuseOrWarn(
          `${name}@${version} has no sha512 in the package document; signet registry backfill adds it`,
        );
        continue;
      }
      const found = await reader.read(name, version);
      const bundles = found?.attestations.map(({ bundle }) => bundle) ?? [];
      const { warning } = await evidence.examineStored({ name, version, integrity }, bundles, enforcement);
      if (warning !== undefined) logger.warn({ reason: warning }, 'served all the same (tarballs: warn): @{reason}');
      bytes ??= await this.#integrityOf(name, file);
      // Never a matter of the mode: these are other bytes than were published.
      if (bytes !== undefined && bytes !== integrity) {
        throw new Refusal(
          403,
          'ERR_INTEGRITY_MISMATCH',
          `${name}@${version} is not served: the stored tarball is not the one that was published`,
        );
      }
    }
  }

  #refuseOrWarn(problem: string): void {
    if (this.#parts.enforcement === 'enforce') throw new Refusal(403, 'ERR_EVIDENCE_MISSING', problem);
    this.#parts.logger.warn({ reason: problem }, 'served all the same (tarballs: warn): @{reason}');
  }

  async #integrityOf(name: string, file: string): Promise<string | undefined> {
    const hash = createHash('sha512');
    const found = await this.#parts.storage.scanFile(name, file, (chunk) => hash.update(chunk));
    return found ? integrityOfDigest(hash.digest()) : undefined;
  }

  #refused(name: string, file: string, error: unknown): Error {
    const { logger } = this.#parts;
    const reason = error instanceof Error ? error.message : String(error);
    if (!(error instanceof Refusal)) {
      logger.error({ package: name, file, reason }, 'cannot judge @{file} of @{package}: @{reason}');
      return new Refusal(503, 'ERR_REGISTRY_STORAGE', `The evidence of ${name} cannot be read now`, error);
    }
    if (error.status === 404 || error.status >= 500) return error;
    logger.warn({ package: name, file, reason }, 'not served: @{file} of @{package}: @{reason}');
    return new Refusal(403, error.code, error.message, error);
  }
}

/** The versions whose tarball a file is: what the document says, and what its name says. Usually both say the same one. */
function versionsOf(stored: StoredPackage, name: string, file: string): readonly string[] {
  const base = name.slice(name.indexOf('/') + 1);
  const own = file.startsWith(`${base}-`) && file.endsWith('.tgz') ? file.slice(base.length + 1, -'.tgz'.length) : '';
  return [...stored.versions].filter(([v, { tarballName }]) => v === own || tarballName === file).map(([v]) => v);
}
