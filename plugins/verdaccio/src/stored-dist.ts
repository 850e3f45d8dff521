import type { StoredVersion } from './storage.ts';
import type { LocalDist } from './verdaccio-host.ts';

/** What a version's `dist` on disk says, as far as it is what it should be. */
export function describeDist(dist: LocalDist): StoredVersion {
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined);
  const tarball = text(dist.tarball)?.split(/[?#]/, 1)[0] ?? '';
  return {
    integrity: text(dist.integrity),
    shasum: text(dist.shasum),
    tarballName: tarball.slice(tarball.lastIndexOf('/') + 1) || undefined,
    signatures: dist.signatures,
    attestations: dist.attestations,
  };
}

/** `dist.integrity` of a manifest, whatever it is. */
export function integrityOf(manifest: object): unknown {
  const dist = 'dist' in manifest ? manifest.dist : undefined;
  return typeof dist === 'object' && dist !== null && 'integrity' in dist ? dist.integrity : undefined;
}
