import { digest } from '@signet/primitives/crypto';
import { type KeyDetails, type PublicKeyInfo, SignetError, toHex, toPem, utf8 } from '@signet/primitives/formats';
import type { Signer } from '@signet/primitives/keys';
import { Key } from '@tufjs/models';

const ecdsaSchemes: Partial<Record<KeyDetails, string>> = {
  PKIX_ECDSA_P256_SHA_256: 'ecdsa-sha2-nistp256',
  PKIX_ECDSA_P384_SHA_384: 'ecdsa-sha2-nistp384',
};

/**
 * A key as TUF metadata writes it: Ed25519 in hexadecimal, the others in PEM. Its id is the SHA-256 of its canonical form (TUF
 * specification §4.2), which is what go-tuf and python-tuf insist on.
 *
 * @throws ERR_KEY_UNSUPPORTED for keys that some TUF client cannot read
 */
export function tufKey({ publicKey, keyDetails }: Pick<Signer, 'publicKey' | 'keyDetails'>): Key {
  const { keytype, scheme, value } = describeKey(publicKey, keyDetails);
  // OLPC's canonical JSON, which escapes quotation marks and backslashes alone: line ends of PEM stand as they are.
  const canonical = `{"keytype":"${keytype}","keyval":{"public":"${value}"},"scheme":"${scheme}"}`;
  const keyID = toHex(digest('sha256', utf8(canonical)));
  return new Key({ keyID, keyType: keytype, scheme, keyVal: { public: value } });
}

function describeKey(publicKey: PublicKeyInfo, keyDetails: KeyDetails) {
  if (keyDetails === 'PKIX_ED25519') {
    return { keytype: 'ed25519', scheme: 'ed25519', value: toHex(publicKey.keyBytes) };
  }
  const value = toPem('PUBLIC KEY', publicKey.spki);
  const scheme = ecdsaSchemes[keyDetails];
  if (scheme !== undefined) return { keytype: 'ecdsa', scheme, value };
  if (keyDetails.startsWith('PKIX_RSA_PSS_')) return { keytype: 'rsa', scheme: 'rsassa-pss-sha256', value };
  throw new SignetError(
    'ERR_KEY_UNSUPPORTED',
    `${keyDetails} keys do not sign trust roots: not every TUF client reads them`,
    {
      expected: 'Ed25519, ECDSA P-256 or P-384, or RSA-PSS',
      found: keyDetails,
    },
  );
}
