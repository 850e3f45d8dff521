import { createHash } from 'node:crypto';
import { integrityOfDigest, isExactVersion, parseIntegrity, publishAttestationType } from '@signet/client/npm';
import { describeBundle } from '@signet/client/policy';
import { importPublicKey, verifySignature } from '@signet/primitives/crypto';
import { fromBase64, toHex, utf8 } from '@signet/primitives/formats';
import type { ClaimsMaker } from './claims.ts';
import type { Evidence, Release } from './evidence.ts';
import type { EvidenceReader } from './evidence-reader.ts';
import type { NameLock } from './name-lock.ts';
import type { OwnedNames } from './names.ts';
import type { RegistrySigner } from './registry-signer.ts';
import type { EvidenceStorage, RegistryClaims, StoredVersion } from './storage.ts';
import type { Logger } from './verdaccio-host.ts';

/** What is known of one stored version. Texts in it are foreign. */
export interface VersionReport {
  readonly name: string;
  readonly version: string;
  readonly integrity: string | null;
  /** Whether the stored tarball is the one of the package document; `unread` when it was not asked. */
  readonly bytes: 'intact' | 'changed' | 'missing' | 'unread';
  /** The registry's own signature; `off` when it signs nothing. */
  readonly signature: 'valid' | 'missing' | 'invalid' | 'off';
  readonly evidence: readonly { readonly predicateType: string; readonly by: string }[];
  /** Whether the policy in force would let it be published and served. */
  readonly accepted: boolean;
  /** Why not. */
  readonly reason?: string;
}

/** What a backfill did. */
export interface BackfillResult {
  readonly versions: number;
  readonly changed: number;
  /** Versions that were left as they are, because nothing true can be signed about them. */
  readonly left: readonly { readonly name: string; readonly version: string; readonly reason: string }[];
}

/** What the walk works with. */
export interface StoredVersionsParts {
  readonly names: OwnedNames;
  readonly storage: EvidenceStorage;
  readonly evidence: Evidence;
  readonly reader: EvidenceReader;
  readonly claims: ClaimsMaker;
  readonly signer: RegistrySigner | undefined;
  readonly lock: NameLock;
  readonly logger: Logger;
  /** Called with the name after its document was changed. */
  readonly onChanged: (name: string) => void;
}

/** Walks over every version of owned names in the storage: to report on it, and to sign what is not signed yet. */
export class StoredVersions {
  readonly #parts: StoredVersionsParts;

  constructor(parts: StoredVersionsParts) {
    this.#parts = parts;
  }

  /**
   * Judges every version as it is stored now.
   *
   * @param options.bytes whether every tarball is read and hashed too
   */
  async *report(options: { readonly bytes: boolean; readonly signal?: AbortSignal }): AsyncGenerator<VersionReport> {
    for await (const [name, versions] of this.#packages(options.signal)) {
      for (const [version, stored] of versions) {
        options.signal?.throwIfAborted();
        yield await this.#describe(name, version, stored, options.bytes);
      }
    }
  }

  /**
   * Signs every version that has no valid signature of the registry, after its tarball was found to be the one of the document;
   * adds a sha512 where an old client left only a SHA-1; points to evidence, or takes a pointer away that somebody else put
   * there.
   *
   * @param options.thorough whether signatures that are there are verified; otherwise a known key id is enough
   */
  async backfill(options: { readonly thorough: boolean; readonly signal?: AbortSignal }): Promise<BackfillResult> {
    const { lock, storage, logger, onChanged } = this.#parts;
    const left: BackfillResult['left'][number][] = [];
    let [versions, changed] = [0, 0];
    for await (const [name, stored] of this.#packages(options.signal)) {
      // Most packages need nothing, and taking a name can be slow.
      const found = await this.#missingClaims(name, stored, options);
      versions += stored.size;
      if (found.claims.size === 0) {
        left.push(...found.left);
        continue;
      }
      const release = await lock.acquire(name);
      try {
        const now = (await storage.readPackage(name))?.versions ?? new Map<string, StoredVersion>();
        const missing = await this.#missingClaims(name, now, options);
        left.push(...missing.left);
        if (missing.claims.size === 0) continue;
        await storage.updateClaims(name, missing.claims);
        changed += missing.claims.size;
        onChanged(name);
      } finally {
        release();
      }
    }
    for (const { name, version, reason } of left) {
      logger.warn({ package: name, version, reason }, 'not signed: @{package}@@{version}: @{reason}');
    }
    return { versions, changed, left };
  }

