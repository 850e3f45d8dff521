import { createGunzip } from 'node:zlib';
import { fromUtf8, parseLenientJson, SignetError } from '@signet/primitives/formats';
import { isExactVersion, isInstallableName, isJsonObject, type JsonObject, own } from '../npm/lockfile/index.ts';

/** package.json of a tarball. */
export interface TarballManifest {
  readonly name: string;
  readonly version: string;
  /** The whole file, parsed. Foreign. */
  readonly manifest: JsonObject;
}

/** Limits on a tarball from outside. */
export interface TarballLimits {
  /** Bytes after decompression, default 1 GiB; the largest packages of npmjs unpack to about half of that. */
  readonly unpackedBytes?: number;
  /** Entries, default 200 000. */
  readonly entries?: number;
  /** Bytes of package.json, default 8 MiB. */
  readonly manifestBytes?: number;
}

/**
 * Reads the name and version that a package tarball will have once it is installed: those in the one `package.json` directly
 * below the folder that npm strips.
 *
 * Reads with `tar`, the reader that npm extracts with, but in its strict mode: what npm only warns of (bad checksums,
 * truncation) is refused. A second file that would land on the same path, on any file system, is refused too,
 * because the last one wins at extraction while readers of the first are deceived.
 *
 * @throws ERR_TARBALL, ERR_INPUT_TOO_LARGE
 */
export async function readTarballManifest(tarball: Uint8Array, limits: TarballLimits = {}): Promise<TarballManifest> {
  if (!startsWith(tarball, 0x1f, 0x8b)) {
    throw new SignetError('ERR_TARBALL', 'the tarball is not compressed with gzip, as npm packages are');
  }
  const file = await findManifest(tarball, {
    unpackedBytes: limits.unpackedBytes ?? 1024 ** 3,
    entries: limits.entries ?? 200_000,
    manifestBytes: limits.manifestBytes ?? 8 * 1024 ** 2,
  });
  let manifest: unknown;
  try {
    // npm ignores a byte order mark here, and takes the last of two members with one name.
    manifest = parseLenientJson(fromUtf8(file, 'package.json').replace(/^\uFEFF/, ''), 'package.json');
  } catch (cause) {
    throw new SignetError('ERR_TARBALL', 'package.json in the tarball is not JSON in UTF-8', { cause });
  }
  if (!isJsonObject(manifest)) throw new SignetError('ERR_TARBALL', 'package.json in the tarball is not an object');
  const name = own(manifest, 'name');
  const version = own(manifest, 'version');
  if (typeof name !== 'string' || !isInstallableName(name)) {
    throw new SignetError('ERR_TARBALL', 'package.json in the tarball has no name that npm accepts');
  }
  if (typeof version !== 'string' || !isExactVersion(version)) {
    throw new SignetError('ERR_TARBALL', 'package.json in the tarball has no exact version');
  }
  return { name, version, manifest };
}

async function findManifest(tarball: Uint8Array, limits: Required<TarballLimits>): Promise<Uint8Array> {
  const { Parser } = await import('tar');
  let entries = 0;
  let manifest: Uint8Array[] | undefined;
  let failure: SignetError | undefined;
  const fail = (problem: string, cause?: unknown): void => {
    failure ??= new SignetError('ERR_TARBALL', `the tarball is refused: ${problem}`, { cause });
  };
  const parser = new Parser({
    strict: true,
    // Bounded below in bytes; the ratio of a small package of zeros is no fault.
    maxDecompressionRatio: Number.POSITIVE_INFINITY,
    onReadEntry: (entry) => {
      entries += 1;
      const place = installedPath(entry.path);
      if (entries > limits.entries) fail(`it has more than ${limits.entries} entries`);
      else if (place === undefined) fail(`an entry's path is not plain: ${JSON.stringify(entry.path.slice(0, 200))}`);
      else if (place === 'package.json') {
        if (manifest !== undefined) fail('two entries would become package.json');
        else if (!['File', 'OldFile', 'ContiguousFile'].includes(entry.type)) fail('package.json is not a plain file');
        else if (entry.size > limits.manifestBytes) fail(`package.json is larger than ${limits.manifestBytes} bytes`);
        const chunks: Uint8Array[] = [];
        manifest = chunks;
        if (failure === undefined) entry.on('data', (chunk: Uint8Array) => chunks.push(chunk));
      }
      entry.resume();
    },
  });
  parser.on('error', (error) => fail('its archive is malformed', error));
  // Nothing after its end belongs to an archive. The reader would collect all of it, copying what it has with every chunk.
  let hasEnded = false;
  parser.on('eof', () => {
    hasEnded = true;
  });

  let unpacked = 0;
  const gunzip = createGunzip();
  gunzip.end(tarball);
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      // The reader would decompress a second time, past the limit.
      if (unpacked === 0 && (startsWith(chunk, 0x1f, 0x8b) || startsWith(chunk, 0x28, 0xb5, 0x2f, 0xfd))) {
        fail('it is compressed twice');
      }
      unpacked += chunk.length;
      if (unpacked > limits.unpackedBytes) {
        throw new SignetError('ERR_INPUT_TOO_LARGE', `the tarball unpacks to more than ${limits.unpackedBytes} bytes`);
      }
      if (failure === undefined && !hasEnded) parser.write(chunk);
      if (failure !== undefined) throw failure;
    }
    parser.end();
  } catch (error) {
    if (error instanceof SignetError) throw error;
    throw new SignetError('ERR_TARBALL', 'the tarball is damaged: it cannot be decompressed and read to its end', {
      cause: error,
    });
  }
  if (failure !== undefined) throw failure;
  if (manifest === undefined) {
    throw new SignetError('ERR_TARBALL', 'the tarball has no package.json directly below its folder');
  }
  return Buffer.concat(manifest);
}

/**
 * Where npm puts an entry: without its first segment, folded as file systems that ignore case and Unicode form do. Undefined
 * for a path that only a lenient reader accepts.
 */
function installedPath(path: string): string | undefined {
  const segments = path.replace(/\/$/, '').split('/');
  const odd = path.includes('\\') || path.includes('\0') || segments.some((part) => ['', '.', '..'].includes(part));
  return odd ? undefined : segments.slice(1).join('/').normalize('NFKC').toLowerCase();
}

function startsWith(bytes: Uint8Array, ...magic: number[]): boolean {
  return magic.every((byte, index) => bytes[index] === byte);
}
