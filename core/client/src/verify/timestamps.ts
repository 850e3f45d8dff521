import { digest, importPublicKey, verifySignatureByOid } from '@signet/primitives/crypto';
import {
  Certificate,
  equalBytes,
  oids,
  parseTimestampResponse,
  SignetError,
  type TimestampToken,
} from '@signet/primitives/formats';
import {
  checkLeafCertificate,
  isSignedBy,
  namesIssuer,
  type TrustedAuthority,
  type TrustMaterial,
} from '../trust/index.ts';

/** A verified RFC 3161 timestamp. */
export interface AuthorityTime {
  readonly time: Date;
  readonly authority: TrustedAuthority;
}

/**
 * Verifies a timestamp over a signature (client-spec §4.2.1, RFC 3161 §2.4.2, RFC 5652 §5.6).
 *
 * @param response DER of TimeStampResp
 * @param signature the stamped bytes: the raw signature of the bundle
 * @throws ERR_TIMESTAMP_FORMAT, ERR_TIMESTAMP_INVALID, ERR_TIMESTAMP_UNTRUSTED
 */
export function verifyTimestamp(response: Uint8Array, signature: Uint8Array, trust: TrustMaterial): AuthorityTime {
  const token = parseTimestampResponse(response);
  const { algorithm, digest: imprint } = token.messageImprint;
  if (algorithm === 'sha1') throw invalid('it is over a SHA-1 digest, which is not accepted');
  if (!equalBytes(digest(algorithm, signature), imprint)) throw invalid('it is over other bytes than the signature');
  if (token.digestAlgorithm === 'sha1') throw invalid('it is signed over a SHA-1 digest, which is not accepted');
  if (!equalBytes(digest(token.digestAlgorithm, token.info), token.messageDigest)) {
    throw invalid('its signed message digest is not that of its contents (RFC 5652 §11.2)');
  }

  // One authority may stand twice, trusted at different times, or with another key under the same name: only where none holds
  // is that the error, and of several the one that came furthest.
  let outOfTime: SignetError | undefined;
  let otherCertificate: SignetError | undefined;
  for (const authority of trust.timestampAuthorities) {
    const certificate = signerCertificate(token, authority);
    if (certificate === undefined) continue;
    const problem = signingCertificateProblem(token, certificate);
    if (problem !== undefined) {
      otherCertificate ??= problem;
      continue;
    }
    const verified = verifySignatureByOid({
      key: importPublicKey(certificate.publicKey),
      algorithm: token.signatureAlgorithm,
      digestAlgorithm: token.digestAlgorithm,
      message: token.signedAttributes,
      signature: token.signature,
    });
    if (!verified) throw invalid(`its signature does not verify with the key of ${authority.uri}`);
    outOfTime = timeProblem(token.genTime, certificate, authority);
    if (outOfTime === undefined) return { time: token.genTime, authority };
  }
  const problem = outOfTime ?? otherCertificate;
  if (problem !== undefined) throw problem;
  throw new SignetError('ERR_TIMESTAMP_UNTRUSTED', 'a timestamp is signed by no authority of the trusted root');
}

/**
 * The authority's certificate that the token names. Where the trusted root gives the authority's own certificate only
 * that one counts; else one that came with the token and was issued by the authority's chain.
 */
function signerCertificate(token: TimestampToken, authority: TrustedAuthority): Certificate | undefined {
  const { leaf } = authority;
  if (leaf !== undefined) {
    if (!isNamed(token, leaf)) return undefined;
    checkOnce(leaf, authority);
    return leaf;
  }
  for (const bytes of token.certificates) {
    const certificate = Certificate.parse(bytes);
    if (!isNamed(token, certificate)) continue;
    const issued = authority.issuers.some(
      (issuer) => namesIssuer(certificate, issuer.certificate) && isSignedBy(certificate, issuer.certificate),
    );
    if (!issued) continue;
    checkTimestampLeaf(certificate);
    return certificate;
  }
  return undefined;
}

/** Authorities whose own certificate was found to be issued by their chain and fit for time stamping. */
const checkedAuthorities = new WeakSet<TrustedAuthority>();

function checkOnce(leaf: Certificate, authority: TrustedAuthority): void {
  if (checkedAuthorities.has(authority)) return;
  const issued = authority.issuers.some(
    ({ certificate }) => namesIssuer(leaf, certificate) && isSignedBy(leaf, certificate),
  );
  if (!issued) {
    throw new SignetError(
      'ERR_TRUST_MATERIAL',
      `the certificates of the authority ${authority.uri} do not form a chain`,
    );
  }
  checkTimestampLeaf(leaf);
  checkedAuthorities.add(authority);
}

function checkTimestampLeaf(certificate: Certificate): void {
  checkLeafCertificate(certificate, oids.timeStamping, 'certificate of the timestamp authority');
  // RFC 3161 §2.3: exactly this purpose, and critical.
  if (
    certificate.extendedKeyUsage?.length !== 1 ||
    certificate.extensions.get(oids.extendedKeyUsage)?.critical !== true
  ) {
    throw new SignetError(
      'ERR_CERT_USAGE',
      'certificate of the timestamp authority: time stamping is not its only purpose, marked critical (RFC 3161 §2.3)',
    );
  }
}

/** Whether the token's signer identifier is this certificate (RFC 5652 §5.3). */
function isNamed({ signer }: TimestampToken, certificate: Certificate): boolean {
  if ('subjectKeyId' in signer) {
    const { subjectKeyId } = certificate;
    return subjectKeyId !== undefined && equalBytes(signer.subjectKeyId, subjectKeyId);
  }
  return equalBytes(signer.serialNumber, certificate.serialNumber) && equalBytes(signer.issuer, certificate.issuer);
}

/** The signer must have signed the hash of its certificate along (RFC 5816 §2.2.1, RFC 5035 §5.4). */
function signingCertificateProblem(token: TimestampToken, certificate: Certificate): SignetError | undefined {
  const signed = token.signingCertificate;
  if (signed === undefined) return invalid('it does not name its certificate in a signed attribute (RFC 5816 §2.2.1)');
  return equalBytes(digest(signed.algorithm, certificate.bytes), signed.hash)
    ? undefined
    : invalid('it names another certificate than that of the authority (RFC 5816 §2.2.1)');
}

function timeProblem(time: Date, certificate: Certificate, authority: TrustedAuthority): SignetError | undefined {
  const shown = time.toISOString();
  if (!authority.isTrustedAt(time)) {
    return new SignetError('ERR_TIMESTAMP_UNTRUSTED', `the trusted root does not trust ${authority.uri} at ${shown}`, {
      found: shown,
    });
  }
  const issued = authority.issuers.find((issuer) => namesIssuer(certificate, issuer.certificate));
  const pathValid =
    issued !== undefined &&
    issued.validFor.start <= time &&
    (issued.validFor.end === undefined || time <= issued.validFor.end);
  if (!certificate.isValidAt(time) || !pathValid) {
    return new SignetError('ERR_CERT_EXPIRED', `the certificates of ${authority.uri} were not valid at ${shown}`, {
      found: shown,
    });
  }
  return undefined;
}

function invalid(problem: string): SignetError {
  return new SignetError('ERR_TIMESTAMP_INVALID', `a timestamp does not verify: ${problem}`);
}
