import { importPublicKey, verifySignature } from '@signet/primitives/crypto';
import { fromBase64, SignetError, utf8 } from '@signet/primitives/formats';
import { JsonReader, own } from '../npm/lockfile/index.ts';
import type { RegistryKey } from './registry-keys.ts';

const reader: JsonReader = new JsonReader('ERR_REGISTRY_KEY', 'registry signature');

/**
 * Verifies a registry's own signature over `name@version:integrity` (npm, "ECDSA registry signatures").
 *
 * A signature carries no time that anybody vouches for, and the registry's word for when a version was published can be made up. So a
 * key that has expired proves nothing more, whatever the date of the version.
 *
 * @param signatures `dist.signatures` of the version, `[{keyid, sig}]`
 * @param integrity the lockfile's, not the registry's
 * @returns the id of the key
 * @throws ERR_REGISTRY_KEY when none is by a key that is trusted now, or one that is does not verify
 */
export function verifyRegistrySignature(
  signatures: unknown,
  { name, version, integrity }: { readonly name: string; readonly version: string; readonly integrity: string },
  keys: readonly RegistryKey[],
  now: Date,
): string {
  const list = reader.array(signatures ?? [], 'dist.signatures').slice(0, 16);
  let expired: RegistryKey | undefined;
  for (const element of list) {
    const entry = reader.object(element, 'a signature');
    const keyId = reader.string(own(entry, 'keyid'), 'keyid');
    const key = keys.find((one) => one.keyId === keyId && one.usage !== 'npm:attestations');
    if (key === undefined) continue;
    const { start, end } = key.validFor;
    if (now < start || (end !== undefined && now > end)) {
      expired = key;
      continue;
    }
    const valid = verifySignature({
      key: importPublicKey(key.publicKey),
      ...(key.keyDetails === undefined ? {} : { details: key.keyDetails }),
      signature: fromBase64(reader.string(own(entry, 'sig'), 'sig'), 'sig'),
      message: utf8(`${name}@${version}:${integrity}`),
    });
    if (valid) return keyId;
    reader.fail(`the signature of the registry over ${name}@${version} does not verify`, {
      expected: `one over ${integrity} with ${keyId}`,
    });
  }
  if (expired !== undefined) {
    throw new SignetError('ERR_REGISTRY_KEY', `the registry signed ${name}@${version} with a key that has expired`, {
      expected: 'a key that is valid now, because nothing proves when it signed',
      found: `${expired.keyId}, valid until ${expired.validFor.end?.toISOString() ?? 'later'}`,
    });
  }
  return reader.fail(`no key that is trusted has signed ${name}@${version}`, {
    expected: keys.map(({ keyId }) => keyId).join(' or ') || 'keys in trustRoots.….registryKeys',
    found: `${list.length} signatures`,
  });
}
