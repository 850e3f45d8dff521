import { fromUtf8, parseJson, SignetError } from '@signet/primitives/basics';
import { isIntegrity, parseIntegrity } from './integrity.ts';
import { isJsonObject, type JsonObject, JsonReader, own } from './json-value.ts';
import { isExactVersion, isInstallableName } from './package-name.ts';
import { isHostedGit, RegistryOrigins, readPackageSpec } from './package-spec.ts';

/**
 * How a package gets into node_modules.
 *
 * - `registry`: a tarball by name and version, from wherever `resolved` says
 * - `git`: a clone; there are no bytes that a lockfile could hash
 * - `file`: a tarball or folder on this machine
 * - `link`: a symbolic link to a folder of the project, such as a workspace
 * - `bundled`: inside the tarball of another package
 */
export type PackageSource = 'registry' | 'git' | 'file' | 'link' | 'bundled';

/** One package that a lockfile lets npm install. */
export interface LockedPackage {
  /** Path below the project, `node_modules/a/node_modules/@b/c`. */
  readonly location: string;
  /** The package's own name: what a registry calls it. */
  readonly name: string;
  /** The name it is imported by, when that is another one (`npm:` aliases). */
  readonly alias?: string;
  /** Absent for links and folders without a version. */
  readonly version?: string;
  readonly source: PackageSource;
  readonly resolved?: string;
  /** Exactly one sha512; absent when the lockfile has none or only weaker hashes. */
  readonly integrity?: string;
  readonly dev: boolean;
  readonly optional: boolean;
  /** npm goes on without it when it cannot be fetched or its scripts fail. */
  readonly mayFail?: boolean;
  /** npm looks into its package.json for scripts to run. */
  readonly hasInstallScript?: boolean;
  /** Commands that npm links to files of it, as the lockfile has them and not its package.json. */
  readonly bin?: Readonly<Record<string, string>>;
  /** Its tarball holds an npm-shrinkwrap.json, which npm follows for what lies below the package. */
  readonly hasShrinkwrap: boolean;
  /** npm will change the package with a patch after unpacking it (lockfile version 4). */
  readonly patched: boolean;
}

/** A dependency that is not simply a version, a range or a tag of a registry. */
export interface SpecialDependency {
  /** Where it stands, for people: `node_modules/a dependencies`. */
  readonly where: string;
  /** The folder of who asks, relative to the project, to which paths are relative. */
  readonly folder: string;
  /** What it is imported by. */
  readonly name: string;
  readonly spec: string;
}

/** What matters of a package-lock.json or npm-shrinkwrap.json. */
export interface PackageLock {
  readonly lockfileVersion: number;
  /** In the order of the file. The project itself and its workspace folders are not among them; links to these are. */
  readonly packages: readonly LockedPackage[];
  /** Dependencies of packages that npm would fetch from elsewhere, should it find that what is locked is not what they ask for. */
  readonly special?: readonly SpecialDependency[];
  /** What the lockfile says that package.json asks for. */
  readonly root?: JsonObject;
}

const maxBytes = 128 * 1024 * 1024;
const maxPackages = 200_000;
const reader: JsonReader = new JsonReader('ERR_LOCKFILE', 'lockfile');

/**
 * Reads package-lock.json or npm-shrinkwrap.json of version 2, 3 or 4: the `packages` that npm installs from.
 *
 * Refused are files that npm and this reader could understand differently (other versions, merge conflict markers, locations
 * that are not plain paths) and integrity values with more than one hash, of which npm would accept any.
 *
 * @throws ERR_LOCKFILE, ERR_INTEGRITY_FORMAT, ERR_INPUT_TOO_LARGE
 */
