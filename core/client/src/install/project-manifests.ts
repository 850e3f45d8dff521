import { readFile, realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fromUtf8, parseJson, SignetError } from '@signet/primitives/basics';
import { isJsonObject, type JsonObject, own, type PackageLock } from '../npm/lockfile/index.ts';

/** A package.json of the project, which npm reads beside the lockfile. */
export interface ProjectManifest {
  /** The folder, relative to the project; empty for the project itself. */
  readonly location: string;
  readonly content: JsonObject;
}

const maxBytes = 16 * 1024 * 1024;

/**
 * Reads what npm reads beside the lockfile to find out what a project asks for: its package.json, first, and that of each folder that the
 * lockfile links to. Of a folder without one, what the lockfile says of it counts, as for npm; one that npm would read in another way than
 * Signet, or not at all, is refused.
 *
 * @returns an empty list when there is no package.json, and so no project
 * @throws ERR_LOCKFILE, ERR_ENCODING, ERR_INPUT_TOO_LARGE
 */
export async function readProjectManifests(directory: string, lock: PackageLock): Promise<readonly ProjectManifest[]> {
  const root = await readManifest(join(directory, 'package.json'), parseStrictly);
  if (root === undefined) return [];
  const targets = lock.packages.flatMap(({ source, resolved }) =>
    source === 'link' && resolved !== undefined && resolved !== '' ? [resolved] : [],
  );
  const folders = await Promise.all(
    [...new Set(targets)].map(async (location) => {
      const content = await readManifest(join(directory, location, 'package.json'), parseStrictly);
      return content === undefined ? [] : [{ location, content }];
    }),
  );
  return [{ location: '', content: root }, ...folders.flat()];
}

/**
 * The folders that a project declares as its workspaces, by the names in their package.json: npm's own library reads the patterns. A folder
 * that is reached through a symbolic link, or lies outside of the project, is none.
 *
 * @returns real paths
 * @throws ERR_LOCKFILE for patterns that npm cannot read either
 */
export async function declaredWorkspaces(
  directory: string,
  manifest: JsonObject,
): Promise<ReadonlyMap<string, string>> {
  const { default: mapWorkspaces } = await import('@npmcli/map-workspaces');
  let declared: ReadonlyMap<string, string>;
  try {
    declared = await mapWorkspaces({ cwd: directory, pkg: manifest });
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new SignetError('ERR_LOCKFILE', `the workspaces in package.json cannot be read: ${said}`, { cause });
  }
  const real = await realpath(directory);
  const folders = new Map<string, string>();
  for (const [name, path] of declared) {
    const expected = join(real, path.slice(resolve(directory).length));
    if (path.startsWith(`${resolve(directory)}`) && (await realpath(path)) === expected) folders.set(name, expected);
  }
  return folders;
}

/** As people read it: a key that stands twice in one object says two things, of which npm takes the last. */
function parseStrictly(text: string): unknown {
  return parseJson(text, 'package.json', { maxLength: maxBytes });
}

/** @throws ERR_LOCKFILE, ERR_ENCODING, ERR_INPUT_TOO_LARGE */
export async function readManifest(
  path: string,
  parse: (text: string) => unknown = JSON.parse,
): Promise<JsonObject | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new SignetError('ERR_LOCKFILE', `${path} cannot be read`, { cause: error });
  }
  if (bytes.length > maxBytes) throw new SignetError('ERR_INPUT_TOO_LARGE', `${path} is larger than ${maxBytes} bytes`);
  // npm overlooks a byte order mark, too.
  const text = fromUtf8(bytes, path).replace(/^\uFEFF/, '');
  let content: unknown;
  try {
    content = parse(text);
  } catch (cause) {
    throw new SignetError('ERR_LOCKFILE', `${path} is not JSON that can be read in one way`, { cause });
  }
  if (!isJsonObject(content)) throw new SignetError('ERR_LOCKFILE', `${path} is not an object`);
  return content;
}

/** A text member, if it is one. */
export function textMember(manifest: JsonObject, member: string): string | undefined {
  const value = own(manifest, member);
  return typeof value === 'string' ? value : undefined;
}
