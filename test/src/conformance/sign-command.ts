import { readFile, writeFile } from 'node:fs/promises';
import { type SignedBundle, SigningSession, servicesFromSigningConfig } from '@signet/client/sign';
import { TrustMaterial } from '@signet/client/trust';
import { inTotoPayloadType, parseSigningConfig, SignetError } from '@signet/primitives/formats';
import { publicGoodTrust } from './public-good.ts';

/** Arguments of `sign-bundle` in the official conformance protocol. */
export interface SignBundleArguments {
  readonly identityToken: string;
  /** Where to write the bundle. */
  readonly bundle: string;
  readonly trustedRoot?: string;
  readonly signingConfig?: string;
  /** The artifact is an in-toto statement, to be signed in an envelope. */
  readonly inToto?: boolean;
  readonly artifact: string;
}

/** Runs `sign-bundle`. What is not given comes from the public-good instance. @throws SignetError */
export async function runSignBundle(options: SignBundleArguments): Promise<SignedBundle> {
  const { trust, config } = await readPlaces(options);
  const services = servicesFromSigningConfig(parseSigningConfig(config));
  const session = await SigningSession.open({ identityToken: options.identityToken, services, trust });
  const artifact = await readFile(options.artifact);
  const signed = options.inToto
    ? await session.signPayload(inTotoPayloadType, artifact)
    : await session.signMessage(artifact);
  await writeFile(options.bundle, `${JSON.stringify(signed.bundle)}\n`);
  return signed;
}

async function readPlaces(options: SignBundleArguments): Promise<{ trust: TrustMaterial; config: Uint8Array }> {
  const [rootFile, configFile] = await Promise.all([
    options.trustedRoot === undefined ? undefined : readFile(options.trustedRoot),
    options.signingConfig === undefined ? undefined : readFile(options.signingConfig),
  ]);
  const both = rootFile !== undefined && configFile !== undefined;
  const known = both ? undefined : await publicGoodTrust({ offline: false });
  const root = rootFile ?? known?.trustedRoot;
  const config = configFile ?? known?.signingConfig;
  if (root === undefined || config === undefined) {
    throw new SignetError('ERR_SERVICES', 'the public-good instance publishes no signing config; give one');
  }
  return { trust: TrustMaterial.fromTrustedRoot(root), config };
}
