import { digest } from '@signet/primitives/crypto';
import { type statementV1, type TimeRange, toBase64 } from '@signet/primitives/formats';
import type { Signer } from '@signet/primitives/keys';
import type { ServiceAccess } from '../http/index.ts';
import type { TrustMaterial } from '../trust/index.ts';
import { BundleSigner } from './bundle-signer.ts';
import type { SignedBundle, WitnessStep } from './complete-bundle.ts';
import type { SigningServices } from './signing-services.ts';

/** Who signs with a lasting key, and where the signature is timestamped and logged. */
export interface KeySigningOptions {
  /** The key, wherever it is: in a file, in a device, behind a program. */
  readonly signer: Signer;
  /**
   * What verifiers know the key by; it stands in bundle and envelope, as in npm's own attestations. Default {@link keyHint}.
   */
  readonly keyId?: string;
  /** When the key may sign. */
  readonly validFor?: TimeRange;
  readonly services: Omit<SigningServices, 'caUrl'>;
  readonly trust: TrustMaterial;
  readonly onStep?: ((step: WitnessStep) => void) | undefined;
  readonly http?: ServiceAccess;
}

/** What cosign names a public key by: base64 of the SHA-256 of its SubjectPublicKeyInfo. */
export function keyHint({ publicKey }: Pick<Signer, 'publicKey'>): string {
  return toBase64(digest('sha256', publicKey.spki));
}

/**
 * Signs with a lasting key, without a certificate: bundles v0.3 that name the key by a hint. Every answer is checked before it is
 * used, and each bundle by the verifier of those who will read it.
 */
export function keySigner(options: KeySigningOptions): BundleSigner {
  const { signer, validFor, services, trust, onStep, http = {} } = options;
  const { publicKey, keyDetails } = signer;
  const hint = options.keyId ?? keyHint(signer);
  const key = { publicKey, keyDetails, ...(validFor === undefined ? {} : { validFor }) };
  return new BundleSigner({
    signer,
    material: { kind: 'publicKey', hint },
    expected: { key },
    services,
    trust,
    onStep,
    http,
  });
}

/**
 * Signs an in-toto statement with a lasting key, as registries do.
 *
 * @throws ERR_KEY_UNSUPPORTED, ERR_TSA_…, ERR_LOG_…, ERR_NETWORK…, and what `verifyBundle` throws
 */
export async function signStatementWithKey(
  statement: ReturnType<typeof statementV1>,
  options: KeySigningOptions,
): Promise<SignedBundle> {
  return await keySigner(options).signStatement(statement);
}
