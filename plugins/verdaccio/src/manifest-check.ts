import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { type PublishDocument, readTarballManifest, type TarballManifest } from '@signet/client/npm';
import { describedAlike } from './manifest-description.ts';
import { Refusal } from './refusal.ts';
import { Turns } from './turns.ts';

type Json = Readonly<Record<string, unknown>>;

const installScripts = ['preinstall', 'install', 'postinstall'] as const;

/**
 * Members that npm or the registry adds and that package.json does not have, with what they may be. Everything else that the
 * tarball does not say is left out: nobody signed it.
 */
const added: Readonly<Record<string, (value: unknown) => boolean>> = {
  _nodeVersion: isText,
  _npmVersion: isText,
  gitHead: (value) => typeof value === 'string' && /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/.test(value),
  readme: isText,
  readmeFilename: isText,
  _hasShrinkwrap: (value) => typeof value === 'boolean',
};

/**
 * Members by which npm decides what else to install, what to run, where to link and whether the package suits the machine. The
 * registry's document must say what the signed bytes say: installers believe the document, auditors read the tarball.
 */
const bound: Readonly<Record<string, (manifest: Json) => unknown>> = {
  dependencies: requiredDependencies,
  optionalDependencies: ({ optionalDependencies }) => entries(optionalDependencies),
  peerDependencies: ({ peerDependencies }) => entries(peerDependencies),
  peerDependenciesMeta: ({ peerDependenciesMeta }) => entries(peerDependenciesMeta),
  bundleDependencies: bundled,
  engines: ({ engines }) => entries(engines),
  os: ({ os }) => texts(os),
  cpu: ({ cpu }) => texts(cpu),
  libc: ({ libc }) => texts(libc),
};

/**
 * What members must be to be stored. Those of {@link bound} are believed by installers and refused when they are not; the
 * others are for people and left out, since they would break whoever shows or searches them.
 */
const kinds: Readonly<Record<string, ((value: unknown) => boolean) | undefined>> = {
  dependencies: isObject,
  optionalDependencies: isObject,
  peerDependencies: isObject,
  peerDependenciesMeta: isObject,
  bundleDependencies: (value) => typeof value === 'boolean' || isTexts(value),
  engines: isObject,
  os: isTextOrTexts,
  cpu: isTextOrTexts,
  libc: isTextOrTexts,
  bin: (value) => isText(value) || (isObject(value) && Object.values(value).every(isText)),
  description: isText,
  displayName: isText,
  homepage: (value) => isText(value) && isHarmlessLink(value),
  repository: isHarmlessLink,
  bugs: isHarmlessLink,
  funding: isHarmlessLink,
  author: (value) => (isText(value) || isObject(value)) && isHarmlessLink(value),
  keywords: isTextOrTexts,
  contributors: (value) => Array.isArray(value) && isHarmlessLink(value),
  maintainers: (value) => Array.isArray(value) && isHarmlessLink(value),
};

/** Members that the registry alone says something with; npm's own have an underscore in front. */
const registryMembers = new Set(['dist', 'hasInstallScript', 'deprecated', 'time', 'users']);

/** What a tarball may become. */
export interface UnpackLimits {
  /** Bytes after decompression. */
  readonly unpackedBytes: number;
  /** How many times its own size, where that is more than {@link alwaysUnpacked}. */
  readonly unpackedRatio: number;
}

/** Bytes that any tarball may become: a small package of zeros is no attack. */
const alwaysUnpacked = 16 * 1024 * 1024;

const unpacking = new Turns(1);

async function unpack(tarball: Uint8Array, { unpackedBytes, unpackedRatio }: UnpackLimits): Promise<TarballManifest> {
  const byRatio = Math.max(alwaysUnpacked, tarball.length * unpackedRatio);
  const endTurn = await unpacking.take();
  try {
    return await readTarballManifest(tarball, { unpackedBytes: Math.min(unpackedBytes, byRatio) });
  } finally {
    endTurn?.();
  }
}

/**
 * Compares the published manifest with package.json in the tarball, and makes the manifest that is stored: what the tarball
 * says, as npm spells it, with a `dist` of nothing but hashes and place.
 *
 * One tarball is unpacked at a time in this process.
 *
 * @param limits on the tarball after decompression
 * @throws ERR_TARBALL, ERR_INPUT_TOO_LARGE; a refusal with ERR_PUBLISH_DOCUMENT when they disagree
 */
export async function checkManifest(document: PublishDocument, limits: UnpackLimits): Promise<Record<string, unknown>> {
  const packed = await unpack(document.tarball, limits);
  const published = document.manifest;
  const fail = (field: string) => {
    throw new Refusal(
      422,
      'ERR_PUBLISH_DOCUMENT',
      `${document.name}@${document.version}: ${field} in the publish document differs from package.json in the tarball`,
    );
  };
  if (packed.name !== document.name) fail('the name');
  if (packed.version !== document.version) fail('the version');
  for (const [field, meaning] of Object.entries(bound)) {
    const value = published[field] ?? undefined;
    if (value !== undefined && !kinds[field]?.(value)) fail(field);
    if (!isDeepStrictEqual(meaning(published), meaning(packed.manifest))) fail(field);
  }
  if (published.bin !== undefined && !kinds.bin?.(published.bin)) fail('bin');
  if (!sameCommands(document.name, published, packed.manifest)) fail('bin');
  checkScripts(published, packed.manifest, fail);
  return {
    ...describe(published, packed.manifest),
    _id: `${document.name}@${document.version}`,
    dist: distOf(document),
  };
}

