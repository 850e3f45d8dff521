import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { equalBytes, SignetError } from '@signet/primitives/formats';
import { BaseFetcher, Updater } from 'tuf-js';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { messageOf } from './metadata.ts';

/** A repository's files by their path below its base URL: `3.root.json`, `targets/<hash>.trusted_root.json`. */
export type RepositoryFiles = ReadonlyMap<string, Uint8Array>;

const base = 'http://repository.invalid';

/** Serves a client of this process from memory, with the answers that a web server would give. */
class MemoryFetcher extends BaseFetcher {
  readonly #files: RepositoryFiles;

  constructor(files: RepositoryFiles) {
    super();
    this.#files = files;
  }

  override async fetch(url: string): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const bytes = this.#files.get(decodeURIComponent(new URL(url).pathname.slice(1)));
    if (bytes === undefined) throw new DownloadHTTPError('not found', 404);
    return new ReadableStream({
      start(controller) {
        controller.enqueue(Uint8Array.from(bytes));
        controller.close();
      },
    });
  }
}

/**
 * Lets a stock tuf-js client read a repository before anybody else does: once as one that has only the first root, once as
 * one that has just read what is published now. A root below its threshold or a version that goes back would lock out every client
 * until the file is deleted (notes/ca.md §5), so whatever this client refuses is never published.
 *
 * @param files what would be served
 * @param roots the roots that clients may start from, oldest and newest
 * @param published what is served now; none for a new repository
 * @param targets names that every client must be able to fetch, with the bytes they must get
 * @throws ERR_TUF_REFUSED with the client's own words
 */
export async function replay(
  files: RepositoryFiles,
  roots: readonly Uint8Array[],
  published: RepositoryFiles | undefined,
  targets: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  for (const root of roots) {
    const directory = await mkdtemp(join(tmpdir(), 'signet-tuf-replay-'));
    try {
      await writeFile(join(directory, 'root.json'), root);
      // A client that cannot read what is published now has nothing to lose by the change.
      if (published !== undefined)
        await updater(directory, published)
          .refresh()
          .catch(() => undefined);
      await readAll(directory, files, targets);
    } catch (cause) {
      if (cause instanceof SignetError) throw cause;
      throw new SignetError('ERR_TUF_REFUSED', `clients would refuse this trust root: ${messageOf(cause)}`, { cause });
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
}

async function readAll(
  directory: string,
  files: RepositoryFiles,
  targets: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  const client = updater(directory, files);
  await client.refresh();
  for (const [name, bytes] of targets) {
    const info = await client.getTargetInfo(name);
    if (info === undefined) throw new SignetError('ERR_TUF_REFUSED', `clients would not find the target ${name}`);
    const path = await client.downloadTarget(info, join(directory, 'target'));
    if (equalBytes(await readFile(path), bytes)) continue;
    throw new SignetError('ERR_TUF_REFUSED', `clients would get other bytes for the target ${name}`);
  }
}

function updater(directory: string, files: RepositoryFiles): Updater {
  return new Updater({
    metadataDir: directory,
    metadataBaseUrl: base,
    targetDir: directory,
    targetBaseUrl: `${base}/targets`,
    fetcher: new MemoryFetcher(files),
  });
}
