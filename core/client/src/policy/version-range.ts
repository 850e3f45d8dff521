import { createRequire } from 'node:module';

type Semver = typeof import('semver');

const require = (name: string): unknown => createRequire(import.meta.url)(name);

/** Loaded where a range is written only: most patterns name packages without one. */
function semver(): Semver {
  return require('semver') as Semver;
}

/** Whether `text` is a range of versions as npm understands them. */
export function isVersionRange(text: string): boolean {
  return semver().validRange(text) !== null;
}

/** Whether a version lies in a range, pre-releases included: `2.1.0-rc.1` lies in `>=2` and not in `<2`. */
export function isInRange(version: string, range: string): boolean {
  return semver().satisfies(version, range, { includePrerelease: true });
}
