import { fromHex, type JsonObject, preAuthenticationEncoding, toBase64, utf8 } from '@signet/primitives/formats';
import { signatureError } from '../pki/index.ts';
import { sha256 } from './dsse.ts';
import { byteSchema, bytesField, type EntryType, hashSchema, objectSchema, proposalError } from './entry-type.ts';
import { envelopeBytes, readEnvelope, verifyEnvelope } from './envelope.ts';
import { statementSubjects } from './statement-subjects.ts';

interface IntotoV001Spec {
  readonly content: { readonly envelope: string };
  readonly publicKey: string;
}

/** The first entry for DSSE envelopes. It names no signature: the hash of the whole envelope binds it. */
export const intotoV001: EntryType<IntotoV001Spec> = {
  kind: 'intoto',
  version: '0.0.1',
  schema: objectSchema({
    // Hashes may be proposed and are computed here.
    content: objectSchema(
      { envelope: { type: 'string', minLength: 1 }, hash: hashSchema('sha256'), payloadHash: hashSchema('sha256') },
      ['hash', 'payloadHash'],
    ),
    publicKey: byteSchema,
  }),

  async verify({ content, publicKey }, context) {
    const envelope = readEnvelope(content.envelope);
    const key = context.publicKey('x509', bytesField(publicKey, 'publicKey'));
    await verifyEnvelope(envelope, [key]);
    return {
      content: { hash: sha256(utf8(content.envelope)), payloadHash: sha256(envelope.payload) },
      publicKey: toBase64(key.canonical),
    };
  },

  subjects: ({ content }) => statementSubjects(readEnvelope(content.envelope).payload),

  attestation: ({ content }) => readEnvelope(content.envelope).payload,

  attestationHash: payloadHashOf,

  searchTerms(spec: JsonObject, context) {
    const { content, publicKey } = spec as unknown as {
      content: { hash: { value: string }; payloadHash: { value: string } };
      publicKey: string;
    };
    return [
      { kind: 'digest', algorithm: 'sha256', value: fromHex(content.hash.value) },
      { kind: 'digest', algorithm: 'sha256', value: fromHex(content.payloadHash.value) },
      ...context.publicKey('x509', bytesField(publicKey, 'publicKey')).searchTerms,
    ];
  },
};

interface IntotoV002Spec {
  readonly content: {
    readonly envelope: {
      readonly payloadType: string;
      readonly payload: string;
      readonly signatures: readonly IntotoSignature[];
    };
    readonly hash: { readonly algorithm: string; readonly value: string };
  };
}

interface IntotoSignature {
  readonly sig: string;
  readonly publicKey: string;
  readonly keyid?: string;
}

/**
 * The second one, which @sigstore/sign still writes where it is asked to. Payload and signatures are base64 within base64:
 * the envelope's own text is a bytes field here.
 */
export const intotoV002: EntryType<IntotoV002Spec> = {
  kind: 'intoto',
  version: '0.0.2',
  schema: objectSchema({
    content: objectSchema(
      {
        envelope: objectSchema({
          payloadType: { type: 'string', minLength: 1 },
          payload: byteSchema,
          signatures: {
            type: 'array',
            items: objectSchema({ sig: byteSchema, publicKey: byteSchema, keyid: { type: 'string' } }, ['keyid']),
            minItems: 1,
            maxItems: 16,
          },
        }),
        hash: hashSchema('sha256'),
        payloadHash: hashSchema('sha256'),
      },
      ['payloadHash'],
    ),
  }),

  async verify({ content }, context) {
    const { payloadType, signatures } = content.envelope;
    const payload = payloadOf(content);
    const message = preAuthenticationEncoding(payloadType, payload);
    const logged: JsonObject[] = [];
    for (const [i, { sig, publicKey, keyid }] of signatures.entries()) {
      const path = `signatures[${i}]`;
      const key = context.publicKey('x509', bytesField(publicKey, `${path}.publicKey`));
      // Every signature by the key beside it: upstream would take any order, and log keys beside others' signatures.
      await key.verify(envelopeBytes(innerText(sig, `${path}.sig`), `${path}.sig`), message);
      // Key and signature stay as they were sent (pkg/types/intoto/v0.0.2); an empty key id is left out.
      const fields = { publicKey: plainBase64(publicKey), sig: plainBase64(sig) };
      logged.push(keyid === undefined || keyid === '' ? fields : { ...fields, keyid });
    }
    if (content.hash.value.length !== 64) throw proposalError('content.hash.value is not a sha256 digest');
    return {
      content: {
        envelope: { payloadType, signatures: logged },
        // Over the envelope with keys in it, as the submitter put it together: nobody else can compute it.
        hash: { algorithm: content.hash.algorithm, value: content.hash.value },
        payloadHash: sha256(payload),
      },
    };
  },

  subjects: ({ content }) => statementSubjects(payloadOf(content)),

  attestation: ({ content }) => payloadOf(content),

  attestationHash: payloadHashOf,

  searchTerms(spec: JsonObject, context) {
    const { content } = spec as unknown as {
      content: { envelope: { signatures: IntotoSignature[] }; hash: { value: string }; payloadHash: { value: string } };
    };
    return [
      { kind: 'digest', algorithm: 'sha256', value: fromHex(content.payloadHash.value) },
      { kind: 'digest', algorithm: 'sha256', value: fromHex(content.hash.value) },
      ...content.envelope.signatures.flatMap(
        ({ publicKey }) => context.publicKey('x509', bytesField(publicKey, 'publicKey')).searchTerms,
      ),
    ];
  },
};

function payloadOf({ envelope }: IntotoV002Spec['content']): Uint8Array {
  return envelopeBytes(innerText(envelope.payload, 'payload'), 'payload');
}

function payloadHashOf(spec: JsonObject): string | undefined {
  return (spec as { content?: { payloadHash?: { value?: string } } }).content?.payloadHash?.value;
}

function innerText(base64: string, path: string): string {
  const text = Buffer.from(bytesField(base64, path)).toString('latin1');
  if (text === '') throw signatureError(`${path} is empty`);
  return text;
}

function plainBase64(text: string): string {
  return text.replace(/[\r\n]/g, '');
}
