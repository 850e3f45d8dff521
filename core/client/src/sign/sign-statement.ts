import type { SigningConfig, statementV1 } from '@signet/primitives/formats';
import type { SignedBundle } from './complete-bundle.ts';
import { type SigningServices, servicesFromSigningConfig } from './signing-services.ts';
import { type SigningOptions, SigningSession } from './signing-session.ts';

/** Where to sign, by single URLs, by several, or by a signing config. */
export type SigningPlaces =
  | {
      readonly services: SigningServices | { readonly caUrl: string; readonly tsaUrl: string; readonly logUrl: string };
    }
  | { readonly signingConfig: SigningConfig };

/** The services to use. @throws ERR_SERVICE_UNAVAILABLE when a signing config has too few */
export function signingServices(places: SigningPlaces): SigningServices {
  if ('signingConfig' in places) return servicesFromSigningConfig(places.signingConfig);
  const { services } = places;
  return 'logUrls' in services
    ? services
    : { caUrl: services.caUrl, tsaUrls: [services.tsaUrl], logUrls: [services.logUrl] };
}

/**
 * Signs one in-toto statement keylessly: ephemeral key, certificate, DSSE envelope, timestamp, log entry, bundle v0.3;
 * every answer is checked before it is used, and the finished bundle by the consumer's verifier.
 *
 * ```ts
 * const { bundle } = await signStatement({
 *   statement: statementV1({ subject, predicateType, predicate }),
 *   identityToken: process.env.SIGSTORE_ID_TOKEN,
 *   signingConfig: parseSigningConfig(await readFile('signing_config.json')),
 *   trust: await loadTrustMaterial('trusted_root.json'),
 * });
 * ```
 *
 * @throws ERR_IDENTITY_…, ERR_CA_…, ERR_TSA_…, ERR_LOG_…, ERR_NETWORK…, and what `verifyBundle` throws
 */
export async function signStatement(
  options: Omit<SigningOptions, 'services'> & SigningPlaces & { readonly statement: ReturnType<typeof statementV1> },
): Promise<SignedBundle> {
  const session = await SigningSession.open({ ...options, services: signingServices(options) });
  return await session.signStatement(options.statement);
}

/**
 * Signs the bytes of a file, as `cosign sign-blob` does; the bundle carries a message signature.
 *
 * @throws as {@link signStatement}
 */
export async function signMessage(
  options: Omit<SigningOptions, 'services'> & SigningPlaces & { readonly message: Uint8Array },
): Promise<SignedBundle> {
  const session = await SigningSession.open({ ...options, services: signingServices(options) });
  return await session.signMessage(options.message);
}
