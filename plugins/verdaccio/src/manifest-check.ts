import { isDeepStrictEqual } from 'node:util';
import { type PublishDocument, readTarballManifest } from '@signet/client/npm';
import { Refusal } from './refusal.ts';

/**
 * Fields by which npm decides what else to install or run. The registry's document must say what the signed bytes say:
 * installers believe the document, auditors read the tarball.
 */
const dependencyFields = ['optionalDependencies', 'peerDependencies', 'peerDependenciesMeta'] as const;
const installScripts = ['preinstall', 'install', 'postinstall'] as const;

/**
 * Compares the published manifest with package.json in the tarball: name, version, every dependency, install scripts.
 *
 * @param unpackedBytes limit on the tarball after decompression
 * @throws ERR_TARBALL, ERR_INPUT_TOO_LARGE; a refusal with ERR_PUBLISH_DOCUMENT when they disagree
 */
export async function checkManifest(document: PublishDocument, unpackedBytes: number): Promise<void> {
  const packed = await readTarballManifest(document.tarball, { unpackedBytes });
  const fail = (field: string) => {
    throw new Refusal(
      422,
      'ERR_PUBLISH_DOCUMENT',
      `${document.name}@${document.version}: ${field} in the publish document differs from package.json in the tarball`,
    );
  };
  if (packed.name !== document.name) fail('the name');
  if (packed.version !== document.version) fail('the version');
  const published = document.manifest;
  for (const field of dependencyFields) {
    if (!isDeepStrictEqual(entries(published[field]), entries(packed.manifest[field]))) fail(field);
  }
  if (!isDeepStrictEqual(requiredDependencies(published), requiredDependencies(packed.manifest))) fail('dependencies');
  for (const script of installScripts) {
    const inDocument = entries(published.scripts)[script];
    const inTarball = entries(packed.manifest.scripts)[script];
    // npm adds this one when the package has a binding.gyp, whether or not package.json mentions it.
    const implied = script === 'install' && inTarball === undefined && inDocument === 'node-gyp rebuild';
    if (inDocument !== inTarball && !implied) fail(`scripts.${script}`);
  }
}

/** npm lists an optional dependency in either or both of the two fields; the optional one wins. */
function requiredDependencies(manifest: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const optional = entries(manifest.optionalDependencies);
  return Object.fromEntries(Object.entries(entries(manifest.dependencies)).filter(([name]) => !(name in optional)));
}

/** An own copy without prototype, so that a key named `constructor` is only a key. */
function entries(value: unknown): Record<string, unknown> {
  const copy: Record<string, unknown> = Object.create(null);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) Object.assign(copy, value);
  return copy;
}
