import { fromHex, type JsonObject, toBase64 } from '@signet/primitives/formats';
import { sha256 } from './dsse.ts';
import { byteSchema, bytesField, type EntryType, hashSchema, objectSchema, proposalError } from './entry-type.ts';

interface RekordSpec {
  readonly signature: {
    readonly format: string;
    readonly content: string;
    readonly publicKey: { readonly content: string };
  };
  readonly data: { readonly content: string; readonly hash?: { readonly value: string } };
}

/** A detached signature over an artifact that is sent along, in one of the formats that people publish. */
export const rekordV001: EntryType<RekordSpec> = {
  kind: 'rekord',
  version: '0.0.1',
  schema: objectSchema({
    signature: objectSchema({
      format: { type: 'string', enum: ['pgp', 'minisign', 'x509', 'ssh'] },
      content: byteSchema,
      publicKey: objectSchema({ content: byteSchema }),
    }),
    data: objectSchema({ content: byteSchema, hash: hashSchema('sha256') }, ['hash']),
  }),

  async verify({ signature, data }, context) {
    const message = bytesField(data.content, 'data.content');
    const hash = sha256(message);
    if (data.hash !== undefined && data.hash.value !== hash.value) {
      throw proposalError(`SHA mismatch: data.hash is ${data.hash.value}, the content has ${hash.value}`);
    }
    const key = context.publicKey(
      signature.format,
      bytesField(signature.publicKey.content, 'signature.publicKey.content'),
    );
    const canonical = await key.verify(bytesField(signature.content, 'signature.content'), message);
    return {
      data: { hash },
      signature: {
        content: toBase64(canonical),
        format: signature.format,
        publicKey: { content: toBase64(key.canonical) },
      },
    };
  },

  searchTerms(spec: JsonObject, context) {
    const { signature, data } = spec as unknown as RekordSpec;
    const key = context.publicKey(signature.format, bytesField(signature.publicKey.content, 'publicKey'));
    const digest = fromHex(data.hash?.value ?? '');
    return [{ kind: 'digest', algorithm: 'sha256', value: digest }, ...key.searchTerms];
  },
};
