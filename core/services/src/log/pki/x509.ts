import { hash } from 'node:crypto';
import { importPublicKey, verifySignature, verifySignatureByOid } from '@signet/primitives/crypto';
import {
  Certificate,
  defaultKeyDetails,
  equalBytes,
  fromUtf8,
  oids,
  type PemBlock,
  type PublicKeyInfo,
  parseDer,
  parsePem,
  parsePublicKeyInfo,
  tags,
  toPem,
  utf8,
} from '@signet/primitives/formats';
import { certificateTerms } from '../search/search-keys.ts';
import { checked, type PkiFormat, type PkiPublicKey, signatureError } from './pki-format.ts';

// As upstream (pkg/pki/x509): longer chains are not worth anybody's time.
const maximumChain = 10;
const maximumText = 65_535;

/** A key that is PEM of a SubjectPublicKeyInfo, of a certificate, or of a chain with the signer's certificate first. */
export interface X509PublicKey extends PkiPublicKey {
  readonly info: PublicKeyInfo;
  /** The signer's certificate and those above it; empty for a bare key. */
  readonly chain: readonly Certificate[];
}

/** X.509: keys and certificates in PEM, signatures raw. */
export const x509Format: PkiFormat = { name: 'x509', readPublicKey: readX509PublicKey };

/** @throws ERR_LOG_SIGNATURE */
export function readX509PublicKey(bytes: Uint8Array): X509PublicKey {
  if (bytes.length > maximumText)
    throw signatureError(`the public key has ${bytes.length} bytes, more than ${maximumText}`);
  const blocks = checked('the public key', () => parsePem(fromUtf8(bytes, 'the public key').trim(), 'PEM'));
  const [first] = blocks;
  if (first === undefined) throw signatureError('the public key is not PEM of a key, a certificate or a chain');
  return first.label === 'PUBLIC KEY' && blocks.length === 1 ? bareKey(first) : certified(blocks);
}

function bareKey({ bytes }: PemBlock): X509PublicKey {
  const info = checked('the public key', () => parsePublicKeyInfo(bytes));
  checkParameters(info);
  return {
    canonical: utf8(toPem('PUBLIC KEY', bytes)),
    // When somebody asks: to verify an entry nobody does.
    get searchTerms() {
      return [{ kind: 'publicKey', fingerprint: hash('sha256', bytes, 'buffer') }] as const;
    },
    info,
    chain: [],
    verify: (signature, message) => verifyMessage(info, signature, message),
  };
}

function certified(blocks: readonly PemBlock[]): X509PublicKey {
  if (blocks.length > maximumChain) {
    throw signatureError(`the chain has ${blocks.length} certificates, more than ${maximumChain}`);
  }
  const chain = blocks.map(({ label, bytes }) => {
    if (label !== 'CERTIFICATE') throw signatureError(`a chain consists of PEM blocks CERTIFICATE, found ${label}`);
    return checked('a certificate', () => Certificate.parse(bytes));
  });
  const [leaf] = chain;
  if (leaf === undefined) throw signatureError('the chain has no certificate');
  const info = leaf.publicKey;
  return {
    canonical: utf8(chain.map(({ pem }) => pem).join('')),
    get searchTerms() {
      return certificateTerms(leaf);
    },
    info,
    chain,
    verify(signature, message) {
      checkChain(chain);
      return verifyMessage(info, signature, message);
    },
  };
}

/** Go, whose parser decides what upstream can log, wants NULL where RFC 8017 §A.1 wants it. */
function checkParameters(info: PublicKeyInfo): void {
  if (info.algorithm !== 'rsa') return;
  const parameters = parseDer(info.spki, 'public key').sequence()[0]?.sequence()[1];
  if (parameters?.tag !== tags.null) throw signatureError('the RSA key has no NULL parameters (RFC 8017 §A.1)');
}

/**
 * Checks a signature over a message. Upstream hashes with SHA-256 whatever the curve; the algorithm registry gives each
 * curve its own hash. Both are taken, and neither stands in the entry.
 */
function verifyMessage(info: PublicKeyInfo, signature: Uint8Array, message: Uint8Array): Uint8Array {
  if (!checked('the signature', () => isSignedMessage(info, signature, message))) {
    throw signatureError('the signature does not verify over the content with the given key');
  }
  return signature;
}

function isSignedMessage(info: PublicKeyInfo, signature: Uint8Array, message: Uint8Array): boolean {
  const key = importPublicKey(info);
  if (info.algorithm === 'rsa') return verifySignatureByOid({ key, algorithm: oids.sha256WithRsa, message, signature });
  if (verifySignature({ key, details: defaultKeyDetails(info), message, signature })) return true;
  if (info.algorithm !== 'ecdsa' || info.curve === 'P-256') return false;
  return verifySignatureByOid({ key, algorithm: oids.ecdsaWithSha256, message, signature });
}

/**
 * Checks that a chain leads from its first certificate to its last, at the time at which the first begins: certificates are
 * logged for as long as anybody wants to, and long after they have expired. Nobody says that the last is to be trusted.
 */
export function checkChain(chain: readonly Certificate[]): void {
  const [leaf, ...issuers] = chain;
  if (leaf === undefined || issuers.length === 0) return;
  const time = leaf.notBefore;
  const unused = new Set(issuers);
  let current = leaf;
  for (let depth = 0; current !== issuers.at(-1); depth++) {
    const issuer = [...unused].find((one) => equalBytes(one.subject, current.issuer) && isSignedBy(current, one));
    if (issuer === undefined) throw signatureError('the chain does not lead from its first certificate to its last');
    const { basicConstraints, keyUsage } = issuer;
    if (basicConstraints?.ca !== true || keyUsage?.keyCertSign === false) {
      throw signatureError('a certificate of the chain is signed by one that is not an authority');
    }
    if (basicConstraints.pathLength !== undefined && basicConstraints.pathLength < depth) {
      throw signatureError('an authority of the chain allows fewer authorities below it than there are');
    }
    if (!issuer.isValidAt(time)) {
      throw signatureError('an authority of the chain is not valid when the first certificate begins');
    }
    unused.delete(issuer);
    current = issuer;
  }
}

function isSignedBy(certificate: Certificate, issuer: Certificate): boolean {
  const { signatureAlgorithm: algorithm, tbs: message, signature } = certificate;
  return checked('the chain', () =>
    verifySignatureByOid({ key: importPublicKey(issuer.publicKey), algorithm, message, signature }),
  );
}
