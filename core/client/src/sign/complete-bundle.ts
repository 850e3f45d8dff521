import { digest } from '@signet/primitives/crypto';
import {
  type Bundle,
  type BundleHashAlgorithm,
  bundleToJson,
  Certificate,
  defaultKeyDetails,
  type EntryVerifier,
  type KeyDetails,
  keyDetailsHash,
  type PublicKeyInfo,
  preAuthenticationEncoding,
  SignetError,
  type TransparencyLogEntry,
} from '@signet/primitives/formats';
import type { ServiceAccess } from '../http/index.ts';
import { rememberLastSigned, type TrustMaterial } from '../trust/index.ts';
import {
  type ArtifactInput,
  type ExpectedKey,
  type VerifiedBundle,
  verifyBundle,
  verifyCertificatePath,
  verifyTimestamp,
} from '../verify/index.ts';
import type { CertificateIdentity } from './certificate-identity.ts';
import { logEnvelope, logSignature } from './log-entry.ts';
import { logEnvelopeV1, logSignatureV1 } from './log-entry-v1.ts';
import type { SigningServices } from './signing-services.ts';
import { requestTimestamp } from './timestamp.ts';

/** A bundle that the consumer's verifier has accepted. */
export interface SignedBundle {
  /** JSON value of a Sigstore bundle v0.3. */
  readonly bundle: Readonly<Record<string, unknown>>;
  readonly verified: VerifiedBundle;
}

/** The steps that a signed bundle still takes. */
export type WitnessStep = 'timestamp' | 'log entry' | 'verification';

/** Whom a bundle must name in the end: an identity, or whoever holds a key. Exactly one of them. */
export interface ExpectedSigner {
  readonly identity?: CertificateIdentity;
  readonly key?: ExpectedKey & { readonly publicKey: PublicKeyInfo };
}

/** What a signature needs to become a bundle that can be verified. */
export interface CompletionOptions extends ExpectedSigner {
  readonly services: Omit<SigningServices, 'caUrl'>;
  readonly trust: TrustMaterial;
  /** Algorithm of the signing key; by default the one that the certificate's key names. */
  readonly keyDetails?: KeyDetails;
  /** The signed file, where it is not an envelope. */
  readonly artifact?: ArtifactInput;
  readonly http?: ServiceAccess;
  readonly onStep?: ((step: WitnessStep) => void) | undefined;
  /**
   * Finds the services of now, where a log takes no more entries: its shard was frozen since `services` were read. Asked once; the
   * trusted root must name them.
   */
  readonly latestServices?: (() => Promise<Omit<SigningServices, 'caUrl'> | undefined>) | undefined;
  /** Called with all that is there after each step, so that it can be kept. Awaited before the next step. */
  readonly onProgress?: ((bundle: Bundle) => Promise<void>) | undefined;
}

/**
 * Brings a signature to its witnesses: timestamp authorities first, then the logs, because what a log takes is public for
 * ever and everything before it must be right. What a bundle has already is not asked for again, so that a bundle which was
 * left half-done is completed without a second certificate and, as logs answer duplicates with the entry they have,
 * without a second entry.
 *
 * @param begun a bundle with certificate and signature, with or without timestamps and entries
 * @throws ERR_TSA_…, ERR_LOG_…, ERR_NETWORK…, ERR_CERT_EXPIRED when the certificate was no longer valid at the time of
 * the timestamp, and what `verifyBundle` throws
 */
export async function completeBundle(begun: Bundle, options: CompletionOptions): Promise<SignedBundle> {
  const { services, trust, identity, key, artifact, http = {}, onStep, onProgress } = options;
  rememberLastSigned(trust);
  const signature = signatureOf(begun);
  let bundle = begun;
  // A log of the first version vouches for the time by itself.
  if (bundle.timestamps.length === 0 && services.tsaUrls.length > 0) {
    onStep?.('timestamp');
    const issued = await timestampsOf(signature, services, trust, http);
    bundle = { ...bundle, timestamps: issued.map(({ response }) => response) };
    if (bundle.key.kind === 'certificate') checkValidity(certificateOf(bundle), issued, trust);
    await onProgress?.(bundle);
  }
  if (bundle.tlogEntries.length === 0) {
    onStep?.('log entry');
    const verifier = verifierOf(bundle, options);
    const logged = { bundle, signature: { signature, verifier }, rekorVersion: services.rekorVersion ?? 2, http };
    const logAt = (logUrls: readonly string[]) => Promise.all(logUrls.map((logUrl) => logBundle(logUrl, logged)));
    const tlogEntries = await logAt(services.logUrls).catch(async (thrown: unknown) => {
      // The frozen shard would have answered with the entry if it had it, as logs that are asked twice do.
      const latest = isFrozen(thrown) ? await options.latestServices?.() : undefined;
      if (latest === undefined || latest.logUrls.every((url) => services.logUrls.includes(url))) throw thrown;
      return await logAt(latest.logUrls);
    });
    bundle = { ...bundle, tlogEntries };
    await onProgress?.(bundle);
  }
  onStep?.('verification');
  const json = bundleToJson(bundle);
  const verified = verifyBundle(json, {
    trust,
    ...(identity === undefined ? {} : { identities: [identity] }),
    ...(key === undefined ? {} : { key }),
    ...(artifact === undefined ? {} : { artifact }),
  });
  return { bundle: json, verified };
}

