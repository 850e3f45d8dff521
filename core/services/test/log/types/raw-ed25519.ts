// A plug-in of a third party: bare Ed25519 keys in hexadecimal, as some tools publish them.
import { createPublicKey, hash, verify } from 'node:crypto';
import { type PkiFormat, signatureError } from '@signet/services/log';

// What stands before the 32 bytes in a SubjectPublicKeyInfo (RFC 8410).
const prefix = Buffer.from('302a300506032b6570032100', 'hex');

const rawEd25519: PkiFormat = {
  name: 'ed25519-hex',

  readPublicKey(bytes) {
    const text = Buffer.from(bytes).toString('latin1').trim().toLowerCase();
    if (!/^[0-9a-f]{64}$/.test(text)) throw signatureError('the public key is not 64 hexadecimal digits');
    const spki = Buffer.concat([prefix, Buffer.from(text, 'hex')]);
    const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    return {
      // One form for every way of writing the key.
      canonical: Buffer.from(text),
      searchTerms: [{ kind: 'publicKey', fingerprint: hash('sha256', spki, 'buffer') }],
      verify(signature, message) {
        if (!verify(null, message, key, signature)) throw signatureError('the signature does not verify');
        return signature;
      },
    };
  },
};

export const pkiFormats = [rawEd25519];
