import type { VerificationKey } from '@signet/primitives/crypto';
import type { DigestAlgorithm, KeyDetails, PublicKeyInfo, TimeRange, TlogPolicy } from '@signet/primitives/formats';
import type { TrustMaterial } from '../trust/index.ts';

/**
 * Who is expected to have signed. Both must match; the subject is compared exactly, or as a whole with an RE2 pattern.
 */
export interface ExpectedIdentity {
  /** URL of the identity issuer, exactly as the certificate has it. */
  readonly issuer: string;
  /** The subject alternative name: URI, e-mail address or user name. */
  readonly subject: string | { readonly pattern: string };
}

/**
 * Stands for "no identity is expected here, a policy decides on the verified facts". Only for callers that do run such a
 * policy: without one, anybody's signature is as good as any other.
 */
export const decidedByPolicy: unique symbol = Symbol('the identity is decided by policy');

/** A public key that the caller trusts, and how signatures with it are made. */
export interface ExpectedKey {
  /** DER of SubjectPublicKeyInfo, or what was read from it. */
  readonly publicKey: Uint8Array | PublicKeyInfo | VerificationKey;
  /** By default the algorithm that the key's kind and size name. */
  readonly keyDetails?: KeyDetails;
  /** When given, a trusted clock must place the signature within it. */
  readonly validFor?: TimeRange;
}

export interface ArtifactDigest {
  readonly algorithm: DigestAlgorithm;
  readonly digest: Uint8Array;
}

/** The artifact's bytes, or one or more digests of it. */
export type ArtifactInput = Uint8Array | ArtifactDigest | readonly ArtifactDigest[];

/** How many independent witnesses of each kind must agree. */
export interface Thresholds {
  /** Transparency logs, counted by operator. 1 when absent. */
  readonly logEntries?: number;
  /** Trusted clocks: timestamp authorities and signed entry timestamps. 1 when absent; 0 for a key without validity. */
  readonly timestamps?: number;
  /** Certificate transparency logs. 1 when absent. */
  readonly certificateLogs?: number;
}

export interface VerifyOptions {
  readonly trust: TrustMaterial;
  /** Needed for a message signature. With an envelope, it must be among the statement's subjects. */
  readonly artifact?: ArtifactInput;
  /** For bundles with a certificate: one of these must have signed. An empty list is an error. */
  readonly identities?: readonly ExpectedIdentity[] | typeof decidedByPolicy;
  /** For bundles with a public key: the key itself, never taken from the bundle. */
  readonly key?: ExpectedKey;
  readonly thresholds?: Thresholds;
  /**
   * Which witnesses must have cosigned, as `parseTlogPolicy` reads it (c2sp.org/tlog-policy). Then only log entries whose
   * checkpoint is valid by the policy count towards `thresholds.logEntries`, and at least one is needed.
   */
  readonly witnesses?: TlogPolicy;
}
