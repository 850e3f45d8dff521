import { digestLengths, importPublicKey, verifySignature } from '@signet/primitives/crypto';
import { defaultKeyDetails, fromHex, type JsonObject, toBase64 } from '@signet/primitives/formats';
import { signatureError } from '../pki/index.ts';
import { checked } from '../pki/pki-format.ts';
import { checkChain, readX509PublicKey } from '../pki/x509.ts';
import { byteSchema, bytesField, type EntryType, hashSchema, objectSchema, proposalError } from './entry-type.ts';

interface HashedRekordSpec {
  readonly data: { readonly hash: { readonly algorithm: 'sha256' | 'sha384' | 'sha512'; readonly value: string } };
  readonly signature: { readonly content: string; readonly publicKey: { readonly content: string } };
}

/** A signature over a digest, by an X.509 key or certificate: the artifact itself need not be sent. */
export const hashedRekordV001: EntryType<HashedRekordSpec> = {
  kind: 'hashedrekord',
  version: '0.0.1',
  schema: objectSchema({
    data: objectSchema({ hash: hashSchema('sha256', 'sha384', 'sha512') }),
    signature: objectSchema({ content: byteSchema, publicKey: objectSchema({ content: byteSchema }) }),
  }),

  verify({ data, signature }) {
    const { algorithm, value: digits } = data.hash;
    if (digits.length !== digestLengths[algorithm] * 2)
      throw proposalError(`data.hash.value is not a ${algorithm} digest`);
    const content = bytesField(signature.content, 'signature.content');
    const key = readX509PublicKey(bytesField(signature.publicKey.content, 'signature.publicKey.content'));
    checkChain(key.chain);
    const verified = checked('the signature', () =>
      verifySignature({
        key: importPublicKey(key.info),
        // Plain Ed25519 cannot be checked with a digest alone; the registry has Ed25519ph for that.
        details: key.info.algorithm === 'ed25519' ? 'PKIX_ED25519_PH' : defaultKeyDetails(key.info),
        signature: content,
        digest: { algorithm, value: fromHex(digits) },
      }),
    );
    if (!verified) throw signatureError('the signature does not verify over the digest with the given key');
    return {
      // As it was sent, upper case too (pkg/types/hashedrekord).
      data: { hash: { algorithm, value: digits } },
      signature: { content: toBase64(content), publicKey: { content: toBase64(key.canonical) } },
    };
  },

  searchTerms(spec: JsonObject, context) {
    const { data, signature } = spec as unknown as HashedRekordSpec;
    const key = context.publicKey('x509', bytesField(signature.publicKey.content, 'publicKey'));
    const { algorithm, value } = data.hash;
    return [{ kind: 'digest', algorithm, value: fromHex(value) }, ...key.searchTerms];
  },
};
