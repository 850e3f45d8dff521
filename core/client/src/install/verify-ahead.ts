import { isJsonObject, own } from '../npm/lockfile/index.ts';
import type { TrustMaterial } from '../trust/index.ts';
import { decidedByPolicy, type VerificationResult, type VerifyOptions, verifyAll } from '../verify/index.ts';

/** Fewer are verified sooner by the thread that is there than by threads that must start and read the trust root first. */
const fewestForThreads = 400;

/** Bundles that one trust root is to judge. */
export interface BundlesOfRoot {
  readonly trust: TrustMaterial;
  readonly witnesses?: VerifyOptions['witnesses'];
  readonly bundles: readonly unknown[];
}

/**
 * Verifies many bundles on all cores, before what is particular to a package is judged: name, version, bytes and policy.
 *
 * @returns results by bundle, for `PackageSubject.verifiedAhead`; empty when there are too few to be worth it
 */
export async function verifyAhead(
  roots: readonly BundlesOfRoot[],
  fewest = fewestForThreads,
): Promise<Map<unknown, VerificationResult>> {
  const results = new Map<unknown, VerificationResult>();
  for (const { trust, witnesses, bundles } of roots) {
    // What a key signed needs to know which key, and is little work.
    const certified = [...new Set(bundles)].filter(hasCertificate);
    if (certified.length < fewest) continue;
    const requests = certified.map((bundle) => ({ bundle }));
    const options = { trust, identities: decidedByPolicy, ...(witnesses === undefined ? {} : { witnesses }) } as const;
    let index = 0;
    for await (const result of verifyAll(requests, options)) results.set(certified[index++], result);
  }
  return results;
}

function hasCertificate(bundle: unknown): boolean {
  const material = isJsonObject(bundle) ? own(bundle, 'verificationMaterial') : undefined;
  return (
    isJsonObject(material) &&
    own(material, 'publicKey') === undefined &&
    own(material, 'publicKeyIdentifier') === undefined
  );
}

/** The bundles of an attestation document, as far as it is one. */
export function bundlesIn(document: unknown): readonly unknown[] {
  const list = isJsonObject(document) ? own(document, 'attestations') : undefined;
  return Array.isArray(list) ? list.flatMap((entry) => (isJsonObject(entry) ? [own(entry, 'bundle')] : [])) : [];
}
