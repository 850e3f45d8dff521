// A plug-in of a third party: a list of checksums, as `sha256sum` writes it, signed in whatever way its author signs. Every
// file of a release is found by its own digest afterwards, though only the list was signed.
import { byteSchema, bytesField, type EntryType, objectSchema, proposalError } from '@signet/services/log';

interface Checksums {
  readonly list: string;
  readonly signature: { readonly format: string; readonly content: string; readonly publicKey: string };
}

interface Line {
  readonly name: string;
  readonly sha256: string;
}

const type: EntryType<Checksums> = {
  kind: 'checksums',
  version: '0.0.1',

  // What a proposal looks like. Anything else is answered with 400 before `verify` is called.
  schema: objectSchema({
    list: byteSchema,
    signature: objectSchema({
      format: { type: 'string' },
      content: byteSchema,
      publicKey: byteSchema,
    }),
  }),

  // Checks everything that is claimed, and returns what is logged. The same claim must always come out as the same entry:
  // signature and key in their canonical forms, lines sorted.
  async verify({ list, signature }, context) {
    const text = bytesField(list, 'list');
    const files = readLines(Buffer.from(text).toString('utf8'));
    const key = context.publicKey(signature.format, bytesField(signature.publicKey, 'signature.publicKey'));
    const canonical = await key.verify(bytesField(signature.content, 'signature.content'), text);
    return {
      files,
      signature: {
        format: signature.format,
        content: Buffer.from(canonical).toString('base64'),
        publicKey: Buffer.from(key.canonical).toString('base64'),
      },
    };
  },

  // What an entry is found by. Only the logged entry is at hand, since the index may be built again at any time.
  searchTerms(entry, context) {
    const { files, signature } = entry as unknown as { files: Line[]; signature: Checksums['signature'] };
    const key = context.publicKey(signature.format, bytesField(signature.publicKey, 'signature.publicKey'));
    const digests = files.map(({ sha256 }) => ({
      kind: 'digest' as const,
      algorithm: 'sha256',
      value: Buffer.from(sha256, 'hex'),
    }));
    return [...digests, ...key.searchTerms];
  },
};

export default type;

function readLines(text: string): Line[] {
  const lines = text.split('\n').filter((line) => line !== '');
  const files = lines.map((line) => {
    const [, sha256, name] = /^([0-9a-f]{64}) [ *](\S+)$/.exec(line) ?? [];
    if (sha256 === undefined || name === undefined)
      throw proposalError(`"${line.slice(0, 80)}" is not a line of sha256sum`);
    return { name, sha256 };
  });
  return files.sort((a, b) => (a.name < b.name ? -1 : 1));
}
