import type { Exception } from './exceptions.ts';
import type { NamePattern } from './name-pattern.ts';
import type { Publisher } from './publisher.ts';
import type { PinnedIdentity } from './trust-lock.ts';

/** Whether a violation stops an installation. */
export type Mode = 'enforce' | 'warn';

/** A trust policy, read and found consistent: who may publish what, and which trust root may vouch for it. */
export interface Policy {
  /** Where it came from, for messages. */
  readonly path: string;
  readonly version: 1;
  readonly mode: Mode;
  /** What becomes of a package that no rule names. */
  readonly noMatch: 'allow' | 'warn' | 'deny';
  readonly trustRoots: readonly TrustRootReference[];
  readonly publishers: ReadonlyMap<string, Publisher>;
  readonly rules: readonly Rule[];
  readonly distrust: readonly Distrust[];
  readonly exceptions: readonly Exception[];
  readonly pins: PinPolicy;
  /** Policies of others whose rules hold as well. */
  readonly extends?: readonly ExtendedPolicy[];
  /** Grows with each new version of a policy that others extend, so that nobody is given an older one. */
  readonly sequence?: number;
  /** When others must have fetched it anew. */
  readonly expires?: Date;
}

/** A policy that is published, signed, for others to extend (`/-/signet/v1/policy`). */
export interface ExtendedPolicy {
  readonly url: string;
  /** Name of the trust root under which it is signed. */
  readonly trustRoot: string;
  /** Names of publishers, any one of whom is enough; by default the registry's own key must have signed. */
  readonly by?: readonly string[];
  /** Of its text, in hexadecimal. */
  readonly sha256?: string;
}

/** What becomes of a package that is proven otherwise than before. */
export interface PinPolicy {
  /** Whether packages are pinned at first sight, by what, and what becomes of a change. Absent: no new pins. */
  readonly tofu?: { readonly pin: readonly (keyof PinnedIdentity)[]; readonly onChange: 'error' | 'warn' };
  readonly downgrade: 'error' | 'warn' | 'allow';
  /** Releases of before need not be as well proven as later ones. Default: when the trust lock was created. */
  readonly enforceSince?: Date;
}

/** A trust root, the names it owns and the identity issuers it may vouch for (ARCHITECTURE 9). */
export interface TrustRootReference {
  readonly name: string;
  readonly source:
    | { readonly kind: 'builtin'; readonly builtin: 'sigstore-public-good' }
    /** `path` is relative to the policy file. */
    | { readonly kind: 'file'; readonly path: string; readonly sha256?: string }
    | { readonly kind: 'tuf'; readonly url: string; readonly root: string };
  /** The names it owns; undefined for the one root that owns every name no other root owns. */
  readonly packages?: readonly NamePattern[];
  /** Issuers of identities it may vouch for; undefined for any that its certificate authority accepts. */
  readonly issuers?: readonly string[];
  /** A file with the keys of the registry (`/-/npm/v1/keys`, or Sigstore's keys.json), relative to the policy file. */
  readonly registryKeys?: string;
  /** A file that says which witnesses must have cosigned (c2sp.org/tlog-policy), relative to the policy file. */
  readonly witnesses?: string;
}

/** Every matching rule must hold. */
export interface Rule {
  readonly id: string;
  /** The extended policy it comes from, by its trust root; absent for a rule of one's own. */
  readonly layer?: string;
  /** Whether exceptions of who extends this policy cover it, too. */
  readonly allowExceptions?: boolean;
  readonly match: readonly NamePattern[];
  readonly mode: Mode;
  /** Milliseconds since the release was signed, at least. */
  readonly minimumReleaseAge?: number;
  /** All of them must be met. */
  readonly require: readonly Requirement[];
}

export type Requirement =
  | ProvenanceRequirement
  | SignatureRequirement
  | AttestationRequirement
  | RegistrySignatureRequirement;

/** The registry's own signature over name, version and bytes, as npm has it. */
export interface RegistrySignatureRequirement {
  readonly kind: 'registrySignature';
}

/** SLSA provenance, v1 or v0.2, that agrees with its certificate. */
export interface ProvenanceRequirement {
  readonly kind: 'provenance';
  /** A CEL expression over `attestation`, `name` and `version` that must be true. */
  readonly cel?: string;
  /** Names of publishers, any one of whom is enough. */
  readonly by?: readonly string[];
  /** `https://host/owner/repository` of the source. */
  readonly repository?: string;
  /** The source ref must be the tag `v<version>` or `<version>`. */
  readonly tagMatchesVersion: boolean;
}

/** Any verified statement about the package. */
export interface SignatureRequirement {
  readonly kind: 'signature';
  readonly by: readonly string[];
  /** How many distinct signers, at least. */
  readonly threshold: number;
}

/** A statement of one type. */
export interface AttestationRequirement {
  readonly kind: 'attestation';
  /** A CEL expression over `attestation`, `name` and `version` that must be true. */
  readonly cel?: string;
  readonly predicateType: string;
  readonly by: readonly string[];
  /** Milliseconds since it was signed, at most. */
  readonly maxAge?: number;
}

/** What is not accepted whatever else says so. */
export interface Distrust {
  readonly what:
    | { readonly kind: 'identity'; readonly issuer: string; readonly subject: string }
    | { readonly kind: 'integrity'; readonly integrity: string }
    | { readonly kind: 'logEntry'; readonly origin: string; readonly index: bigint };
  /** Bounds on when something was signed; open where absent. */
  readonly from?: Date;
  readonly to?: Date;
  readonly reason: string;
}
