import { importPublicKey, verifySignature } from '@signet/primitives/crypto';
import { fromBase64, SignetError, utf8 } from '@signet/primitives/formats';
import { isJsonObject, own, parseIntegrity } from '../npm/lockfile/index.ts';
import type { RegistryKey } from './registry-keys.ts';

/** A version, the bytes that it must have, and the keys of the registry that is said to have signed it. */
export interface SignedVersion {
  readonly name: string;
  readonly version: string;
  /** Exactly one `sha512-…`; for a consumer the lockfile's, not the registry's. */
  readonly integrity: string;
  readonly registryKeys: readonly RegistryKey[];
  /**
   * When the version was published, by a clock that the caller trusts: keys need to have been valid then. Absent for now, because a
   * registry's own word can be made up.
   */
  readonly published?: Date;
}

const maxSignatures = 32;

/**
 * Verifies a registry's own signatures over `name@version:integrity` (npm, "ECDSA registry signatures"). All must hold.
 *
 * @param signatures `dist.signatures` of the version, `[{keyid, sig}]`
 * @returns the keys that signed, one a signature; none for an empty list, which is no evidence
 * @throws ERR_REGISTRY_SIGNATURE when one is malformed or does not verify, ERR_REGISTRY_KEY when a key is not known, is for something
 * else or was not valid, ERR_INTEGRITY_FORMAT
 */
export function verifyRegistrySignatures(signatures: unknown, subject: SignedVersion): readonly RegistryKey[] {
  const { name, version, integrity } = subject;
  parseIntegrity(integrity);
  if (!Array.isArray(signatures)) throw malformed(subject, 'dist.signatures is not a list');
  if (signatures.length > maxSignatures) throw malformed(subject, `there are more than ${maxSignatures} signatures`);
  const message = utf8(`${name}@${version}:${integrity}`);
  return signatures.map((entry: unknown) => {
    const [keyId, sig] = isJsonObject(entry) ? [own(entry, 'keyid'), own(entry, 'sig')] : [];
    if (typeof keyId !== 'string' || typeof sig !== 'string' || sig === '') {
      throw malformed(subject, 'a signature has no keyid or no sig');
    }
    const key = usableKey(subject, keyId);
    const signature = decoded(subject, sig);
    const { publicKey, keyDetails } = key;
    const details = keyDetails === undefined ? {} : { details: keyDetails };
    if (verifySignature({ key: importPublicKey(publicKey), ...details, signature, message })) return key;
    throw malformed(subject, `the signature with ${keyId.slice(0, 100)} does not verify`);
  });
}

/** The key with this id; an id may stand twice, with another validity. */
function usableKey({ name, version, registryKeys, published = new Date() }: SignedVersion, keyId: string): RegistryKey {
  const candidates = registryKeys.filter((key) => key.keyId === keyId && key.usage !== 'npm:attestations');
  const valid = candidates.find(
    ({ validFor: { start, end } }) => published >= start && (end === undefined || published <= end),
  );
  if (valid !== undefined) return valid;
  const [expired] = candidates;
  throw new SignetError(
    'ERR_REGISTRY_KEY',
    expired === undefined
      ? `${name}@${version} is signed with a registry key that is not trusted`
      : `${name}@${version} is signed with a registry key that was not valid`,
    {
      expected:
        expired === undefined
          ? registryKeys.map((key) => key.keyId).join(' or ') || 'no registry keys are configured'
          : `a key that is valid at ${published.toISOString()}`,
      found:
        expired === undefined
          ? keyId.slice(0, 100)
          : `${expired.keyId}, valid until ${expired.validFor.end?.toISOString() ?? 'later'}`,
    },
  );
}

function decoded(subject: SignedVersion, sig: string): Uint8Array {
  try {
    return fromBase64(sig, 'signature');
  } catch (cause) {
    throw malformed(subject, 'a signature is not base64', cause);
  }
}

function malformed({ name, version }: SignedVersion, problem: string, cause?: unknown): SignetError {
  return new SignetError('ERR_REGISTRY_SIGNATURE', `the registry’s signatures of ${name}@${version}: ${problem}`, {
    cause,
  });
}
