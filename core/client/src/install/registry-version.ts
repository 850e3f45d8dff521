import { parseJson, SignetError } from '@signet/primitives/formats';
import { request } from '../http/index.ts';
import { assertPackageVersion, isJsonObject, own, parseIntegrity } from '../npm/lockfile/index.ts';
import type { EvidenceRequest } from './evidence.ts';
import type { Registry } from './registry.ts';

/**
 * Asks a registry which bytes a version has now, and for its signatures over them.
 *
 * @returns `dist.integrity`, exactly one sha512, and `dist.signatures` as they are
 * @throws ERR_PACKAGE_NAME, ERR_HTTP_STATUS, ERR_NETWORK and its kin, ERR_REGISTRY_RESPONSE, ERR_INTEGRITY_FORMAT
 */
export async function fetchDistribution(
  name: string,
  version: string,
  registry: Registry,
  options: EvidenceRequest = {},
): Promise<{ readonly integrity: string; readonly signatures: unknown }> {
  assertPackageVersion(name, version);
  const { body } = await request(new URL(`${name.replace('/', '%2f')}/${encodeURIComponent(version)}`, registry.url), {
    service: 'the registry',
    headers: { accept: 'application/json', ...registry.headers },
    maxBytes: 16 * 1024 * 1024,
    signal: options.signal,
    transport: options.transport,
  });
  const malformed = (problem: string, cause?: unknown): SignetError =>
    new SignetError('ERR_REGISTRY_RESPONSE', `the registry ${registry.url} ${problem} for ${name}@${version}`, {
      cause,
    });
  let manifest: unknown;
  try {
    manifest = parseJson(body, 'manifest', { maxLength: body.length });
  } catch (cause) {
    throw malformed('answers with something that is not JSON', cause);
  }
  if (!isJsonObject(manifest) || own(manifest, 'name') !== name || own(manifest, 'version') !== version) {
    throw malformed('answers with another package');
  }
  const dist = own(manifest, 'dist');
  const integrity = isJsonObject(dist) ? own(dist, 'integrity') : undefined;
  if (typeof integrity !== 'string') throw malformed('gives no integrity');
  parseIntegrity(integrity);
  return { integrity, signatures: isJsonObject(dist) ? own(dist, 'signatures') : undefined };
}

/**
 * Asks a registry which bytes a version has now.
 *
 * @throws as {@link fetchDistribution}
 */
export async function fetchIntegrity(
  name: string,
  version: string,
  registry: Registry,
  options: EvidenceRequest = {},
): Promise<string> {
  return (await fetchDistribution(name, version, registry, options)).integrity;
}