  async #missingClaims(
    name: string,
    stored: ReadonlyMap<string, StoredVersion>,
    options: { readonly thorough: boolean; readonly signal?: AbortSignal },
  ) {
    const left: BackfillResult['left'][number][] = [];
    const claims = new Map<string, RegistryClaims>();
    for (const [version, one] of stored) {
      options.signal?.throwIfAborted();
      const outcome = await this.#claimsFor(name, version, one, options.thorough);
      if (typeof outcome === 'string') left.push({ name, version, reason: outcome });
      else if (Object.keys(outcome).length > 0) claims.set(version, outcome);
    }
    return { claims, left };
  }

  /** Versions that the registry has not attested, because it did not do so yet or came to an end in between. */
  async *unattested(signal?: AbortSignal): AsyncGenerator<Release> {
    for await (const [name, versions] of this.#packages(signal)) {
      for (const [version, stored] of versions) {
        const integrity = usable(stored.integrity);
        if (integrity === undefined || !isExactVersion(version)) continue;
        const evidence = (await this.#parts.reader.read(name, version))?.attestations ?? [];
        if (evidence.some(({ predicateType }) => predicateType === publishAttestationType)) continue;
        yield { name, version, integrity };
      }
    }
  }

  /** What is missing in `dist`; a text when nothing may be said. */
  async #claimsFor(
    name: string,
    version: string,
    stored: StoredVersion,
    thorough: boolean,
  ): Promise<RegistryClaims | string> {
    const { claims, signer, reader } = this.#parts;
    if (!isExactVersion(version)) return 'it is not a version that npm accepts';
    const integrity = usable(stored.integrity);
    const state = this.#signatureOf(name, version, stored, thorough);
    const signed = integrity !== undefined && (state === 'valid' || signer === undefined);
    let evidence: readonly { readonly predicateType: string }[];
    try {
      evidence = (await reader.read(name, version))?.attestations ?? [];
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
    const pointer =
      claims.attestations(
        { name, version },
        evidence.map(({ predicateType }) => predicateType),
      ) ?? null;
    const pointers =
      JSON.stringify(stored.attestations ?? null) === JSON.stringify(pointer) ? {} : { attestations: pointer };
    if (signed) return pointers;
    const found = await this.#hash(name, version, stored);
    if (found === undefined) return 'its tarball is missing';
    if (integrity !== undefined && integrity !== found.integrity)
      return 'its tarball is not the one that was published';
    if (integrity === undefined && stored.shasum?.toLowerCase() !== found.shasum) {
      return 'neither dist.integrity nor dist.shasum says what its tarball was';
    }
    return {
      ...(integrity === undefined ? { integrity: found.integrity } : {}),
      ...(signer === undefined ? {} : { signatures: [await signer.sign(name, version, found.integrity)] }),
      ...pointers,
    };
  }

  async #describe(name: string, version: string, stored: StoredVersion, bytes: boolean): Promise<VersionReport> {
    const { evidence, reader } = this.#parts;
    const integrity = usable(stored.integrity);
    const found = bytes ? await this.#hash(name, version, stored) : undefined;
    const common = {
      name,
      version,
      integrity: integrity ?? null,
      bytes: !bytes ? 'unread' : found === undefined ? 'missing' : found.integrity === integrity ? 'intact' : 'changed',
      signature: this.#signatureOf(name, version, stored, true),
    } as const;
    if (integrity === undefined) return { ...common, evidence: [], accepted: false, reason: 'it has no sha512' };
    try {
      const bundles = (await reader.read(name, version))?.attestations.map(({ bundle }) => bundle) ?? [];
      const { attestations, warning } = await evidence.examineStored({ name, version, integrity }, bundles, 'warn');
      return {
        ...common,
        evidence: attestations.map(({ predicateType, verified }) => ({ predicateType, by: describeBundle(verified) })),
        accepted: warning === undefined,
        ...(warning === undefined ? {} : { reason: warning }),
      };
    } catch (error) {
      return {
        ...common,
        evidence: [],
        accepted: false,
        reason: error instanceof Error ? error.message : String(error),
      };
    }
  }

  #signatureOf(name: string, version: string, stored: StoredVersion, thorough: boolean): VersionReport['signature'] {
    const { signer } = this.#parts;
    if (signer === undefined) return 'off';
    const signatures: readonly unknown[] = Array.isArray(stored.signatures) ? stored.signatures : [];
    if (signatures.length === 0) return 'missing';
    // npm wants every one of them to verify.
    const valid = signatures.every((entry) => {
      const { keyid, sig } = (typeof entry === 'object' && entry !== null ? entry : {}) as Record<string, unknown>;
      const key = signer.keys().find((candidate) => candidate.keyid === keyid);
      if (key === undefined || typeof sig !== 'string') return false;
      return !thorough || verifies(key.key, `${name}@${version}:${stored.integrity}`, sig);
    });
    return valid ? 'valid' : 'invalid';
  }

  async #hash(name: string, version: string, { tarballName }: StoredVersion) {
    const [sha512, sha1] = [createHash('sha512'), createHash('sha1')];
    const file = tarballName ?? `${name.slice(name.indexOf('/') + 1)}-${version}.tgz`;
    const found = await this.#parts.storage.scanFile(name, file, (chunk) => {
      sha512.update(chunk);
      sha1.update(chunk);
    });
    return found ? { integrity: integrityOfDigest(sha512.digest()), shasum: toHex(sha1.digest()) } : undefined;
  }

  async *#packages(signal?: AbortSignal): AsyncGenerator<[string, ReadonlyMap<string, StoredVersion>]> {
    const { names, storage } = this.#parts;
    for (const name of await storage.listPackages()) {
      signal?.throwIfAborted();
      if (!names.has(name)) continue;
      const stored = await storage.readPackage(name);
      if (stored !== undefined) yield [name, stored.versions];
    }
  }
}

function usable(integrity: string | undefined): string | undefined {
  if (integrity === undefined) return undefined;
  try {
    parseIntegrity(integrity);
    return integrity;
  } catch {
    return undefined;
  }
}

function verifies(key: string, text: string, signature: string): boolean {
  try {
    const message = utf8(text);
    return verifySignature({
      key: importPublicKey(fromBase64(key, 'key')),
      signature: fromBase64(signature, 'signature'),
      message,
    });
  } catch {
    // Not base64, or no signature at all.
    return false;
  }
}
