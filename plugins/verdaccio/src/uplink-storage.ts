/** A version that came from an uplink, as the local document has it. Everything in it is the uplink's word. */
export interface ProxiedVersion {
  readonly name: string;
  readonly version: string;
  /** `dist.integrity`, if it is a text. */
  readonly integrity: string | undefined;
  /** `dist.shasum`, hex of SHA-1, if it is a text. */
  readonly shasum: string | undefined;
  /** `dist.signatures`, unjudged. */
  readonly signatures: unknown;
  /** Whether `dist.attestations` says that there is evidence. */
  readonly advertised: boolean;
  /** When it was published, if the document says so. */
  readonly published: Date | undefined;
  /** Whether Verdaccio notes that its file comes from elsewhere. */
  readonly remote: boolean;
}

/**
 * All that the plugin asks of Verdaccio about uplinks, behind an interface for the same reason as `EvidenceStorage`: the
 * 9.x line replaces it.
 */
export interface UplinkStorage {
  /** Names of uplinks from which Verdaccio would fetch the package. */
  uplinksOf(name: string): readonly string[];
  /** Names of uplinks whose tarballs Verdaccio does not keep. */
  readonly withoutCache: readonly string[];
  /** Patterns of Verdaccio's `packages` that have uplinks, in order. */
  readonly proxiedPatterns: readonly string[];
  /** From now on no uplink is asked about names that `isOwned` knows. */
  closeFor(isOwned: (name: string) => boolean): void;
  /** From now on `dist.attestations` of versions that come from uplinks points below this URL. */
  pointTo(publicUrl: string): void;
  /** A version that is known here; no uplink is asked. */
  known(name: string, version: string): Promise<ProxiedVersion | undefined>;
  /**
   * The versions whose tarball a file is, usually one, after the uplinks were asked when it is not known here.
   *
   * @throws Verdaccio's own error, with a status, when uplinks cannot be asked
   */
  versionsOfFile(name: string, file: string): Promise<readonly ProxiedVersion[]>;
  /**
   * Lets tarballs of uplinks into this storage by {@link pull} alone: what is served lies here and was looked at. A request for
   * one that vanished in between is refused after `vanished` was called.
   */
  fetchOnlyByPull(vanished: (name: string, file: string) => void): void;
  /**
   * Fetches a tarball into this storage unless it is there.
   *
   * @returns whether it had to be fetched
   * @throws Verdaccio's own error, with a status, when it cannot be had
   */
  pull(name: string, file: string): Promise<boolean>;
  /**
   * Asks the uplinks of the name for npm's attestation document of a version.
   *
   * @param limit bytes
   * @returns undefined when none of them has any
   * @throws ERR_NETWORK, ERR_INPUT_TOO_LARGE, ERR_JSON
   */
  fetchAttestations(name: string, version: string, limit: number): Promise<unknown>;
}
