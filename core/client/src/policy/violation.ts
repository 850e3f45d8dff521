import type { Pin } from './trust-lock.ts';

/**
 * What each violation means. Codes are stable (notes on the policy format): 0xx the policy itself, 1xx a package, 2xx a change
 * since it was first seen, 3xx exceptions.
 */
export const violationCodes = {
  TP101: 'no rule of the policy names the package',
  TP102: 'evidence is present but does not verify',
  TP103: 'the registry’s own signature is missing or does not hold',
  TP104: 'the lockfile has not exactly one sha512 for the package, so that nothing binds its bytes',
  TP105: 'the package does not come as a tarball that evidence could be about',
  TP106: 'the package is imported under a name that a trust root owns, but is another package',
  TP107: 'the package is patched after unpacking, so that other bytes are installed than were verified',
  TP108: 'the package brings a lockfile of its own, from which npm installs packages that were not judged',
  TP110: 'provenance is missing',
  TP111: 'the signer is not one who may publish the package',
  TP112: 'the tag that was built is not that of the version',
  TP113: 'too few distinct signers',
  TP114: 'certificate and provenance disagree',
  TP115: 'a signature is missing',
  TP120: 'no trust root, or more than one, may vouch for the package',
  TP121: 'the evidence comes from a trust root or issuer that may not vouch for the package',
  TP123: 'too few witnesses have cosigned the log’s checkpoint',
  TP130: 'an attestation is missing',
  TP131: 'an attestation was found but does not satisfy',
  TP132: 'an expression over an attestation is not true',
  TP140: 'the release is younger than the policy wants it to be',
  TP150: 'the signer, the log entry or the bytes are distrusted',
  TP201: 'the package is less well proven than before',
  TP202: 'the publisher of the package is another than before',
  TP203: 'the package is not pinned, and new pins are not made here',
  TP204: 'a release claims to be older than the registry knew it',
  TP301: 'an exception has expired',
} as const;

export type ViolationCode = keyof typeof violationCodes;

/** What is wrong with the policy itself, in the message of ERR_POLICY_INVALID where it has a code. */
export const policyCodes = {
  TP001: 'the policy has a key that is not known',
  TP003: 'a publisher names a subject without its issuer',
  TP004: 'an expression for subjects is malformed, or describes anybody',
  TP005: 'an exception has no reason',
  TP006: 'an exception has no end, or one too far away',
  TP007: 'an exception does not name the bytes that it is for',
} as const;

export type PolicyCode = keyof typeof policyCodes;

/** One reason against a package. Texts may hold foreign strings; make them inert where they are shown. */
export interface Violation {
  readonly code: ViolationCode;
  /** An `error` denies the package, a `warning` is told. */
  readonly severity: 'error' | 'warning';
  /** The rule that is violated; absent for what always holds. */
  readonly rule?: string;
  /** `name@version` */
  readonly package: string;
  /** One sentence. */
  readonly message: string;
  readonly expected?: string;
  readonly found?: string;
  /** Signer, log index and time of the evidence it is about. */
  readonly evidence?: string;
  /** What a person can do now. */
  readonly next: string;
}

/** What the policy says about one package. */
export interface Decision {
  readonly allowed: boolean;
  readonly violations: readonly Violation[];
  /** Rules that were asked, all of them. */
  readonly rules: readonly string[];
  /** The trust root that owns the name. */
  readonly trustRoot?: string;
  /** What to keep in the trust lock, once the installation is allowed. */
  readonly pin?: Pin;
}
