import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { SignetError } from '@signet/primitives/formats';
import type { ActivePlugin, BackfillResult, VersionReport } from 'verdaccio-signet';
import { parse } from 'yaml';
import { openInstance } from './initialize.ts';
import type { embedVerdaccio } from './package-registry.ts';

export type { BackfillResult, VersionReport } from 'verdaccio-signet';

/** Which registry: an instance, or a Verdaccio of somebody's own with the plugin in it. */
export type RegistryPlace =
  | { readonly directory: string; readonly passphrase?: string }
  | {
      /** Verdaccio's `config.yaml`. */
      readonly configFile: string;
    };

/**
 * Judges every stored version of the names that the registry owns. The registry may be running meanwhile; nothing is written.
 *
 * @param options.bytes whether every tarball is read and hashed too
 * @throws ERR_INSTANCE…, ERR_CONFIGURATION, ERR_PLUGIN_CONFIG, ERR_PLUGIN_INACTIVE, ERR_REGISTRY_STORAGE
 */
export async function* auditRegistry(
  place: RegistryPlace,
  options: { readonly bytes: boolean; readonly signal?: AbortSignal },
): AsyncGenerator<VersionReport> {
  const plugin = await openPlugin(place);
  yield* plugin.stored.report(options);
}

/**
 * Signs every stored version that has no valid signature of the registry, after its tarball was found to be the right one, and
 * corrects what is said about evidence. May run while the registry does: documents are changed under the storage's lock.
 *
 * @throws as {@link auditRegistry}, ERR_REGISTRY_KEY
 */
export async function backfillRegistry(
  place: RegistryPlace,
  options: { readonly signal?: AbortSignal } = {},
): Promise<BackfillResult> {
  const plugin = await openPlugin(place);
  return plugin.stored.backfill({ ...options, thorough: true });
}

/** Verdaccio with its storage and the plugin, but without a port. */
async function openPlugin(place: RegistryPlace): Promise<ActivePlugin> {
  // Loaded where they are needed: most commands of operators have nothing to do with Verdaccio.
  const [{ embedVerdaccio, startPackageRegistry }, { setBackgroundWork }] = await Promise.all([
    import('./package-registry.ts'),
    import('verdaccio-signet'),
  ]);
  setBackgroundWork(false);
  try {
    if ('directory' in place) {
      const { configuration, layout } = await openInstance(place.directory);
      return (await startPackageRegistry(configuration, layout, { passphrase: place.passphrase })).plugin;
    }
    const configFile = resolve(place.configFile);
    const configuration = await readConfiguration(configFile);
    return (await embedVerdaccio(configuration, 'http://localhost/')).plugin;
  } finally {
    setBackgroundWork(true);
  }
}

async function readConfiguration(configFile: string): Promise<Parameters<typeof embedVerdaccio>[0]> {
  let value: unknown;
  try {
    value = parse(await readFile(configFile, 'utf8'));
  } catch (cause) {
    throw new SignetError('ERR_CONFIGURATION', `${configFile} cannot be read as Verdaccio's configuration`, { cause });
  }
  if (typeof value !== 'object' || value === null) {
    throw new SignetError('ERR_CONFIGURATION', `${configFile} is no configuration of Verdaccio`);
  }
  // Both names, as Verdaccio itself sets them; its log must not mix with what a command prints.
  const files = { configPath: configFile, self_path: configFile, log: { type: 'file', path: 2, level: 'error' } };
  return { ...value, ...files } as unknown as Parameters<typeof embedVerdaccio>[0];
}