function isFrozen(thrown: unknown): boolean {
  return thrown instanceof SignetError && thrown.code === 'ERR_LOG_FROZEN';
}

/**
 * The digest algorithm that signatures of a key over files are logged with.
 *
 * @throws ERR_KEY_UNSUPPORTED
 */
export function loggedDigest(keyDetails: KeyDetails): BundleHashAlgorithm {
  const algorithm = keyDetailsHash(keyDetails);
  if (algorithm === 'sha256' || algorithm === 'sha384' || algorithm === 'sha512') return algorithm;
  throw new SignetError(
    'ERR_KEY_UNSUPPORTED',
    `logs take signatures of files by their digest, and ${keyDetails} signs whole messages; sign with ECDSA or RSA, or attest the file`,
  );
}

/**
 * Whether logs take what is signed so: by its digest or, of an envelope, whole (dsse 0.0.1 and 0.0.2).
 *
 * @throws ERR_KEY_UNSUPPORTED
 */
export function assertLoggable(keyDetails: KeyDetails, kind: Bundle['content']['kind']): void {
  if (kind === 'message' || keyDetailsHash(keyDetails) !== undefined) loggedDigest(keyDetails);
}

function verifierOf(
  bundle: Bundle,
  { keyDetails, key }: CompletionOptions,
): EntryVerifier & { keyDetails: KeyDetails } {
  if (bundle.key.kind === 'certificate') {
    const certificate = certificateOf(bundle);
    const bytes = certificate.bytes;
    return { kind: 'certificate', bytes, keyDetails: keyDetails ?? defaultKeyDetails(certificate.publicKey) };
  }
  if (key === undefined) throw new SignetError('ERR_KEY_REQUIRED', 'the bundle is signed with a key; give that key');
  const bytes = key.publicKey.spki;
  return { kind: 'publicKey', bytes, keyDetails: keyDetails ?? key.keyDetails ?? defaultKeyDetails(key.publicKey) };
}

async function logBundle(
  logUrl: string,
  logged: {
    readonly bundle: Bundle;
    readonly signature: {
      readonly signature: Uint8Array;
      readonly verifier: EntryVerifier & { keyDetails: KeyDetails };
    };
    readonly rekorVersion: 1 | 2;
    readonly http: ServiceAccess;
  },
): Promise<TransparencyLogEntry> {
  const { bundle, signature, rekorVersion, http } = logged;
  const { keyDetails } = signature.verifier;
  const envelope = bundle.content.kind === 'dsse' ? bundle.content.envelope : undefined;
  const byDigest = keyDetailsHash(keyDetails) !== undefined;
  if (envelope !== undefined && !byDigest) {
    const whole = { logUrl, signature, envelope, http };
    return rekorVersion === 1 ? await logEnvelopeV1(whole) : await logEnvelope(whole);
  }
  const { algorithm, value } = digestOf(bundle, keyDetails);
  const submission = { logUrl, digest: value, digestAlgorithm: algorithm, signature, http };
  if (rekorVersion !== 1) return await logSignature(submission);
  return envelope === undefined
    ? await logSignatureV1(submission)
    : await logEnvelopeV1({ logUrl, signature, envelope, http });
}

interface ProvenTimestamp {
  readonly response: Uint8Array;
  readonly source: 'tsa';
  readonly time: Date;
  readonly authority: string;
}

async function timestampsOf(
  signature: Uint8Array,
  services: Pick<SigningServices, 'tsaUrls'>,
  trust: TrustMaterial,
  http: ServiceAccess,
): Promise<readonly ProvenTimestamp[]> {
  return await Promise.all(
    services.tsaUrls.map(async (tsaUrl) => {
      const { response } = await requestTimestamp(tsaUrl, signature, http);
      const { time, authority } = verifyTimestamp(response, signature, trust);
      return { response, source: 'tsa', time, authority: authority.uri } as const;
    }),
  );
}

/**
 * The certificate must be valid when the timestamps say the signature was made; no log needs to hear of one that is not. The
 * whole path is verified only where that says no, for its words: the finished bundle is verified in any case.
 */
function checkValidity(certificate: Certificate, times: readonly ProvenTimestamp[], trust: TrustMaterial): void {
  if (times.every(({ time }) => certificate.isValidAt(time))) return;
  verifyCertificatePath(certificate, times, trust);
}

function signatureOf({ content }: Bundle): Uint8Array {
  const signature = content.kind === 'message' ? content.signature : content.envelope.signatures[0]?.sig;
  if (signature !== undefined) return signature;
  throw new SignetError('ERR_BUNDLE_FORMAT', 'the bundle has no signature to be timestamped and logged');
}

function certificateOf({ key }: Bundle): Certificate {
  if (key.kind === 'certificate') return Certificate.parse(key.certificate);
  throw new SignetError('ERR_BUNDLE_FORMAT', 'the bundle has no certificate');
}

function digestOf({ content }: Bundle, keyDetails: KeyDetails): { algorithm: BundleHashAlgorithm; value: Uint8Array } {
  const algorithm = loggedDigest(keyDetails);
  if (content.kind === 'dsse') {
    const { payloadType, payload } = content.envelope;
    return { algorithm, value: digest(algorithm, preAuthenticationEncoding(payloadType, payload)) };
  }
  if (content.messageDigest?.algorithm === algorithm) return { algorithm, value: content.messageDigest.digest };
  throw new SignetError('ERR_BUNDLE_FORMAT', `the bundle lacks the ${algorithm} digest of what was signed`);
}
