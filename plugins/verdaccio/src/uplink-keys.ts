import { readFileSync } from 'node:fs';
import { parseRegistryKeys, type RegistryKey } from '@signet/client/npm';
import { SignetError, toBase64 } from '@signet/primitives/formats';
import { npmjsKeys } from './npmjs-keys.ts';
import type { ServedKey } from './served-keys.ts';

/**
 * The keys by which uplinks are believed. They come from the operator's configuration, never from an uplink: whoever can change
 * what an uplink says could change its keys along with it.
 *
 * @param file keys as a registry serves them or as Sigstore distributes them; absent: those of npm's default registry
 * @throws ERR_PLUGIN_CONFIG
 */
export function readUplinkKeys(file: string | undefined): readonly RegistryKey[] {
  if (file === undefined) return npmjsKeys();
  try {
    return parseRegistryKeys(JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new SignetError(
      'ERR_PLUGIN_CONFIG',
      `Verdaccio's configuration, middlewares: signet.uplinks.keys ${file} holds no keys of a registry: ${problem}`,
      { cause },
    );
  }
}

/** The pinned keys as `/-/npm/v1/keys` tells them to clients, each id once. Its end is that for signatures over versions. */
export function servedUplinkKeys(keys: readonly RegistryKey[]): readonly ServedKey[] {
  const kind = 'ecdsa-sha2-nistp256';
  const served = new Map<string, ServedKey>();
  for (const { keyId, usage, publicKey, keyDetails, validFor } of keys) {
    // npm knows no other kind and would take such a key for this one.
    if (keyDetails !== undefined && keyDetails !== 'PKIX_ECDSA_P256_SHA_256') continue;
    if (served.has(keyId) && usage === 'npm:attestations') continue;
    const expires = validFor.end?.toISOString() ?? null;
    served.set(keyId, { keyid: keyId, keytype: kind, scheme: kind, key: toBase64(publicKey), expires });
  }
  return [...served.values()];
}

/** The registry's own keys and the pinned ones of its uplinks. An id of the registry's own is nobody else's. */
export function mergeKeys(own: readonly ServedKey[], pinned: readonly ServedKey[]): readonly ServedKey[] {
  return [...own, ...pinned.filter(({ keyid }) => !own.some((key) => key.keyid === keyid))];
}
