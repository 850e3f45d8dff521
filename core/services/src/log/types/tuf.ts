import { hash } from 'node:crypto';
import { type JsonObject, toBase64 } from '@signet/primitives/formats';
import { readTufMetadata, verifyTufMetadata } from '../pki/tuf.ts';
import { bytesField, type EntryType, objectSchema } from './entry-type.ts';

interface TufSpec {
  readonly root: { readonly content: JsonObject };
  readonly metadata: { readonly content: JsonObject };
}

const documentSchema = objectSchema({ content: { type: 'object', required: ['signed', 'signatures'] } });

/** A document of a TUF repository with the root that vouches for it. */
export const tufV001: EntryType<TufSpec> = {
  kind: 'tuf',
  version: '0.0.1',
  schema: objectSchema({ root: documentSchema, metadata: documentSchema, spec_version: { type: 'string' } }, [
    'spec_version',
  ]),

  async verify(spec) {
    const root = readTufMetadata(spec.root.content, 'root.content');
    const metadata = readTufMetadata(spec.metadata.content, 'metadata.content');
    await verifyTufMetadata(root, metadata);
    // Objects are proposed and base64 is logged: upstream's field takes anything, and there it is given bytes.
    return {
      metadata: { content: toBase64(metadata.canonical) },
      root: { content: toBase64(root.canonical) },
      spec_version: root.specVersion,
    };
  },

  searchTerms(spec: JsonObject, context) {
    const { root, metadata } = spec as unknown as { root: { content: string }; metadata: { content: string } };
    const bytes = bytesField(metadata.content, 'metadata.content');
    const { role, version } = readTufMetadata(bytes, 'metadata.content');
    return [
      { kind: 'digest', algorithm: 'sha256', value: hash('sha256', bytes, 'buffer') },
      { kind: 'subject', text: role },
      { kind: 'subject', text: String(version) },
      ...context.publicKey('tuf', bytesField(root.content, 'root.content')).searchTerms,
    ];
  },
};
