import { existsSync, readFileSync } from 'node:fs';
import { fromUtf8 } from '@signet/primitives/formats';
import { request } from '../http/index.ts';
import { IdentityToken } from './identity-token.ts';
import type { TokenSource } from './token-source.ts';

/** What the firmware of Google's machines calls itself. */
const productName = '/sys/class/dmi/id/product_name';

/**
 * Google Cloud: the metadata server gives the machine's service account a token with its email. `GCE_METADATA_HOST` names
 * another server, as Google's own libraries have it.
 */
export const googleCloudToken: TokenSource = {
  name: 'Google Cloud',
  unavailable: (env) =>
    env.GCE_METADATA_HOST || isGoogleMachine() ? undefined : 'this is not a machine of Google Cloud',
  async obtain({ env, audience, signal }) {
    const host = env.GCE_METADATA_HOST ?? 'metadata.google.internal';
    const url = new URL(`http://${host}/computeMetadata/v1/instance/service-accounts/default/identity`);
    url.searchParams.set('audience', audience);
    url.searchParams.set('format', 'full');
    const { body } = await request(url, {
      service: 'the metadata server of Google Cloud',
      headers: { 'metadata-flavor': 'Google' },
      maxBytes: 64 * 1024,
      timeout: 5_000,
      signal,
    });
    return IdentityToken.parse(fromUtf8(body, 'the answer of the metadata server'));
  },
};

function isGoogleMachine(): boolean {
  if (process.platform !== 'linux' || !existsSync(productName)) return false;
  return ['Google', 'Google Compute Engine'].includes(readFileSync(productName, 'utf8').trim());
}
