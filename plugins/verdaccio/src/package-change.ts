import { isDeepStrictEqual } from 'node:util';
import { isVersionRange } from '@signet/client/policy';
import { inert } from '@signet/primitives/formats';
import type { PackageChange } from './storage.ts';
import type { IncomingManifest, LocalManifest } from './verdaccio-host.ts';

/** What `npm dist-tag` asks for. @param tags null takes one away */
export function tagChange(name: string, tags: Readonly<Record<string, string | null>>): PackageChange {
  const what = Object.entries(tags).map(([tag, version]) => (version === null ? `no ${tag}` : `${tag} is ${version}`));
  const shadowed = Object.keys(tags).find((tag) => tags[tag] !== null && isVersionRange(tag));
  const refused =
    shadowed === undefined ? {} : { refused: `${inert(shadowed)} is a range of versions and cannot be a tag` };
  return { action: 'tag', name, what: what.join(', '), removed: new Map(), ...refused };
}

/** Who sends a document. */
export interface ChangeSender {
  /** Absent when nobody logged in. */
  readonly user: string | undefined;
  /** Of the address, with `npm unpublish`. */
  readonly revision: string | undefined;
  /** The document as it came, before Verdaccio gave it the members that it lacks. */
  readonly body: unknown;
}

/**
 * What a whole package document asks for that a client sends back changed: `npm unpublish` leaves a version out, `npm deprecate`
 * changes a member of one, `npm star` the users.
 *
 * @param stored as it is now
 */
export function documentChange(
  name: string,
  stored: LocalManifest,
  incoming: IncomingManifest,
  { user, revision, body }: ChangeSender,
): PackageChange {
  const removed = missing(stored, incoming.versions ?? {});
  const tags = incoming['dist-tags'] ?? {};
  const astray = Object.entries(tags).find(
    ([, version]) => !Object.hasOwn(stored.versions, version) || removed.has(version),
  );
  const refused = astray === undefined ? {} : { refused: `${name} has no version for the tag ${inert(astray[0])}` };
  const common = { name, removed, ...refused };
  if (removed.size > 0) {
    const change = { ...common, action: 'unpublish', what: [...removed.keys()].join(', ') } as const;
    // `npm owner` sends maintainers and nothing else, which Verdaccio takes for a package without versions.
    if (typeof body !== 'object' || body === null || !Object.hasOwn(body, 'versions')) {
      return {
        ...change,
        refused: 'The document says nothing of versions; owners are named in the registry’s configuration',
      };
    }
    // Without this, what was published after the client looked would go as well: it is not in the client's document.
    const stale = revision === undefined || revision !== stored._rev;
    return stale ? { ...change, refused: `${name} was changed in the meantime; try again` } : change;
  }
  const deprecated = Object.keys(stored.versions).filter((version) => isDeprecation(stored, incoming, version));
  if (deprecated.length > 0) return { ...common, action: 'deprecate', what: deprecated.join(', ') };
  if (!isDeepStrictEqual({ ...stored['dist-tags'] }, { ...tags })) {
    return { ...common, ...tagChange(name, tags), ...refused };
  }
  // Verdaccio asks for a star only where there is one to set or to take away.
  const isStar =
    isDeepStrictEqual(withStar(stored, incoming, user), { ...incoming.users }) && !sameStars(stored, incoming);
  return { ...common, action: isStar ? 'star' : 'change', what: '' };
}

/** The stars as they become: a user's own is all that a user sets. */
function withStar(
  { users }: LocalManifest,
  incoming: IncomingManifest,
  user: string | undefined,
): Record<string, unknown> {
  const { [user ?? '']: _, ...others } = { ...users };
  const own = user === undefined ? undefined : incoming.users?.[user];
  return user === undefined || own === undefined ? others : { ...others, [user]: own };
}

function sameStars(stored: LocalManifest, incoming: IncomingManifest): boolean {
  return isDeepStrictEqual({ ...stored.users }, { ...incoming.users });
}

/** Makes the change that {@link documentChange} described, as Verdaccio's changePackage makes it. */
export function applyChange(stored: LocalManifest, incoming: IncomingManifest, { user }: ChangeSender): void {
  const versions = incoming.versions ?? {};
  for (const version of missing(stored, versions).keys()) {
    delete stored.versions[version];
    if (stored.time !== undefined) delete stored.time[version];
    for (const file of Object.values(stored._attachments)) if (file?.version === version) delete file.version;
  }
  for (const [version, manifest] of Object.entries(stored.versions)) {
    if (manifest === undefined || !isDeprecation(stored, incoming, version)) continue;
    const deprecated = versions[version]?.deprecated;
    // npm prints it on the terminal of everybody who installs the version.
    if (deprecated) manifest.deprecated = typeof deprecated === 'string' ? inert(deprecated) : true;
    else delete manifest.deprecated;
    if (stored.time !== undefined) stored.time.modified = new Date().toISOString();
  }
  if (incoming.users !== undefined) stored.users = withStar(stored, incoming, user);
  stored['dist-tags'] = incoming['dist-tags'] ?? {};
}

/** Whoever removes a package. */
export function removal(name: string, stored: LocalManifest | undefined): PackageChange {
  return { action: 'unpublish', name, what: 'every version', removed: missing(stored, {}) };
}

/** Whoever removes a file: after its version, and never evidence by itself, which goes with its tarball. */
export function fileRemoval(name: string, file: string, stored: LocalManifest | undefined): PackageChange {
  const change = { action: 'unpublish', name, what: file, removed: new Map<string, null>() } as const;
  if (!file.endsWith('.tgz')) {
    return { ...change, refused: `${inert(file)} cannot be removed: evidence goes when its version is unpublished` };
  }
  const base = name.slice(name.indexOf('/') + 1);
  const owner = Object.keys(stored?.versions ?? {}).find((version) => {
    const tarball = stored?.versions[version]?.dist?.tarball;
    return file === `${base}-${version}.tgz` || (typeof tarball === 'string' && tarball.endsWith(`/${file}`));
  });
  if (owner === undefined) return change;
  return { ...change, refused: `${inert(file)} is the tarball of ${name}@${owner}; unpublish the version first` };
}

function missing(
  stored: LocalManifest | undefined,
  versions: NonNullable<IncomingManifest['versions']>,
): ReadonlyMap<string, string | null> {
  const removed = new Map<string, string | null>();
  for (const [version, manifest] of Object.entries(stored?.versions ?? {})) {
    if (Object.hasOwn(versions, version)) continue;
    const integrity = manifest?.dist?.integrity;
    removed.set(version, typeof integrity === 'string' ? integrity : null);
  }
  return removed;
}

function isDeprecation(stored: LocalManifest, incoming: IncomingManifest, version: string): boolean {
  const wanted = incoming.versions?.[version];
  if (wanted === undefined || !Object.hasOwn(wanted, 'deprecated')) return false;
  const [before, after] = [stored.versions[version]?.deprecated, wanted.deprecated];
  return (after || undefined) !== (before || undefined);
}
