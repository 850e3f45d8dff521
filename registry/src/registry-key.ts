import { join } from 'node:path';
import { SignetError } from '@signet/primitives/formats';
import { createKeyFile, openKeyFile, type Signer } from '@signet/primitives/keys';
import { readIfPresent } from './durable-files.ts';
import type { InstanceLayout } from './layout.ts';

/** The key by which the registry signs what it serves, and the list of all that it ever signed with. */
export function registryKeyFiles(layout: InstanceLayout): { readonly key: string; readonly keys: string } {
  return { key: join(layout.keys.directory, 'registry.key'), keys: join(layout.registry.directory, 'keys.json') };
}

/**
 * Opens the registry's key, or makes it for an instance that never signed with one.
 *
 * @throws ERR_INSTANCE when it signed before and the key is gone, ERR_KEY_FILE
 */
export async function openRegistryKey(layout: InstanceLayout, passphrase: string | undefined): Promise<Signer> {
  const { key, keys } = registryKeyFiles(layout);
  const options = passphrase === undefined ? {} : { passphrase };
  if ((await readIfPresent(key)) !== undefined) return openKeyFile(key, options);
  if ((await readIfPresent(keys)) !== undefined) {
    throw new SignetError('ERR_INSTANCE', `${keys} exists but its key ${key} does not; restore both`);
  }
  // The only curve that npm knows for registry signatures.
  return createKeyFile(key, 'PKIX_ECDSA_P256_SHA_256', options);
}
