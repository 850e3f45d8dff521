/** A version as the local storage has it. */
export interface StoredVersion {
  /** `dist.integrity`, if it is a text. */
  readonly integrity: string | undefined;
  /** `dist.shasum`, hex of SHA-1, if it is a text. */
  readonly shasum: string | undefined;
  /** File name at the end of `dist.tarball`, if there is one. */
  readonly tarballName: string | undefined;
  /** `dist.signatures` as stored. */
  readonly signatures: unknown;
  /** `dist.attestations` as stored. */
  readonly attestations: unknown;
}

/** Members of `dist` that are the registry's to say. */
export interface RegistryClaims {
  readonly integrity?: string;
  readonly signatures?: readonly { readonly keyid: string; readonly sig: string }[];
  /** Null takes it away. */
  readonly attestations?: object | null;
}

/** A package as the local storage has it. */
export interface StoredPackage {
  /** What the tag `latest` points to. */
  readonly latest: string | undefined;
  readonly versions: ReadonlyMap<string, StoredVersion>;
  /** Files that Verdaccio knows of and removes with the package: tarballs and bundles. */
  readonly files: readonly string[];
}

/** Nothing, when a tarball may be served; otherwise why not. */
export type TarballVerdict = Error | undefined;

/** What a publish that passed the gate may write. Its package exists, and its tarball is stored. */
export interface ApprovedPublish {
  readonly name: string;
  readonly version: string;
  readonly tarballName: string;
  readonly integrity: string;
  /** Tags that shall point to the version as soon as it is visible. */
  readonly tags: readonly string[];
}

/** A change of a package that exists, which a client asks for. */
export interface PackageChange {
  /** `star`: the user's own and nothing else; `change`: a document that is none of the others, even if nothing in it differs. */
  readonly action: 'unpublish' | 'deprecate' | 'tag' | 'star' | 'change';
  readonly name: string;
  /** Versions, tags or a file, in words. */
  readonly what: string;
  /** Versions that would go, with their `dist.integrity`. */
  readonly removed: ReadonlyMap<string, string | null>;
  /** Why nobody may make this change. */
  readonly refused?: string;
}

/**
 * All that the plugin asks of Verdaccio's storage. It stands behind this interface because the 9.x line replaces the
 * callbacks of 6.x by promises (ARCHITECTURE.md, decision 15).
 */
export interface EvidenceStorage {
  /** The package, or undefined when there is none here. Uplinks are not asked. */
  readPackage(name: string): Promise<StoredPackage | undefined>;
  /** The names of all packages that were published here. */
  listPackages(): Promise<readonly string[]>;
  /**
   * Changes what the registry says in `dist` of versions that exist, all of them in one write of the package document.
   *
   * @param claims by version; members that are not given stay
   */
  updateClaims(name: string, claims: ReadonlyMap<string, RegistryClaims>): Promise<void>;
  /** Creates an empty package document unless there is one; files need it to be registered in. */
  ensurePackage(name: string): Promise<void>;
  /**
   * Notes in the package document, in one write, which files are going to be stored. Before they are: a crash then leaves a note
   * without a file, which unpublishing and the next publish clear away, and never a file that nobody knows of.
   *
   * @param files hex of SHA-1 by name, as Verdaccio notes it of tarballs; undefined for others
   */
  announceFiles(name: string, files: ReadonlyMap<string, string | undefined>): Promise<void>;
  /**
   * Stores a file that was announced.
   *
   * @param options.replace whether it takes the place of one of that name, which otherwise stays
   */
  writeFile(name: string, file: string, bytes: Uint8Array, options?: { readonly replace?: boolean }): Promise<void>;
  /**
   * @param limit bytes; a larger file is an error
   * @returns undefined when there is no such file
   */
  readFile(name: string, file: string, limit: number): Promise<Uint8Array | undefined>;
  /**
   * Reads a file of any size, chunk by chunk.
   *
   * @returns whether there is such a file
   */
  scanFile(name: string, file: string, onChunk: (chunk: Uint8Array) => void): Promise<boolean>;
  /** Removes a file and its registration, whichever of the two there is. */
  removeFile(name: string, file: string): Promise<void>;
  /**
   * A document of the plugin's own, in a folder that is no package's.
   *
   * @returns undefined when there is none
   */
  readDocument(place: string): Promise<unknown>;
  /** Creates or replaces such a document. */
  writeDocument(place: string, document: object): Promise<void>;
  removeDocument(place: string): Promise<void>;
  /**
   * Keeps every other process that uses the storage from holding the same name. A process that dies holding it is waited for until
   * its lock is stale.
   *
   * @returns what gives the name back
   */
  lock(name: string): Promise<() => Promise<void>>;
  /**
   * Asks before any tarball is served, whatever address it was asked for by. `check` returns undefined when it may be served,
   * a refusal, or a promise of either.
   */
  guardTarballs(check: (name: string, file: string) => TarballVerdict | Promise<TarballVerdict>): void;
  /**
   * Refuses from now on every new package, tarball and version that `approved` does not know: a second line behind the gate,
   * which holds whatever route led to the storage.
   */
  guard(approved: (name: string) => ApprovedPublish | undefined): void;
  /**
   * Asks before anything that is published is changed or removed, whatever address it was asked for by. `decide` throws what the
   * client is to be told. A package document does not change between the question and the change.
   *
   * @param exclusively takes the package's name, as a publish does; returns what gives it back
   */
  guardChanges(
    decide: (change: PackageChange) => Promise<void>,
    exclusively: (name: string) => Promise<() => void>,
  ): void;
  /** Calls `removed` after a tarball was unpublished, before the client is answered. */
  onTarballRemoved(removed: (name: string, file: string) => Promise<void>): void;
}
