import { importPublicKey, type VerificationKey } from '@signet/primitives/crypto';
import { fromUtf8, parsePem, parsePublicKeyInfo, SignetError } from '@signet/primitives/formats';
import { IssuanceError } from './issuance-error.ts';

const maxRequestLength = 64 * 1024;

/** A certificate signing request (RFC 2986) of which only the key counts: names and extensions in it are ignored. */
export interface SigningRequest {
  readonly key: VerificationKey;
  /** Whether its signature is by that key: the proof of possession. */
  verify(): Promise<boolean>;
}

/**
 * Reads a PKCS #10 request.
 *
 * @param content PEM or DER
 * @throws ERR_CSR_FORMAT
 */
export async function readSigningRequest(content: Uint8Array): Promise<SigningRequest> {
  // The X.509 library needs this polyfill first, and both cost a start-up that most requests never need.
  await import('reflect-metadata');
  const { Pkcs10CertificateRequest } = await import('@peculiar/x509');
  try {
    if (content.length > maxRequestLength) throw new SignetError('ERR_INPUT_TOO_LARGE', 'it is longer than 64 KiB');
    const request = new Pkcs10CertificateRequest(Uint8Array.from(derOf(content)));
    // The strict reading decides which key is certified; the library only checks that it signed.
    const key = importPublicKey(parsePublicKeyInfo(new Uint8Array(request.publicKey.rawData)));
    return {
      key,
      verify: async () => {
        try {
          return await request.verify();
        } catch {
          // An algorithm that does not fit the key, or a signature that is no signature: not verified either way.
          return false;
        }
      },
    };
  } catch (cause) {
    const problem = cause instanceof SignetError ? cause.message : 'it is not PKCS #10';
    throw new IssuanceError(
      'ERR_CSR_FORMAT',
      'csr-unusable',
      `The certificate signing request is unusable: ${problem}.`,
      {
        cause,
        expected: 'a PKCS #10 request in PEM',
      },
    );
  }
}

function derOf(content: Uint8Array): Uint8Array {
  if (content[0] !== 0x2d) return content;
  const [block, ...others] = parsePem(fromUtf8(content, 'certificate signing request'), 'certificate signing request');
  if (!/^(NEW )?CERTIFICATE REQUEST$/.test(block?.label ?? '') || block === undefined || others.length > 0) {
    throw new SignetError('ERR_ENCODING', 'expected exactly one PEM block CERTIFICATE REQUEST');
  }
  return block.bytes;
}
