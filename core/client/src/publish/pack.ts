import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describeValue, inert, parseJson, SignetError } from '@signet/primitives/formats';
import { isObject, type JsonObject, textMember } from '../http/index.ts';
import { isExactVersion, isPackageName, readTarballManifest } from '../npm/index.ts';
import type { NpmConfiguration } from './npm-configuration.ts';

/** A package in the one form in which it is signed and published. */
export interface PackedPackage {
  readonly name: string;
  readonly version: string;
  readonly tarball: Uint8Array;
  /** package.json out of these very bytes, normalised as npm publishes it, with the readme. */
  readonly manifest: JsonObject;
  /** The folder it was packed from; none for a tarball that was given. */
  readonly folder: string | undefined;
}

/**
 * Packs a folder once, with the lifecycle scripts that npm runs for a publish (prepublishOnly, prepack, prepare, postpack),
 * or takes a tarball as it is. What stands in the registry's manifest is read from the packed bytes, so that manifest and
 * contents cannot say different things, whatever the scripts did to the folder in between.
 *
 * @param source path of a folder or of a `.tgz`
 * @throws ERR_PACKAGE when it is neither, ERR_PACK_FAILED when packing or a script fails, ERR_PACKAGE_PRIVATE, ERR_TARBALL
 */
export async function packPackage(source: string, configuration: NpmConfiguration): Promise<PackedPackage> {
  const path = resolve(source);
  const kind = await stat(path).catch((cause: unknown) => {
    throw new SignetError('ERR_PACKAGE', `${source} does not exist`, { cause });
  });
  if (kind.isDirectory()) return await packFolder(path, configuration);
  if (!kind.isFile()) throw new SignetError('ERR_PACKAGE', `${source} is neither a folder nor a tarball`);
  return await readPacked(new Uint8Array(await readFile(path)), undefined, configuration);
}

async function packFolder(folder: string, configuration: NpmConfiguration): Promise<PackedPackage> {
  const { default: pack } = await import('libnpmpack');
  const declared = await manifestOf(folder, configuration);
  if (declared.private === true) {
    throw new SignetError(
      'ERR_PACKAGE_PRIVATE',
      `${inert(declared.name ?? folder)} is marked private in package.json; remove that to publish it`,
    );
  }
  // Before any script runs; what was packed is read again afterwards.
  const { name, version } = declared;
  if (typeof name !== 'string' || !isPackageName(name) || typeof version !== 'string' || !isExactVersion(version)) {
    throw new SignetError('ERR_PACKAGE', 'package.json needs a name that npm accepts and an exact version', {
      expected: 'for example @scope/name and 1.2.3',
      found: `${describeValue(name)} and ${describeValue(version)}`,
    });
  }
  await runLifecycleScript('prepublishOnly', folder, declared, configuration);
  let tarball: Buffer;
  try {
    // dryRun keeps libnpmpack from writing the tarball into the folder.
    tarball = await pack(folder, { ...configuration.options, dryRun: true, foregroundScripts: false, prefix: folder });
  } catch (thrown) {
    throw scriptFailure('packing', thrown);
  }
  const packed = await readPacked(new Uint8Array(tarball), folder, configuration);
  const gitHead = textMember(declared, 'gitHead');
  return { ...packed, manifest: gitHead === undefined ? packed.manifest : { ...packed.manifest, gitHead } };
}

/** What npm runs while it packs. */
const packingScripts = ['prepublishOnly', 'prepack', 'prepare', 'postpack'];

/** Whether packing one of the folders runs a script; also where that cannot be said. */
export async function runsScripts(sources: readonly string[], { options }: NpmConfiguration): Promise<boolean> {
  if (options.ignoreScripts === true) return false;
  const found = sources.map(async (source) => {
    const path = resolve(source);
    if (!(await stat(path)).isDirectory()) return false;
    const manifest = parseJson(await readFile(join(path, 'package.json'), 'utf8'), 'package.json');
    const scripts = isObject(manifest) ? manifest.scripts : undefined;
    return (
      scripts !== undefined && !(isObject(scripts) && packingScripts.every((name) => !Object.hasOwn(scripts, name)))
    );
  });
  return (await Promise.all(found).catch(() => [true])).some((runs) => runs);
}