function describe(published: Json, packed: Json): Record<string, unknown> {
  const manifest: Record<string, unknown> = { name: packed.name, version: packed.version };
  for (const [key, value] of Object.entries(published)) {
    if (key in Object.prototype || Object.hasOwn(manifest, key) || registryMembers.has(key)) continue;
    if (Object.hasOwn(added, key)) {
      if (added[key]?.(value)) manifest[key] = value;
      continue;
    }
    if (key.startsWith('_') || value === null) continue;
    const isChecked = Object.hasOwn(bound, key) || key === 'bin' || describedAlike(key, value, packed);
    const kept = isChecked ? value : Object.hasOwn(packed, key) ? packed[key] : undefined;
    if (key === 'scripts') manifest[key] = scriptsOf(published, packed);
    else if (kept !== undefined && (kinds[key]?.(kept) ?? true)) manifest[key] = kept;
  }
  return manifest;
}

/** Of `dist` the client says the place; the hashes are those of the bytes. */
function distOf({ manifest, tarball, integrity }: PublishDocument): Record<string, unknown> {
  const place = isObject(manifest.dist) ? manifest.dist.tarball : undefined;
  return {
    integrity,
    shasum: createHash('sha1').update(tarball).digest('hex'),
    ...(isText(place) ? { tarball: place } : {}),
  };
}

function checkScripts(published: Json, packed: Json, fail: (field: string) => void): void {
  for (const script of installScripts) {
    const [inDocument, inTarball] = [entries(published.scripts)[script], entries(packed.scripts)[script]];
    if (inDocument !== inTarball && !isImplied(script, inDocument, inTarball)) fail(`scripts.${script}`);
  }
}

/** npm adds this one when the package has a binding.gyp, whether or not package.json mentions it. */
function isImplied(script: string, inDocument: unknown, inTarball: unknown): boolean {
  return script === 'install' && inTarball === undefined && inDocument === 'node-gyp rebuild';
}

function scriptsOf(published: Json, packed: Json): Record<string, unknown> {
  const own = entries(packed.scripts);
  const same = Object.entries(entries(published.scripts)).filter(
    ([script, value]) => value === own[script] || isImplied(script, value, own[script]),
  );
  return Object.fromEntries(same);
}

/** npm lists an optional dependency in either or both of the two members; the optional one wins. */
function requiredDependencies(manifest: Json): Record<string, unknown> {
  const optional = entries(manifest.optionalDependencies);
  return ownCopy(Object.entries(entries(manifest.dependencies)).filter(([name]) => !(name in optional)));
}

/** The names that come inside the tarball; `true` stands for all dependencies. */
function bundled(manifest: Json): readonly string[] {
  const value = manifest.bundleDependencies ?? manifest.bundledDependencies;
  if (value === true) return Object.keys(entries(manifest.dependencies)).sort();
  return Array.isArray(value) ? value.map(String).sort() : Object.keys(entries(value)).sort();
}

/** Commands with the files that they run. A folder of commands is listed by npm; every one must then lie in that folder. */
function sameCommands(name: string, published: Json, packed: Json): boolean {
  const [mine, theirs] = [commands(name, packed.bin), commands(name, published.bin)];
  const { bin: folder } = entries(packed.directories);
  if (packed.bin !== undefined || typeof folder !== 'string') return isDeepStrictEqual(mine, theirs);
  const prefix = `${plainPath(folder)}/`;
  return Object.entries(theirs).every(
    ([command, file]) => typeof file === 'string' && file.startsWith(prefix) && file.endsWith(`/${command}`),
  );
}

function commands(name: string, bin: unknown): Record<string, unknown> {
  const named = typeof bin === 'string' ? { [name.slice(name.indexOf('/') + 1)]: bin } : entries(bin);
  return ownCopy(
    Object.entries(named).map(([command, file]) => [
      command.slice(command.lastIndexOf('/') + 1),
      typeof file === 'string' ? plainPath(file) : file,
    ]),
  );
}

function plainPath(path: string): string {
  return path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}

function texts(value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value : [value];
}

/** An own copy without prototype, so that a key named `constructor` is only a key. */
function entries(value: unknown): Record<string, unknown> {
  return isObject(value) ? ownCopy(Object.entries(value)) : Object.create(null);
}

function ownCopy(members: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const copy: Record<string, unknown> = Object.create(null);
  for (const [key, value] of members) copy[key] = value;
  return copy;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every(isText);
}

function isTextOrTexts(value: unknown): boolean {
  return isText(value) || isTexts(value);
}

/** No text in it is a URL that runs something when somebody clicks on it. */
function isHarmlessLink(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.values(value).every(isHarmlessLink);
  return !isText(value) || !['javascript:', 'data:', 'vbscript:'].includes(URL.parse(value)?.protocol ?? '');
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
