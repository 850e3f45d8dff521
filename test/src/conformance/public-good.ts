import { type LoadedTrust, publicGood, TrustStore } from '@signet/client/trust/tuf';
import { SignetError } from '@signet/primitives/formats';

/**
 * The trust of Sigstore's public-good instance, which the protocol expects where no other is given. What ships with Signet is
 * enough to verify, until it expires.
 */
export async function publicGoodTrust({ offline }: { readonly offline: boolean }): Promise<LoadedTrust> {
  if (!offline) return await new TrustStore().load(publicGood());
  try {
    return await new TrustStore({ offline }).load(publicGood());
  } catch (error) {
    if (!(error instanceof SignetError) || error.code !== 'ERR_TRUST_EXPIRED') throw error;
    return await new TrustStore().load(publicGood());
  }
}
