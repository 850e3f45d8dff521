import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { redact, SignetError } from '@signet/primitives/formats';
import { BaseFetcher, Updater } from 'tuf-js';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { HttpStatusError, request } from '../../http/index.ts';
import type { RepositoryCopy } from './copy.ts';
import type { FetchOptions } from './fetch-root.ts';

/** The targets that Signet uses; all but the first may be absent. */
export const wantedTargets = ['trusted_root.json', 'signing_config.v0.2.json'] as const;

const maximumBytes = 8 * 1024 * 1024;

/** Lets tuf-js ask through our own requests: time and size limits, no redirects to elsewhere, the user's proxy. */
class RequestFetcher extends BaseFetcher {
  readonly #options: FetchOptions;
  readonly #roots: Map<string, Uint8Array>;
  /** The first failure that is the network's: tuf-js wraps some in sentences of its own. */
  failure: SignetError | undefined;

  /** @param roots takes every root file that passes by, by name */
  constructor(options: FetchOptions, roots: Map<string, Uint8Array>) {
    super();
    this.#options = options;
    this.#roots = roots;
  }

  override async fetch(url: string): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const { transport, signal } = this.#options;
    try {
      const { body } = await request(url, {
        service: 'the trust-root repository',
        timeout: 10_000,
        maxBytes: maximumBytes,
        ...(transport === undefined ? {} : { transport }),
        ...(signal === undefined ? {} : { signal }),
      });
      const name = new URL(url).pathname.split('/').at(-1) ?? '';
      if (/^\d+\.root\.json$/.test(name)) this.#roots.set(name, body);
      return new ReadableStream({
        start(controller) {
          controller.enqueue(Uint8Array.from(body));
          controller.close();
        },
      });
    } catch (error) {
      if (error instanceof HttpStatusError) throw new DownloadHTTPError(error.message, error.status);
      if (error instanceof SignetError) this.failure ??= error;
      throw error;
    }
  }
}

/**
 * Reads a repository with tuf-js, starting from the newest root of `before`, or else from the pinned one, and with the other metadata of
 * `before`, so that neither roots nor versions can go back.
 *
 * @param before a copy that was verified from the pinned root upwards: nobody who can write a cache can put a root into it
 * @throws ERR_TRUST_REPOSITORY with tuf-js's words; ERR_TRUST_EXPIRED when what the repository serves has expired; ERR_NETWORK and the
 *   others of a request
 */
export async function fetchRepository(
  url: string,
  pinned: Uint8Array,
  before: RepositoryCopy | undefined,
  options: FetchOptions = {},
): Promise<RepositoryCopy> {
  const base = url.replace(/\/+$/, '');
  const directory = await mkdtemp(join(tmpdir(), 'signet-trust-'));
  const roots = new Map<string, Uint8Array>();
  const fetcher = new RequestFetcher(options, roots);
  try {
    // The newest root that was seen, not the pinned one: a repository that hides later roots could else go back behind them, with the
    // keys that they took away (TUF §5.3).
    await writeFile(join(directory, 'root.json'), before?.roots.at(-1) ?? pinned);
    for (const role of ['timestamp', 'snapshot', 'targets'] as const) {
      if (before !== undefined) await writeFile(join(directory, `${role}.json`), before[role]);
    }
    const updater = new Updater({
      metadataDir: directory,
      metadataBaseUrl: base,
      targetDir: directory,
      targetBaseUrl: `${base}/targets`,
      fetcher,
    });
    await updater.refresh();
    const files = new Map<string, Uint8Array>();
    for (const name of wantedTargets) {
      const info = await updater.getTargetInfo(name);
      if (info !== undefined)
        files.set(name, await readFile(await updater.downloadTarget(info, join(directory, 'target'))));
    }
    const read = async (role: string) => new Uint8Array(await readFile(join(directory, `${role}.json`)));
    return {
      url,
      refreshed: (options.clock ?? (() => new Date()))(),
      roots: [
        ...(before?.roots ?? []),
        ...[...roots].sort(([a], [b]) => Number.parseInt(a, 10) - Number.parseInt(b, 10)).map(([, bytes]) => bytes),
      ],
      timestamp: await read('timestamp'),
      snapshot: await read('snapshot'),
      targets: await read('targets'),
      files,
    };
  } catch (cause) {
    throw fetcher.failure ?? asTrustError(base, cause);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function asTrustError(url: string, cause: unknown): unknown {
  if (cause instanceof SignetError) return cause;
  const message = redact(cause instanceof Error ? cause.message : String(cause));
  const expired = /is expired/.test(message);
  const what = expired
    ? 'serves an expired trust root; its operator must sign it again'
    : 'serves a trust root that does not verify';
  return new SignetError(expired ? 'ERR_TRUST_EXPIRED' : 'ERR_TRUST_REPOSITORY', `${url} ${what}: ${message}`, {
    cause,
  });
}
