import { SignetError } from '@signet/primitives/formats';
import type { SigningServices } from '../sign/index.ts';
import type { TrustMaterial } from '../trust/index.ts';
import { isNpmjs } from './npmjs-rules.ts';
import type { RegistryClient } from './registry-client.ts';

/**
 * How a version and its bundle reach a registry: `document` in one request, as Signet's registries take them; `npm` by npm's own
 * library, which checks the bundle as npm's registry will; `bundle-first` the bundle by itself and then a plain publish.
 */
export type UploadWay = (typeof uploadWays)[number];

export const uploadWays = ['document', 'npm', 'bundle-first'] as const;

/**
 * The services of Sigstore's public good instance that npm itself signs with (sigstore 5, config.js): npm's registry is known to
 * take what they give.
 */
export const npmServices: SigningServices = {
  caUrl: 'https://fulcio.sigstore.dev',
  tsaUrls: [],
  logUrls: ['https://rekor.sigstore.dev'],
  rekorVersion: 1,
};

/** Whether a trusted root is that of Sigstore's public good instance, by the authority that it names. */
export function isPublicGood({ root }: TrustMaterial): boolean {
  return root.certificateAuthorities.some(({ uri }) => uri.replace(/\/+$/, '') === npmServices.caUrl);
}

/**
 * Finds out what a registry can do with a bundle. Nothing but the registry's own answers and npm's default registry decides.
 *
 * @param isInstance whether the registry describes itself as one of Signet's
 * @throws ERR_PUBLISH_FORBIDDEN when it can do nothing with one, or takes those of the public good instance alone
 */
export async function uploadWayOf(
  registry: RegistryClient,
  { isInstance, trust }: { readonly isInstance: boolean; readonly trust: TrustMaterial },
): Promise<UploadWay> {
  if (isInstance) return 'document';
  if (await isNpmjs(registry.url)) {
    if (isPublicGood(trust)) return 'npm';
    throw new SignetError(
      'ERR_PUBLISH_FORBIDDEN',
      'npm’s registry takes provenance of Sigstore’s public good instance alone; nothing was signed. Name its trust root (trustRoots: { public-good: { builtin: sigstore-public-good } }), or publish to your own registry',
      {
        expected: npmServices.caUrl,
        found: trust.root.certificateAuthorities.map(({ uri }) => uri).join(', ') || 'no authority',
      },
    );
  }
  // A registry that signs its versions speaks npm's protocol of signatures and provenance.
  if (await registry.servesKeys()) return isPublicGood(trust) ? 'npm' : 'document';
  if (await registry.takesBundles()) return 'bundle-first';
  throw new SignetError(
    'ERR_PUBLISH_FORBIDDEN',
    `${registry.url} has no place for the proof of who published: it neither signs versions nor takes bundles; nothing was signed. Publish there with npm and give the proof out as a file (signet attest), or route /-/signet/ and /-/npm/v1/attestations/ of it to a Signet registry`,
  );
}
