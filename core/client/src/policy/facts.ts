import type { FulcioClaims, SignetError } from '@signet/primitives/formats';

/** Who signed, as a verifier established it. */
export type SignerFacts =
  | {
      readonly kind: 'certificate';
      readonly issuer: string;
      readonly subject: { readonly type: string; readonly value: string };
      readonly claims: FulcioClaims;
    }
  | {
      readonly kind: 'key';
      readonly hint?: string;
      /** The publisher of the policy whose key it is, as verification found out. */
      readonly publisher?: string;
    };

/** What a verified bundle says, as far as a policy asks. */
export interface BundleFacts {
  readonly signer: SignerFacts;
  readonly timestamps: readonly { readonly time: Date }[];
  readonly logEntries: readonly { readonly origin?: string | undefined; readonly index: bigint }[];
  /** Name of the trust root that it verified under. */
  readonly trustRoot: string;
}

/** One verified statement about a package version, bound to its name, version and bytes. */
export interface AttestationFacts {
  readonly predicateType: string;
  readonly predicate: Readonly<Record<string, unknown>>;
  /** What CEL expressions of the policy say of it: true, false, or why it cannot be said. */
  readonly cel?: Readonly<Record<string, boolean | string>>;
  readonly verified: BundleFacts;
}

/** Evidence that is there and does not hold. */
export interface InvalidEvidence {
  /** As labelled, which nothing proves. */
  readonly predicateType?: string;
  readonly error: SignetError;
  /** The trust root under which it would have verified, if it is just not the one that owns the name. */
  readonly otherRoot?: string;
}

/** When versions were published, by the registry's word. */
export interface ReleaseClaim {
  readonly published?: Date;
  readonly versions: readonly { readonly version: string; readonly published: Date }[];
}

/** A package version with all that is known about it. */
export interface PackageFacts {
  readonly name: string;
  readonly version: string;
  /** `sha512-…` */
  readonly integrity?: string;
  readonly attestations: readonly AttestationFacts[];
  readonly invalid?: readonly InvalidEvidence[];
  /** What the registry says about its versions, which nothing proves; asked for only where evidence is missing that was there before. */
  readonly release?: ReleaseClaim;
}

/** The type under which a registry's own signature stands among the facts; no statement can have it. */
export const registrySignatureType = 'registry signature';

/** When a bundle was signed, at the latest: the earliest proven time by which the signature existed. */
export function signedBy(bundle: BundleFacts): Date | undefined {
  const times = bundle.timestamps.map(({ time }) => time.getTime());
  return times.length === 0 ? undefined : new Date(Math.min(...times));
}

/** Signer, log index and time in one line. Foreign strings, to be made inert where they are printed. */
export function describeBundle(bundle: BundleFacts): string {
  const [entry] = bundle.logEntries;
  const time = signedBy(bundle);
  return [
    describeSigner(bundle.signer),
    ...(entry === undefined ? [] : [`log ${entry.origin ?? ''} index ${entry.index}`.replace('  ', ' ')]),
    ...(time === undefined ? [] : [time.toISOString().replace(/\.000Z$/, 'Z')]),
  ].join(', ');
}

export function describeSigner(signer: SignerFacts): string {
  return signer.kind === 'key'
    ? `the key ${signer.publisher ?? signer.hint ?? ''}`
    : `${signer.subject.value} (issuer ${signer.issuer})`;
}
