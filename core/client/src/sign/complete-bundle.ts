import { digest } from '@signet/primitives/crypto';
import {
  type Bundle,
  type BundleHashAlgorithm,
  bundleToJson,
  Certificate,
  defaultKeyDetails,
  type KeyDetails,
  keyDetailsHash,
  preAuthenticationEncoding,
  SignetError,
} from '@signet/primitives/formats';
import type { ServiceAccess } from '../http/index.ts';
import type { TrustMaterial } from '../trust/index.ts';
import { type VerifiedBundle, verifyBundle, verifyCertificatePath, verifyTimestamp } from '../verify/index.ts';
import type { CertificateIdentity } from './certificate-identity.ts';
import { logSignature } from './log-entry.ts';
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

/** What a signature needs to become a bundle that can be verified. */
export interface CompletionOptions {
  readonly services: SigningServices;
  readonly trust: TrustMaterial;
  /** Whom the bundle must name in the end. */
  readonly identity: CertificateIdentity;
  /** Algorithm of the signing key; by default the one that the certificate's key names. */
  readonly keyDetails?: KeyDetails;
  /** The signed file, where it is not an envelope. */
  readonly artifact?: Uint8Array;
  readonly http?: ServiceAccess;
  readonly onStep?: ((step: WitnessStep) => void) | undefined;
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
  const { services, trust, identity, artifact, http = {}, onStep, onProgress } = options;
  const signature = signatureOf(begun);
  let bundle = begun;
  if (bundle.timestamps.length === 0) {
    onStep?.('timestamp');
    bundle = { ...bundle, timestamps: await timestampsOf(signature, services, trust, http) };
    checkValidity(bundle, signature, trust);
    await onProgress?.(bundle);
  }
  if (bundle.tlogEntries.length === 0) {
    onStep?.('log entry');
    const certificate = certificateOf(bundle);
    const keyDetails = options.keyDetails ?? defaultKeyDetails(certificate.publicKey);
    const { algorithm, value } = digestOf(bundle, keyDetails);
    const verifier = { kind: 'certificate', bytes: certificate.bytes, keyDetails } as const;
    const tlogEntries = await Promise.all(
      services.logUrls.map((logUrl) =>
        logSignature({ logUrl, digest: value, digestAlgorithm: algorithm, signature: { signature, verifier }, http }),
      ),
    );
    bundle = { ...bundle, tlogEntries };
    await onProgress?.(bundle);
  }
  onStep?.('verification');
  const json = bundleToJson(bundle);
  const verified = verifyBundle(json, {
    trust,
    identities: [identity],
    ...(artifact === undefined ? {} : { artifact }),
  });
  return { bundle: json, verified };
}

/** The digest algorithm that signatures of a key are logged with. @throws ERR_KEY_UNSUPPORTED */
export function loggedDigest(keyDetails: KeyDetails): BundleHashAlgorithm {
  const algorithm = keyDetailsHash(keyDetails);
  if (algorithm === 'sha256' || algorithm === 'sha384' || algorithm === 'sha512') return algorithm;
  throw new SignetError('ERR_KEY_UNSUPPORTED', `signatures by ${keyDetails} are not logged: they have no digest`);
}

async function timestampsOf(
  signature: Uint8Array,
  services: SigningServices,
  trust: TrustMaterial,
  http: ServiceAccess,
): Promise<readonly Uint8Array[]> {
  return await Promise.all(
    services.tsaUrls.map(async (tsaUrl) => {
      const { response } = await requestTimestamp(tsaUrl, signature, http);
      verifyTimestamp(response, signature, trust);
      return response;
    }),
  );
}

/** The certificate must be valid when the timestamps say the signature was made; no log needs to hear of one that is not. */
function checkValidity(bundle: Bundle, signature: Uint8Array, trust: TrustMaterial): void {
  const times = bundle.timestamps.map((response) => {
    const { time, authority } = verifyTimestamp(response, signature, trust);
    return { source: 'tsa', time, authority: authority.uri } as const;
  });
  verifyCertificatePath(certificateOf(bundle), times, trust);
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
