import { digest, importPublicKey, verifySignatureByOid } from '@signet/primitives/crypto';
import { Certificate, equalBytes, oids, type SctEntry, SignetError, toHex } from '@signet/primitives/formats';

const maximumChain = 10;
const derNull = Uint8Array.of(5, 0);
// RFC 6962 §3.1: a certificate that only signs precertificates would hide who the issuer is.
const precertificateSigning = '1.3.6.1.4.1.11129.2.4.4';

/** A submission that the log takes. */
export interface AcceptedChain {
  readonly entry: SctEntry;
  /** DER of the precertificate. */
  readonly precertificate?: Uint8Array;
  /** DER of the issuing certificate and those above it, root included. */
  readonly issuers: readonly Uint8Array[];
}

/** Issuing certificates up to an accepted root, checked. */
interface CheckedIssuers {
  readonly certificates: readonly Certificate[];
  readonly bytes: readonly Uint8Array[];
  /** SHA-256 of the first one's key (RFC 6962 §3.2). */
  readonly keyHash: Uint8Array;
}

/** How a submission is judged. */
export interface AcceptOptions {
  /** Remembers issuing certificates that were checked: a log sees the same few all the time. */
  readonly issuers?: IssuerMemory;
  /**
   * The leaf was signed a moment ago by the key of its issuer, in this process, so that its signature says nothing new. Everything else is
   * checked as always.
   */
  readonly signedHere?: boolean;
}

const rememberedIssuers = 64;

/** Chains of issuing certificates that lead to a root which was accepted; forgotten when the roots change. */
export class IssuerMemory {
  readonly #known = new Map<string, CheckedIssuers>();

