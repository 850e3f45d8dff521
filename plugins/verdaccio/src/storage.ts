/** A version as the local storage has it. */
export interface StoredVersion {
  /** `dist.integrity`, if it is a text. */
  readonly integrity: string | undefined;
}

/** A package as the local storage has it. */
export interface StoredPackage {
  readonly versions: ReadonlyMap<string, StoredVersion>;
  /** Files that Verdaccio knows of and removes with the package: tarballs and bundles. */
  readonly files: readonly string[];
}

/** What a publish that passed the gate may write. */
export interface ApprovedPublish {
  readonly name: string;
  readonly version: string;
  readonly tarballName: string;
  readonly integrity: string;
  /** Tags that shall point to the version as soon as it is visible. */
  readonly tags: readonly string[];
}

/**
 * All that the plugin asks of Verdaccio's storage. It stands behind this interface because the 9.x line replaces the
 * callbacks of 6.x by promises (ARCHITECTURE.md, decision 15).
 */
export interface EvidenceStorage {
  /** The package, or undefined when there is none here. Uplinks are not asked. */
  readPackage(name: string): Promise<StoredPackage | undefined>;
  /** Creates an empty package document unless there is one; files need it to be registered in. */
  ensurePackage(name: string): Promise<void>;
  /**
   * Notes in the package document, in one write, which files are going to be stored. Before they are: a crash then leaves a note
   * without a file, which unpublishing and the next publish clear away, and never a file that nobody knows of.
   */
  announceFiles(name: string, files: readonly string[]): Promise<void>;
  /** Stores a file that was announced; one of that name stays. */
  writeFile(name: string, file: string, bytes: Uint8Array): Promise<void>;
  /**
   * @param limit bytes; a larger file is an error
   * @returns undefined when there is no such file
   */
  readFile(name: string, file: string, limit: number): Promise<Uint8Array | undefined>;
  /** Removes a file and its registration, whichever of the two there is. */
  removeFile(name: string, file: string): Promise<void>;
  /**
   * Refuses from now on every tarball and every version that `approved` does not know: a second line behind the gate,
   * which holds whatever route led to the storage.
   */
  guard(approved: (name: string) => ApprovedPublish | undefined): void;
  /** Calls `removed` after a tarball was unpublished, before the client is answered. */
  onTarballRemoved(removed: (name: string, file: string) => Promise<void>): void;
}
