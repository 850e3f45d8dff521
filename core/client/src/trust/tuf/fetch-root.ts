import { request, type Transport } from '../../http/index.ts';

/** How a repository is reached. */
export interface FetchOptions {
  readonly transport?: Transport | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly clock?: (() => Date) | undefined;
}

/** A root file by its version. @returns undefined when the repository has none of that version */
export async function fetchRootVersion(
  url: string,
  version: number,
  options: FetchOptions = {},
): Promise<Uint8Array | undefined> {
  const { transport, signal } = options;
  const answer = await request(`${url.replace(/\/+$/, '')}/${version}.root.json`, {
    service: 'the trust-root repository',
    timeout: 10_000,
    maxBytes: 512_000,
    alsoAccept: [403, 404],
    ...(transport === undefined ? {} : { transport }),
    ...(signal === undefined ? {} : { signal }),
  });
  return answer.status < 300 ? answer.body : undefined;
}
