import { digest } from '@signet/primitives/crypto';
import { fromHex, type JsonObject, toBase64, toHex, utf8 } from '@signet/primitives/formats';
import { byteSchema, bytesField, type EntryType, objectSchema } from './entry-type.ts';
import { readEnvelope, verifyEnvelope } from './envelope.ts';
import { statementSubjects } from './statement-subjects.ts';

interface DsseSpec {
  readonly proposedContent: { readonly envelope: string; readonly verifiers: readonly string[] };
}

interface LoggedDsse {
  readonly envelopeHash: { readonly value: string };
  readonly payloadHash: { readonly value: string };
  readonly signatures: readonly { readonly verifier: string }[];
}

/** A DSSE envelope: what npm and most clients log. The payload stays with the submitter, only its hash is logged. */
export const dsseV001: EntryType<DsseSpec> = {
  kind: 'dsse',
  version: '0.0.1',
  schema: objectSchema({
    proposedContent: objectSchema({
      envelope: { type: 'string', minLength: 1 },
      verifiers: { type: 'array', items: byteSchema, minItems: 1, maxItems: 16 },
    }),
  }),

  async verify({ proposedContent }, context) {
    const envelope = readEnvelope(proposedContent.envelope);
    const keys = proposedContent.verifiers.map((text, i) =>
      context.publicKey('x509', bytesField(text, `verifiers[${i}]`)),
    );
    const verifiers = await verifyEnvelope(envelope, keys);
    // One line for each signature however often it stands there, in the order of their text.
    const signatures = new Map(
      envelope.signatures.map(({ text }, i) => [text, verifiers[i]?.canonical ?? new Uint8Array()]),
    );
    return {
      envelopeHash: sha256(utf8(proposedContent.envelope)),
      payloadHash: sha256(envelope.payload),
      signatures: [...signatures]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([signature, key]) => ({ signature, verifier: toBase64(key) })),
    };
  },

  subjects: ({ proposedContent }) => statementSubjects(readEnvelope(proposedContent.envelope).payload),

  searchTerms(spec: JsonObject, context) {
    const { envelopeHash, payloadHash, signatures } = spec as unknown as LoggedDsse;
    return [
      { kind: 'digest', algorithm: 'sha256', value: fromHex(payloadHash.value) },
      { kind: 'digest', algorithm: 'sha256', value: fromHex(envelopeHash.value) },
      ...signatures.flatMap(({ verifier }) => context.publicKey('x509', bytesField(verifier, 'verifier')).searchTerms),
    ];
  },
};

/** A digest as entries have it. */
export function sha256(bytes: Uint8Array): { algorithm: 'sha256'; value: string } {
  return { algorithm: 'sha256', value: toHex(digest('sha256', bytes)) };
}
