import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { parseJson, SignetError, toBase64 } from '@signet/primitives/formats';
import { createKeyFile, openKeyFile, type Signer } from '@signet/primitives/keys';
import { createDurably, makeDirectory, readIfPresent } from './durable-files.ts';
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

/**
 * Makes the registry's key, and the list of its keys in which that is the only one, where they are missing: so the trust root names it from
 * the beginning, and no ceremony is needed when the registry starts.
 *
 * @throws as {@link openRegistryKey}
 */
export async function ensureRegistryKey(layout: InstanceLayout, passphrase: string | undefined): Promise<void> {
  const { publicKey } = await openRegistryKey(layout, passphrase);
  const keyid = `SHA256:${createHash('sha256').update(publicKey.spki).digest('base64').replace(/=+$/, '')}`;
  const kind = 'ecdsa-sha2-nistp256';
  const key = { keyid, keytype: kind, scheme: kind, key: toBase64(publicKey.spki), expires: null };
  await makeDirectory(layout.registry.directory, 0o700);
  await createDurably(registryKeyFiles(layout).keys, `${JSON.stringify({ format: 1, keys: [key] }, undefined, 2)}\n`);
}

/**
 * The registry's keys in the form in which Sigstore's trust root distributes those of npm's (a target `<host>/keys.json`).
 *
 * @param since when the instance was made: no key of it is older
 * @returns undefined as long as the registry has none
 * @throws ERR_INSTANCE for a list that cannot be read
 */
export async function distributedKeys(layout: InstanceLayout, since: Date): Promise<string | undefined> {
  const path = registryKeyFiles(layout).keys;
  const text = await readIfPresent(path);
  if (text === undefined) return undefined;
  const list = (parseJson(text, path) as { readonly keys?: unknown } | null)?.keys;
  if (!Array.isArray(list)) throw damaged(path);
  const keys = list.flatMap((entry: Readonly<Record<string, unknown>> | null) => {
    const { keyid, key, expires } = entry ?? {};
    if (typeof keyid !== 'string' || typeof key !== 'string') throw damaged(path);
    const validFor = { start: since.toISOString(), ...(typeof expires === 'string' ? { end: expires } : {}) };
    const publicKey = { rawBytes: key, keyDetails: 'PKIX_ECDSA_P256_SHA_256', validFor };
    return ['npm:signatures', 'npm:attestations'].map((keyUsage) => ({ keyId: keyid, keyUsage, publicKey }));
  });
  return `${JSON.stringify({ keys }, undefined, 2)}\n`;
}

function damaged(path: string): SignetError {
  return new SignetError('ERR_INSTANCE', `${path} is no list of keys; restore it from a backup`);
}
