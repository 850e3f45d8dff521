import { parseRegistryKeys, type RegistryKey } from '@signet/client/npm';

/**
 * The keys with which npm's default registry signs versions and its own attestations, as the TUF repository of Sigstore's
 * public-good instance distributes them (target `keys.json`; a test compares them with the copy that `@sigstore/tuf` carries).
 */
const keys = [
  {
    keyId: 'SHA256:jl3bwswu80PjjokCgh0o2w5c2U4LhQAE57gj9cz1kzA',
    rawBytes:
      'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE1Olb3zMAFFxXKHiIkQO5cJ3Yhl5i6UPp+IhuteBJbuHcA5UogKo0EWtlWwW6KSaKoTNEYL7JlCQiVnkhBktUgg==',
    starts: { 'npm:signatures': '1999-01-01T00:00:00.000Z', 'npm:attestations': '2022-12-01T00:00:00.000Z' },
    end: '2025-01-29T00:00:00.000Z',
  },
  {
    keyId: 'SHA256:DhQ8wR5APBvFHLF/+Tc+AYvPOdTpcIDqOhxsBHRwC7U',
    rawBytes:
      'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEY6Ya7W++7aUPzvMTrezH6Ycx3c+HOKYCcNGybJZSCJq/fd7Qa8uuAKtdIkUQtQiEKERhAmE5lMMJhP8OkDOa2g==',
    starts: { 'npm:signatures': '2025-01-13T00:00:00.000Z', 'npm:attestations': '2025-01-13T00:00:00.000Z' },
  },
] as const;

/** The keys of npm's default registry that ship with this version, each once for versions and once for attestations. */
export function npmjsKeys(): readonly RegistryKey[] {
  const documents = keys.flatMap((key) =>
    Object.entries(key.starts).map(([keyUsage, start]) => ({
      keyId: key.keyId,
      keyUsage,
      publicKey: {
        rawBytes: key.rawBytes,
        keyDetails: 'PKIX_ECDSA_P256_SHA_256',
        validFor: { start, ...('end' in key ? { end: key.end } : {}) },
      },
    })),
  );
  return parseRegistryKeys({ keys: documents });
}
