/**
 * How npm reads what stands behind a dependency's name (npm-package-arg), as far as it decides where bytes come from:
 *
 * - `range`: versions of a registry
 * - `tag`: whatever version a registry gives that name
 * - `alias`: another package, `npm:name@…`
 * - `remote`: a tarball at a URL
 * - `path`: a tarball or a folder on this machine
 * - `git`: a clone; anything that is not understood counts as one, since nothing that a lockfile says of a clone can be relied upon
 */
export type PackageSpec =
  | { readonly kind: 'range' | 'tag' | 'remote' | 'git' | 'path' }
  | { readonly kind: 'alias'; readonly name: string; readonly spec: string };

/** Reads a dependency's value in a package.json, a lockfile or overrides. */
export function readPackageSpec(text: string): PackageSpec {
  const spec = text.trim();
  if (/^npm:/i.test(spec)) {
    const target = spec.slice('npm:'.length);
    const at = target.indexOf('@', 1);
    return at === -1
      ? { kind: 'alias', name: target, spec: '*' }
      : { kind: 'alias', name: target.slice(0, at), spec: target.slice(at + 1) };
  }
  if (/^https?:/i.test(spec)) return { kind: isHostedGit(spec) ? 'git' : 'remote' };
  if (/^(?:file:|\.)/i.test(text)) return { kind: 'path' };
  // Names of files end like this also without a folder; all other places need one of these characters.
  if (/[/\\:@#%]|\.(?:tgz|tar\.gz|tar)$/i.test(spec)) return { kind: 'git' };
  return { kind: isRange(spec) ? 'range' : 'tag' };
}

/** Hosts whose pages npm clones from (hosted-git-info), with what makes an address of theirs that of a file. */
const gitHosts: ReadonlyMap<string, (path: readonly string[]) => boolean> = new Map([
  ['github.com', ([, , kind]) => kind !== undefined && kind !== '' && kind !== 'tree'],
  ['bitbucket.org', ([, , kind]) => kind === 'get'],
  [
    'gitlab.com',
    (path) => path.slice(1, -1).includes('-') || path.slice(1).some((segment) => segment.startsWith('archive.tar.gz')),
  ],
  ['gist.github.com', ([, , kind]) => kind === 'raw'],
  ['git.sr.ht', ([, , kind]) => kind === 'archive'],
]);

/**
 * Whether npm takes an http or https URL for a repository, which it clones without comparing any hash, although the same text would be a
 * tarball anywhere else. What cannot be parsed counts as one, since npm tries to mend it.
 */
export function isHostedGit(url: string): boolean {
  if (!URL.canParse(url)) return true;
  const { hostname, pathname } = new URL(url);
  const isFile = gitHosts.get(hostname.replace(/^www\./, ''));
  return isFile !== undefined && !isFile(pathname.split('/').slice(1));
}

/** Of an address without anything that would need a parser, what stands before its path. */
const plainAddress = /^(https?:\/\/[a-z0-9.:-]+)\/[\w\-.~/@%+]*$/;

/** Origins at which npm clones nothing, whatever path follows. The thousands of addresses of a lockfile have a few. */
export class RegistryOrigins {
  readonly #known = new Set<string>();

  /** Whether an address is one of a tarball, as it begins like one that was looked at before. */
  covers(url: string): boolean {
    const [, origin] = plainAddress.exec(url) ?? [];
    return origin !== undefined && this.#known.has(origin);
  }

  /** Remembers the origin of an address that is one of a tarball. */
  add(url: string): void {
    const [, origin] = plainAddress.exec(url) ?? [];
    if (origin !== undefined && !gitHosts.has(new URL(origin).hostname.replace(/^www\./, ''))) this.#known.add(origin);
  }
}

/** Comparators of versions, each of which can be told from a tag's name by itself. */
function isRange(spec: string): boolean {
  return spec
    .split(/\s+|\|\|/)
    .every((word) =>
      /^(?:-|[<>=~^]*(?:[v=]?(?:\d+|[xX*])(?:\.(?:\d+|[xX*])){0,2}(?:[-+][0-9A-Za-z.+-]+)?)?)$/.test(word),
    );
}
