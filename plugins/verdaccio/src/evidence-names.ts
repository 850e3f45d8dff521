import { createHash } from 'node:crypto';

/**
 * The file name of a bundle beside its tarball: `<base>-<version>.<16 hex of its sha256>.sigstore.json`. One immutable file
 * per bundle, because Verdaccio 6 refuses to overwrite, and several bundles may belong to a version.
 *
 * @param base the package name without its scope
 * @param bytes the bundle as stored
 */
export function bundleFileName(base: string, version: string, bytes: Uint8Array): string {
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  return `${base}-${version}.${hash}.sigstore.json`;
}

/** Whether `file` is a bundle of exactly this version: `1.0.0` does not claim the bundles of `1.0.0-rc.1`. */
export function isBundleOf(file: string, base: string, version: string): boolean {
  const prefix = `${base}-${version}.`;
  return file.startsWith(prefix) && /^[0-9a-f]{16}\.sigstore\.json$/.test(file.slice(prefix.length));
}
