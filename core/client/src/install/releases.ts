import { parseJson, SignetError } from '@signet/primitives/basics';
import { request } from '../http/index.ts';
import { isJsonObject, own } from '../npm/lockfile/index.ts';
import type { ReleaseClaim } from '../policy/index.ts';
import type { EvidenceRequest } from './evidence.ts';
import type { Registry } from './registry.ts';

/** npm's largest documents have tens of megabytes. */
const maxBytes = 128 * 1024 * 1024;

/**
 * Asks a registry when it says that the versions of a package were published. Nothing proves it, and the document is large: it is asked for
 * only where a pin is made or evidence is missing.
 *
 * @returns undefined when the registry does not know the package or does not say
 * @throws ERR_NETWORK and its kin, ERR_HTTP_STATUS
 */
export async function fetchReleases(
  name: string,
  version: string,
  registry: Registry,
  { signal, transport }: EvidenceRequest = {},
): Promise<ReleaseClaim | undefined> {
  const { status, body } = await request(new URL(name.replace('/', '%2f'), registry.url), {
    service: 'the registry',
    headers: { accept: 'application/json', ...registry.headers },
    maxBytes,
    alsoAccept: [404],
    signal,
    transport,
  });
  if (status === 404) return undefined;
  const times = timesOf(body);
  if (times === undefined) return undefined;
  const versions = Object.keys(times).flatMap((one) => {
    const time = own(times, one);
    const published = new Date(typeof time === 'string' ? time : Number.NaN);
    const isVersion = one !== 'created' && one !== 'modified' && one !== 'unpublished';
    return isVersion && !Number.isNaN(published.getTime()) ? [{ version: one, published }] : [];
  });
  const published = versions.find((one) => one.version === version)?.published;
  return { versions, ...(published === undefined ? {} : { published }) };
}

function timesOf(body: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const document: unknown = parseJson(body, 'package document', { maxLength: body.length });
    const times = isJsonObject(document) ? own(document, 'time') : undefined;
    return isJsonObject(times) ? times : undefined;
  } catch (error) {
    // A document that is none says nothing, and without a time the stricter rule holds.
    if (error instanceof SignetError) return undefined;
    throw error;
  }
}