/**
 * Runs one lifecycle script of a folder, if it has it, as npm does. Its output is kept back and shown when it fails: standard
 * output is for data.
 *
 * @throws ERR_PACK_FAILED with the end of the script's output
 */
export async function runLifecycleScript(
  event: string,
  folder: string,
  manifest: JsonObject,
  { options, scriptEnvironment }: NpmConfiguration,
): Promise<void> {
  if (options.ignoreScripts === true) return;
  const { default: runScript } = await import('@npmcli/run-script');
  const shell = options.scriptShell;
  try {
    await runScript({
      event,
      path: folder,
      pkg: manifest,
      stdio: 'pipe',
      env: scriptEnvironment,
      scriptShell: typeof shell === 'string' ? shell : undefined,
    });
  } catch (thrown) {
    throw scriptFailure(`the script ${event}`, thrown);
  }
}

async function readPacked(
  tarball: Uint8Array,
  folder: string | undefined,
  configuration: NpmConfiguration,
): Promise<PackedPackage> {
  // First by the strict reader: everything after it may rely on one package.json in one place.
  const { name, version } = await readTarballManifest(tarball);
  const temporary = await mkdtemp(join(tmpdir(), 'signet-pack-'));
  try {
    await unpack(tarball, temporary);
    const manifest = await manifestOf(temporary, configuration);
    if (manifest.name !== name || manifest.version !== version) {
      throw new SignetError('ERR_PACKAGE', 'npm reads another name or version out of the tarball than it holds', {
        expected: `${name}@${version}`,
        found: `${manifest.name}@${manifest.version}`,
      });
    }
    if (manifest.private === true) {
      throw new SignetError(
        'ERR_PACKAGE_PRIVATE',
        `${name} is marked private in package.json; remove that to publish it`,
      );
    }
    return { name, version, tarball, manifest, folder };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/**
 * Unpacks a tarball as npm does: files alone, below the folder that it strips. npm's own way to the manifest of a tarball is the same,
 * but takes 32 MB for each file that it reads, which costs more than all the rest of a release.
 *
 * @throws ERR_PACKAGE
 */
async function unpack(tarball: Uint8Array, folder: string): Promise<void> {
  const { extract } = await import('tar');
  const extractor = extract({
    cwd: folder,
    strip: 1,
    noChmod: true,
    noMtime: true,
    preserveOwner: false,
    filter: (_path, entry) => {
      if (!('type' in entry) || !/File$/.test(entry.type)) return false;
      entry.mode = (entry.mode ?? 0) | 0o600;
      return true;
    },
  });
  await new Promise<void>((resolve, reject) => {
    extractor.on('close', () => resolve());
    extractor.on('error', (thrown: unknown) => reject(unpublishable(thrown)));
    extractor.end(Buffer.from(tarball.buffer, tarball.byteOffset, tarball.byteLength));
  });
}

/** package.json of a folder as npm publishes it; members that name paths of this machine are left out. */
async function manifestOf(path: string, { options }: NpmConfiguration): Promise<JsonObject> {
  const { default: pacote } = await import('pacote');
  try {
    const manifest = await pacote.manifest(path, {
      ...options,
      fullReadJson: true,
      fullMetadata: true,
      _isRoot: true,
    });
    return Object.fromEntries(Object.entries(manifest).filter(([key]) => !key.startsWith('_')));
  } catch (thrown) {
    throw unpublishable(thrown);
  }
}

function unpublishable(thrown: unknown): SignetError {
  const said = thrown instanceof Error ? thrown.message : String(thrown);
  return new SignetError('ERR_PACKAGE', `there is no package that can be published: ${inert(said)}`);
}

function scriptFailure(what: string, thrown: unknown): SignetError {
  const member = (name: string): string => {
    const value: unknown = isObject(thrown) || thrown instanceof Error ? Reflect.get(thrown, name) : undefined;
    return typeof value === 'string' ? value : Buffer.isBuffer(value) ? value.toString('utf8') : '';
  };
  const output = [member('stdout'), member('stderr')]
    .filter((text) => text.trim() !== '')
    .join('\n')
    .trim();
  const last = output.split('\n').slice(-20).join('\n');
  const said = thrown instanceof Error ? thrown.message : String(thrown);
  return new SignetError('ERR_PACK_FAILED', `${what} failed: ${said}${last === '' ? '' : `\n${last}`}`);
}
