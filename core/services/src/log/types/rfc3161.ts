import { digest, importPublicKey, verifySignatureByOid } from '@signet/primitives/crypto';
import {
  Certificate,
  equalBytes,
  type JsonObject,
  parseTimestampResponse,
  SignetError,
  type TimestampToken,
  toBase64,
} from '@signet/primitives/formats';
import { signatureError } from '../pki/index.ts';
import { checked } from '../pki/pki-format.ts';
import { certificateTerms } from '../search/search-keys.ts';
import { byteSchema, bytesField, type EntryType, objectSchema, proposalError } from './entry-type.ts';

interface Rfc3161Spec {
  readonly tsr: { readonly content: string };
}

// As upstream.
const maximumSize = 10 * 1024;

/** A timestamp of anybody's authority (RFC 3161), which must verify with a certificate that it brings along. */
export const rfc3161V001: EntryType<Rfc3161Spec> = {
  kind: 'rfc3161',
  version: '0.0.1',
  schema: objectSchema({ tsr: objectSchema({ content: byteSchema }) }),

  verify({ tsr }) {
    const response = bytesField(tsr.content, 'tsr.content');
    if (response.length > maximumSize) {
      throw proposalError(`tsr.content has ${response.length} bytes, more than the ${maximumSize} of a timestamp`);
    }
    const token = read(response);
    signerOf(token);
    return { tsr: { content: toBase64(response) } };
  },

  searchTerms(spec: JsonObject) {
    const response = bytesField((spec as unknown as Rfc3161Spec).tsr.content, 'tsr.content');
    const token = read(response);
    const { algorithm, digest: imprint } = token.messageImprint;
    return [
      { kind: 'digest', algorithm: 'sha256', value: digest('sha256', response) },
      { kind: 'digest', algorithm, value: imprint },
      ...certificateTerms(signerOf(token)),
    ];
  },
};

function read(response: Uint8Array): TimestampToken {
  try {
    return parseTimestampResponse(response);
  } catch (cause) {
    if (cause instanceof SignetError) throw proposalError(cause.message, cause);
    throw cause;
  }
}

/** The certificate among those of the token that it is signed with (RFC 5652 §5.6). */
function signerOf(token: TimestampToken): Certificate {
  if (!equalBytes(digest(token.digestAlgorithm, token.info), token.messageDigest)) {
    throw signatureError('the signed message digest of the timestamp is not that of its contents');
  }
  for (const bytes of token.certificates) {
    const certificate = checked('a certificate of the timestamp', () => Certificate.parse(bytes));
    if (isNamed(token, certificate) && isSignedBy(token, certificate)) return certificate;
  }
  throw signatureError('the timestamp does not verify with a certificate that came with it; request it with certReq');
}

function isNamed({ signer }: TimestampToken, { issuer, serialNumber, subjectKeyId }: Certificate): boolean {
  if ('subjectKeyId' in signer) return subjectKeyId !== undefined && equalBytes(signer.subjectKeyId, subjectKeyId);
  return equalBytes(signer.serialNumber, serialNumber) && equalBytes(signer.issuer, issuer);
}

function isSignedBy(token: TimestampToken, certificate: Certificate): boolean {
  return checked('the timestamp', () =>
    verifySignatureByOid({
      key: importPublicKey(certificate.publicKey),
      algorithm: token.signatureAlgorithm,
      digestAlgorithm: token.digestAlgorithm,
      message: token.signedAttributes,
      signature: token.signature,
    }),
  );
}
