import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toPurl } from '@signet/client/npm';
import { signStatement } from '@signet/client/sign';
import { TrustMaterial } from '@signet/client/trust';
import { statementV1 } from '@signet/primitives/formats';
import type { Instance } from './instance.ts';
import type { Workshop } from './workshop.ts';

/** Where Verdaccio keeps a package of the instance on disk. */
export function storageFolder(instance: Instance, name: string): string {
  return join(instance.data, 'registry', 'storage', name);
}

/**
 * What somebody with write access to the registry's disk does: replaces the tarball of a published version by one whose
 * code is another, and makes the registry's metadata agree with it. npm sees a consistent registry.
 *
 * @returns the integrity of the planted bytes
 */
export async function swapTarball(
  workshop: Workshop,
  instance: Instance,
  name: string,
  version: string,
): Promise<string> {
  const base = name.slice(name.lastIndexOf('/') + 1);
  const folder = storageFolder(instance, name);
  const tarball = join(folder, `${base}-${version}.tgz`);
  const unpacked = workshop.path('swapped');
  await rm(unpacked, { recursive: true, force: true });
  await mkdir(unpacked);
  const { extract, create } = await import('tar');
  await extract({ file: tarball, cwd: unpacked });
  await writeFile(join(unpacked, 'package', `${base}.js`), "export const greet = () => 'planted code ran';\n");
  await create({ file: tarball, cwd: unpacked, gzip: true, portable: true }, ['package']);
  const bytes = await readFile(tarball);
  const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
  const shasum = createHash('sha1').update(bytes).digest('hex');

  const metadataFile = join(folder, 'package.json');
  const metadata = JSON.parse(await readFile(metadataFile, 'utf8'));
  const { dist } = metadata.versions[version];
  Object.assign(dist, { integrity, shasum });
  const attachment = metadata._attachments[`${base}-${version}.tgz`];
  if (attachment !== undefined) attachment.shasum = shasum;
  await writeFile(metadataFile, JSON.stringify(metadata));
  return integrity;
}

/** The registry's attestation document of a version, as any client gets it. */
export async function fetchAttestations(
  instance: Instance,
  name: string,
  version: string,
): Promise<{ attestations: { predicateType: string; bundle: Record<string, unknown> }[] }> {
  const response = await fetch(`${instance.urls.registry}-/npm/v1/attestations/${name.replace('/', '%2f')}@${version}`);
  if (!response.ok) throw new Error(`attestations of ${name}@${version}: HTTP ${response.status}`);
  return (await response.json()) as { attestations: { predicateType: string; bundle: Record<string, unknown> }[] };
}

/**
 * A provenance that is right but for who signed it, made by a client that does not ask the registry first, as `signet publish` does:
 * certified, timestamped and logged.
 */
export async function signAs(
  instance: Instance,
  email: string,
  { name, version }: { readonly name: string; readonly version: string },
  tarball: Uint8Array,
): Promise<Record<string, unknown>> {
  const { ca, log, tsa } = instance.urls;
  const sha512 = createHash('sha512').update(tarball).digest('hex');
  const { bundle } = await signStatement({
    statement: statementV1({
      subject: [{ name: toPurl(name, version), digest: { sha512 } }],
      predicateType: 'https://slsa.dev/provenance/v1',
      predicate: {
        buildDefinition: { buildType: 'urn:signet:build-type:npm-publish:v1', externalParameters: {} },
        runDetails: { builder: { id: `mailto:${email}` } },
      },
    }),
    identityToken: await instance.token(email),
    services: { caUrl: ca, tsaUrl: `${tsa}/api/v1/timestamp`, logUrl: log },
    trust: TrustMaterial.fromTrustedRoot(await instance.readTrustedRoot(), {
      name: 'example',
      packages: ['@example/*'],
    }),
  });
  return bundle as Record<string, unknown>;
}

/**
 * Publishes `tarball` with a bundle that was made for something else, by npm's own two-attachment document and with valid
 * npm credentials.
 *
 * @param manifest package.json of the tarball
 * @returns the registry's answer
 */
export async function publishWithBundle(
  instance: Instance,
  npmToken: string,
  manifest: Readonly<Record<string, unknown>> & { readonly name: string; readonly version: string },
  tarball: Uint8Array,
  bundle: Record<string, unknown>,
): Promise<{ status: number; error: string }> {
  const { name, version } = manifest;
  const bundleText = JSON.stringify(bundle);
  const document = {
    _id: name,
    name,
    'dist-tags': { latest: version },
    versions: {
      [version]: {
        ...manifest,
        _id: `${name}@${version}`,
        dist: {
          integrity: `sha512-${createHash('sha512').update(tarball).digest('base64')}`,
          shasum: createHash('sha1').update(tarball).digest('hex'),
          tarball: `${instance.urls.registry}${name}/-/${name}-${version}.tgz`,
        },
      },
    },
    access: null,
    _attachments: {
      [`${name}-${version}.tgz`]: {
        content_type: 'application/octet-stream',
        data: Buffer.from(tarball).toString('base64'),
        length: tarball.length,
      },
      [`${name}-${version}.sigstore`]: { content_type: bundle.mediaType, data: bundleText, length: bundleText.length },
    },
  };
  const response = await fetch(`${instance.urls.registry}${name.replace('/', '%2f')}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${npmToken}`, 'content-type': 'application/json' },
    body: JSON.stringify(document),
  });
  const text = await response.text();
  try {
    return { status: response.status, error: String((JSON.parse(text) as { error?: string }).error ?? '') };
  } catch {
    return { status: response.status, error: text };
  }
}