export function readPackageLock(content: string | Uint8Array): PackageLock {
  if (content.length > maxBytes) {
    throw new SignetError('ERR_INPUT_TOO_LARGE', `lockfile is larger than ${maxBytes} bytes`);
  }
  const text = typeof content === 'string' ? content : fromUtf8(content, 'lockfile');
  // npm looks for these anywhere in a line, also inside of strings, and then reads a file of its own making.
  if (/<{7}|={7}|>{7}|\|{7}/.test(text)) {
    reader.fail('npm takes it for one with merge conflicts, and reads only a part of it; resolve them first', {
      expected: 'at most six of <, =, > or | in a row',
    });
  }
  let parsed: unknown;
  try {
    parsed = asWritten(text) ?? parseJson(text, 'lockfile', { maxLength: maxBytes });
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    reader.fail(`${problem}; write it anew with \`npm install --package-lock-only\``, { cause });
  }
  const lock = reader.object(parsed, 'the file');
  const lockfileVersion = own(lock, 'lockfileVersion');
  if (lockfileVersion !== 2 && lockfileVersion !== 3 && lockfileVersion !== 4) {
    reader.fail(
      'its version cannot be verified; write it anew with `npm install --package-lock-only` of npm 9 or later',
      {
        expected: 'lockfileVersion 2, 3 or 4',
        found: typeof lockfileVersion === 'number' ? String(lockfileVersion) : typeof lockfileVersion,
      },
    );
  }
  const entries = reader.object(own(lock, 'packages'), 'packages');
  const locations = Object.keys(entries);
  if (locations.length > maxPackages) {
    throw new SignetError('ERR_INPUT_TOO_LARGE', `lockfile has more than ${maxPackages} packages`);
  }
  const packages: LockedPackage[] = [];
  const special: SpecialDependency[] = [];
  const origins = new RegistryOrigins();
  for (const location of locations) {
    const installedName = nameOfLocation(location);
    const entry = own(entries, location);
    if (!isJsonObject(entry)) reader.fail(`packages[${JSON.stringify(location)}] must be an object`);
    assertNoPrivateMember(location, entry);
    if (installedName === undefined) assertOwnFolder(location, entry);
    else packages.push(lockedPackage(location, installedName, entry, origins));
    collectSpecial(entry, location, `the lockfile${location === '' ? '' : `, ${location},`}`, special);
  }
  const root = own(entries, '');
  return { lockfileVersion, packages, special, ...(isJsonObject(root) ? { root } : {}) };
}

/**
 * Reads a file that is letter for letter what npm would write of it again, as nearly all are: no key can stand twice in it. It takes half
 * the time of looking for such keys.
 *
 * @returns undefined for any other, whether or not it is JSON
 */