  /** @param submitted DER; `check` runs once for each chain */
  remember(submitted: readonly Uint8Array[], check: () => CheckedIssuers): CheckedIssuers {
    const key = toHex(digest('sha256', ...submitted.map((bytes) => digest('sha256', bytes))));
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const checked = check();
    if (this.#known.size >= rememberedIssuers) this.#known.clear();
    this.#known.set(key, checked);
    return checked;
  }

  forget(): void {
    this.#known.clear();
  }
}

/**
 * Checks a submission: signatures up to an accepted root (which may be left out, RFC 6962 §4.1), authorities that are
 * authorities, code signing throughout, and poison exactly where it belongs.
 *
 * @param chain DER, the certificate first
 * @throws ERR_CT_CHAIN
 */
export function acceptChain(
  chain: readonly Uint8Array[],
  acceptedRoots: readonly Certificate[],
  kind: 'certificate' | 'precertificate',
  options: AcceptOptions = {},
): AcceptedChain {
  if (chain.length === 0) throw refuse('it is empty');
  if (chain.length > maximumChain) throw refuse(`it has more than ${maximumChain} certificates`);
  const [first, ...above] = chain;
  if (first === undefined) throw refuse('it is empty');
  const leaf = parse(first, 0);
  const check = () => checkIssuers(leaf, above, acceptedRoots);
  // A leaf that stands alone is completed by the root that signed it, which depends on the leaf.
  const issuers =
    above.length === 0 || options.issuers === undefined ? check() : options.issuers.remember(above, check);
  checkLeaf(leaf, kind);
  const [issuer] = issuers.certificates;
  if (issuer === undefined) throw refuse('the certificate is itself a root');
  if (options.signedHere !== true) checkSigned(leaf, issuer, 0);
  else if (!equalBytes(leaf.issuer, issuer.subject)) throw refuse('certificate 0 is not signed by the one after it');
  if (kind === 'certificate') return { entry: { type: 'x509', certificate: leaf.bytes }, issuers: issuers.bytes };
  return {
    entry: {
      type: 'precertificate',
      issuerKeyHash: issuers.keyHash,
      tbs: leaf.tbsWithoutExtension(oids.precertificatePoison),
    },
    precertificate: leaf.bytes,
    issuers: issuers.bytes,
  };
}

function checkIssuers(
  leaf: Certificate,
  above: readonly Uint8Array[],
  acceptedRoots: readonly Certificate[],
): CheckedIssuers {
  const submitted = above.map((bytes, index) => parse(bytes, index + 1));
  const certificates = withRoot(leaf, submitted, acceptedRoots);
  const [issuer] = certificates;
  if (issuer === undefined) throw refuse('the certificate is itself a root');
  let below: Certificate | undefined;
  for (const [depth, certificate] of certificates.entries()) {
    checkIssuer(certificate, depth);
    if (below !== undefined) checkSigned(below, certificate, depth);
    below = certificate;
  }
  return {
    certificates,
    bytes: certificates.map(({ bytes }) => bytes),
    keyHash: digest('sha256', issuer.publicKey.spki),
  };
}

/** The submitted issuers, completed by the root that signed the last one where it was left out. */
function withRoot(leaf: Certificate, submitted: Certificate[], acceptedRoots: readonly Certificate[]): Certificate[] {
  const last = submitted.at(-1) ?? leaf;
  if (acceptedRoots.some((root) => equalBytes(root.bytes, last.bytes))) return submitted;
  const root = acceptedRoots.find(
    (accepted) => equalBytes(accepted.subject, last.issuer) && isSignedBy(last, accepted),
  );
  if (root === undefined) throw refuse('it does not lead to a root that this log accepts (see get-roots)');
  return [...submitted, root];
}

function checkLeaf(leaf: Certificate, kind: 'certificate' | 'precertificate'): void {
  if (!leaf.extendedKeyUsage?.includes(oids.codeSigning)) throw refuse('the certificate is not for code signing');
  const poison = leaf.extensions.get(oids.precertificatePoison);
  if (kind === 'certificate') {
    if (poison !== undefined) throw refuse('it begins with a precertificate; submit that to add-pre-chain');
    return;
  }
  if (poison === undefined) throw refuse('the precertificate has no poison extension (RFC 6962 §3.1)');
  if (!poison.critical || !equalBytes(poison.value, derNull)) {
    throw refuse('the poison extension is not critical with the value NULL (RFC 6962 §3.1)');
  }
}

function checkIssuer(issuer: Certificate, depth: number): void {
  const where = `issuer ${depth}`;
  const { basicConstraints, keyUsage, extendedKeyUsage } = issuer;
  if (basicConstraints?.ca !== true) throw refuse(`${where} is not an authority`);
  if (keyUsage !== undefined && !keyUsage.keyCertSign) throw refuse(`${where} may not sign certificates`);
  if (basicConstraints.pathLength !== undefined && basicConstraints.pathLength < depth) {
    throw refuse(`${where} allows fewer authorities below it than there are`);
  }
  if (extendedKeyUsage?.includes(precertificateSigning)) throw refuse(`${where} signs precertificates only`);
  if (extendedKeyUsage !== undefined && !extendedKeyUsage.includes(oids.codeSigning)) {
    throw refuse(`${where} is not for code signing`);
  }
}

function checkSigned(certificate: Certificate, issuer: Certificate, depth: number): void {
  if (!equalBytes(certificate.issuer, issuer.subject) || !isSignedBy(certificate, issuer)) {
    throw refuse(`certificate ${depth} is not signed by the one after it`);
  }
}

function isSignedBy(certificate: Certificate, issuer: Certificate): boolean {
  const { signatureAlgorithm: algorithm, tbs: message, signature } = certificate;
  try {
    return verifySignatureByOid({ key: importPublicKey(issuer.publicKey), algorithm, message, signature });
  } catch (cause) {
    if (cause instanceof SignetError) throw refuse(`a signature cannot be checked: ${cause.message}`, cause);
    throw cause;
  }
}

function parse(bytes: Uint8Array, index: number): Certificate {
  try {
    return Certificate.parse(bytes);
  } catch (cause) {
    if (cause instanceof SignetError) throw refuse(`certificate ${index}: ${cause.message}`, cause);
    throw cause;
  }
}

function refuse(reason: string, cause?: SignetError): SignetError {
  return new SignetError('ERR_CT_CHAIN', `this log does not take the chain: ${reason}`, { cause });
}
