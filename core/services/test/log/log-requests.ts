import { createHash } from 'node:crypto';
import { utf8 } from '@signet/primitives/formats';
import type { Signer } from '@signet/primitives/keys';

export const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** A request to log a signature over `message`, with a bare key or with a certificate. */
export async function entryRequest(message: string, signer: Signer, certificate?: Uint8Array): Promise<object> {
  const key =
    certificate === undefined
      ? { publicKey: { rawBytes: base64(signer.publicKey.spki) } }
      : { x509Certificate: { rawBytes: base64(certificate) } };
  return {
    hashedRekordRequestV002: {
      digest: createHash('sha256').update(message).digest('base64'),
      signature: {
        content: base64(await signer.sign(utf8(message))),
        verifier: { keyDetails: signer.keyDetails, ...key },
      },
    },
  };
}