function asWritten(text: string): unknown {
  const [, indent] = /^\{\n([ \t]{1,10})"/.exec(text) ?? [];
  if (indent === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    const again = JSON.stringify(value, undefined, indent);
    return text === again || text === `${again}\n` ? value : undefined;
  } catch (error) {
    // parseJson says better what is wrong; a nesting too deep to write is too deep for it, too.
    if (error instanceof SyntaxError || error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Members of a package.json, and of an entry, in which npm looks for dependencies. */
export const dependencyMembers = [
  'dependencies',
  'devDependencies',
  'optionalDependencies',
  'peerDependencies',
] as const;

/** What nearly all dependencies look like: versions, ranges, and names of tags. */
const plainSpec = /^[\w\s.*^~<>=|+-]*$/;

/**
 * Adds those dependencies that are neither versions nor ranges nor tags.
 *
 * @param folder of the manifest, relative to the project
 * @param where names the manifest
 * @throws ERR_LOCKFILE
 */
export function collectSpecial(
  manifest: JsonObject,
  folder: string,
  where: string,
  special: SpecialDependency[],
): void {
  for (const member of dependencyMembers) {
    const dependencies = own(manifest, member);
    if (dependencies === undefined || dependencies === null) continue;
    if (!isJsonObject(dependencies)) reader.fail(`${member} in ${where} must be an object`);
    for (const name of Object.keys(dependencies)) {
      const spec = own(dependencies, name);
      if (typeof spec !== 'string') reader.fail(`${member} in ${where} must hold strings`);
      if (plainSpec.test(spec) && !spec.endsWith('.tgz') && !spec.endsWith('.tar') && !spec.startsWith('.')) continue;
      const { kind } = readPackageSpec(spec);
      if (kind !== 'range' && kind !== 'tag') special.push({ where: `${where} ${member}`, folder, name, spec });
    }
  }
}

/** What nearly all locations look like: folders named node_modules with a package in each, in lower case. */
const plainLocation =
  /^(?:node_modules\/(?!node_modules(?:\/|$)|favicon\.ico(?:\/|$))(?:@[a-z0-9\-_][a-z0-9\-_.]*\/(?!node_modules(?:\/|$)|favicon\.ico(?:\/|$)))?[a-z0-9-][a-z0-9\-_.]{0,99}(?:\/(?=node_modules\/)|$))+$/;

/** The name a location is imported by; undefined for the project and for folders outside of node_modules. */
function nameOfLocation(location: string): string | undefined {
  if (location === '') return undefined;
  if (plainLocation.test(location))
    return location.slice(location.lastIndexOf('node_modules/') + 'node_modules/'.length);
  const segments = location.split('/');
  const outside = segments.findIndex((segment) => segment !== '..');
  for (const [index, segment] of segments.entries()) {
    const plain = segment !== '' && segment !== '.' && (segment !== '..' || index < outside) && !segment.includes('\\');
    // On file systems that ignore case the other spelling is the same folder.
    if (!plain || (segment !== 'node_modules' && segment.toLowerCase() === 'node_modules')) {
      reader.fail('a location is not a plain path', { found: location.slice(0, 300) });
    }
  }
  const last = segments.lastIndexOf('node_modules');
  if (last === -1) return undefined;
  const name = segments.slice(last + 1).join('/');
  if (!isInstallableName(name)) {
    reader.fail('a location does not end in a package name', { found: location.slice(0, 300) });
  }
  return name;
}

/**
 * npm takes `_resolved`, `_integrity` and their kin of an entry for what the entry itself does not say, so that `_resolved` alone leads it to
 * a repository, and writes none of them.
 */
function assertNoPrivateMember(location: string, entry: JsonObject): void {
  for (const member in entry) {
    if (member.charCodeAt(0) === underscore && member !== '_hasShrinkwrap') {
      reader.fail(
        `packages[${JSON.stringify(location)}].${member.slice(0, 100)} is a member that npm follows and never writes`,
      );
    }
  }
}

const underscore = 0x5f;

/** The project and its workspaces are there already: npm would put what such an entry can be fetched from into their place. */
function assertOwnFolder(location: string, entry: JsonObject): void {
  const resolved = own(entry, 'resolved');
  const fetched = typeof resolved === 'string' && resolved !== '' && !/^file:/i.test(resolved);
  if (fetched || own(entry, 'integrity') !== undefined || own(entry, 'link') !== undefined) {
    reader.fail(`packages[${JSON.stringify(location)}] is a folder of the project and cannot come from elsewhere`, {
      expected: 'an entry without resolved, integrity and link',
    });
  }
}

/**
 * A link leads to a folder: above the project or in it, and never into a node_modules, which would give one package another's name. npm
 * normalises the path before it follows it, so that only one that is normal already says where it leads.
 */
function assertLinkTarget(location: string, installedName: string, name: string, resolved: string | undefined): void {
  const where = `packages[${JSON.stringify(location)}]`;
  const segments = resolved?.split('/') ?? [];
  const outside = segments.findIndex((segment) => segment !== '..');
  const plain = segments.every(
    (segment, index) =>
      segment !== '' &&
      segment !== '.' &&
      (segment !== '..' || outside === -1 || index < outside) &&
      !/[\\:\0]/.test(segment),
  );
  if (resolved === undefined || (resolved !== '' && !plain)) {
    reader.fail(`${where}.resolved of a link is not a plain path relative to the project`, {
      expected: 'a path as npm writes it, such as packages/tool',
      found: resolved?.slice(0, 300) ?? 'nothing',
    });
  }
  if (segments.some((segment) => segment.toLowerCase() === 'node_modules')) {
    reader.fail(`${where} is a link into node_modules, which gives what lies there another name`, {
      found: resolved.slice(0, 300),
    });
  }
  if (name !== installedName) {
    reader.fail(`${where} is a link with a name, which npm never writes`, { found: name.slice(0, 300) });
  }
}

function lockedPackage(
  location: string,
  installedName: string,
  entry: JsonObject,
  origins: RegistryOrigins,
): LockedPackage {
  // Thousands of entries are right, and a name for the place is needed for one that is not.
  const where = (member: string): string => `packages[${JSON.stringify(location)}].${member}`;
  const text = (member: string): string | undefined => {
    const value = own(entry, member);
    if (typeof value === 'string' || value === undefined) return value;
    return reader.optionalString(value, where(member));
  };
  const flag = (member: string): boolean => {
    const value = own(entry, member);
    // npm follows any value that JavaScript calls true; only booleans are read alike by everybody.
    return value === undefined || typeof value === 'boolean'
      ? value === true
      : reader.fail(`${where(member)} must be true or false`);
  };
  const name = text('name') ?? installedName;
  if (name !== installedName && !isInstallableName(name)) {
    reader.fail(`${where('name')} is not a package name`, { found: name.slice(0, 300) });
  }
  const version = text('version');
  const resolved = text('resolved');
  const integrity = lockedIntegrity(text('integrity'), location);
  const source = sourceOf({ link: flag('link'), inBundle: flag('inBundle') }, resolved, integrity, origins);
  if (source === 'link') assertLinkTarget(location, installedName, name, resolved);
  if (own(entry, 'scripts') !== undefined) {
    reader.fail(`${where('scripts')} would be run by npm instead of the package’s own; npm never writes it`);
  }
  if (version === undefined ? source === 'registry' || source === 'bundled' : !isExactVersion(version)) {
    reader.fail(`${where('version')} must be an exact version`, { found: version?.slice(0, 300) ?? 'nothing' });
  }
  const devOptional = flag('devOptional');
  const optional = flag('optional');
  // Member by member: spreading a dozen of them costs more than all that is checked above.
  const locked: { -readonly [Member in keyof LockedPackage]: LockedPackage[Member] } = {
    location,
    name,
    source,
    dev: flag('dev') || devOptional,
    optional: optional || devOptional,
    // npm takes either spelling from a lockfile.
    hasShrinkwrap: flag('hasShrinkwrap') || flag('_hasShrinkwrap'),
    patched: own(entry, 'patched') !== undefined,
  };
  if (name !== installedName) locked.alias = installedName;
  if (version !== undefined) locked.version = version;
  if (resolved !== undefined) locked.resolved = resolved;
  if (integrity !== undefined) locked.integrity = integrity;
  if (optional) locked.mayFail = true;
  if (flag('hasInstallScript')) locked.hasInstallScript = true;
  const bin = binOf(own(entry, 'bin'), name, where);
  if (bin !== undefined) locked.bin = bin;
  return locked;
}

function binOf(
  bin: unknown,
  name: string,
  where: (member: string) => string,
): Readonly<Record<string, string>> | undefined {
  if (bin === undefined || bin === null) return undefined;
  if (typeof bin === 'string') return { [name]: bin };
  const commands = reader.object(bin, where('bin'));
  for (const [command, file] of Object.entries(commands)) reader.string(file, `${where('bin')}.${command}`);
  return commands as Readonly<Record<string, string>>;
}

/** One sha512, or undefined where there is nothing to bind evidence to. Several hashes are refused: see parseIntegrity. */
function lockedIntegrity(integrity: string | undefined, location: string): string | undefined {
  if (integrity === undefined || isIntegrity(integrity)) return integrity;
  if (/^sha(?:1|256|384)-[A-Za-z0-9+/]+=*$/.test(integrity)) return undefined;
  try {
    parseIntegrity(integrity);
  } catch (cause) {
    const found = integrity.slice(0, 300);
    throw new SignetError(
      'ERR_INTEGRITY_FORMAT',
      `lockfile: integrity of ${JSON.stringify(location)} is not one sha512 hash`,
      {
        expected: 'sha512- and 88 characters of base64, once',
        found,
        cause,
      },
    );
  }
  return integrity;
}

function sourceOf(
  entry: { link: boolean; inBundle: boolean },
  resolved: string | undefined,
  integrity: string | undefined,
  origins: RegistryOrigins,
): PackageSource {
  if (entry.link) return 'link';
  // npm fetches a package that is marked as bundled but is not in its parent's tarball, so that only one that cannot be fetched
  // with this entry's hash counts as covered by the parent.
  if (entry.inBundle && resolved === undefined && integrity === undefined) return 'bundled';
  if (resolved === undefined || origins.covers(resolved)) return 'registry';
  if (/^https?:\/\//i.test(resolved)) {
    if (!URL.canParse(resolved)) reader.fail('resolved is not a URL', { found: resolved.slice(0, 300) });
    if (isHostedGit(resolved)) return 'git';
    origins.add(resolved);
    return 'registry';
  }
  if (/^(?:git(?:\+[a-z]+)?:|github:|gitlab:|bitbucket:|gist:)/i.test(resolved)) return 'git';
  if (/^file:/i.test(resolved)) return 'file';
  return reader.fail('resolved is of a kind that cannot be verified', {
    expected: 'an http, https, git or file URL',
    found: resolved.slice(0, 300),
  });
}
