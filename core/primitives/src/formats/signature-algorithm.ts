import { der } from './der-writer.ts';
import { SignetError } from './errors.ts';
import { oids } from './oids.ts';
import type { DigestAlgorithm, KeyDetails } from './public-key.ts';

/** How X.509 and CMS name an algorithm of Sigstore's registry. */
export interface SignatureAlgorithmName {
  /** Dotted. */
  readonly oid: string;
  /** DER of AlgorithmIdentifier, with NULL parameters where RSA demands them (RFC 4055 §5). */
  readonly identifier: Uint8Array;
  /** The hash that is signed over; undefined where the whole message is. */
  readonly hash?: DigestAlgorithm;
}

/**
 * The name of a signature algorithm in certificates and CMS.
 *
 * @throws ERR_KEY_UNSUPPORTED for RSA-PSS and Ed25519ph, which no Sigstore authority signs certificates with
 */
export function signatureAlgorithmName(details: KeyDetails): SignatureAlgorithmName {
  const named = (
    oid: string,
    hash?: DigestAlgorithm,
    parameters: readonly Uint8Array[] = [],
  ): SignatureAlgorithmName => {
    const identifier = der.sequence(der.oid(oid), ...parameters);
    return hash === undefined ? { oid, identifier } : { oid, identifier, hash };
  };
  switch (details) {
    case 'PKIX_ECDSA_P256_SHA_256':
      return named(oids.ecdsaWithSha256, 'sha256');
    case 'PKIX_ECDSA_P384_SHA_384':
      return named(oids.ecdsaWithSha384, 'sha384');
    case 'PKIX_ECDSA_P521_SHA_512':
      return named(oids.ecdsaWithSha512, 'sha512');
    case 'PKIX_RSA_PKCS1V15_2048_SHA256':
    case 'PKIX_RSA_PKCS1V15_3072_SHA256':
    case 'PKIX_RSA_PKCS1V15_4096_SHA256':
      return named(oids.sha256WithRsa, 'sha256', [der.null()]);
    case 'PKIX_ED25519':
      return named(oids.ed25519);
    case 'ML_DSA_44':
      return named(oids.mlDsa44);
    case 'ML_DSA_65':
      return named(oids.mlDsa65);
    case 'ML_DSA_87':
      return named(oids.mlDsa87);
    default:
      throw new SignetError('ERR_KEY_UNSUPPORTED', `${details} has no name that certificates are signed under here`);
  }
}
