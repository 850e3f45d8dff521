import { constants, verify } from 'node:crypto';
import { importPublicKey } from '@signet/primitives/crypto';
import { concat, fromHex, type JsonObject, type PublicKeyInfo, toBase64, utf8 } from '@signet/primitives/formats';
import { signatureError } from '../pki/index.ts';
import { checkChain, readX509PublicKey } from '../pki/x509.ts';
import { type CborValue, readCbor, writeCborHead } from './cbor.ts';
import { sha256 } from './dsse.ts';
import { byteSchema, bytesField, type EntryType, hashSchema, objectSchema } from './entry-type.ts';

interface CoseSpec {
  readonly message: string;
  readonly publicKey: string;
  readonly data: { readonly aad?: string };
}

// RFC 9052 §3.1 and §2, RFC 9053 §2.1, RFC 8230 §2.
const label = { algorithm: 1, critical: 2 };
const sign1Tag = 18;
const algorithms = { es256: -7, ps256: -37 };
const understoodLabels = new Set<CborValue>([1, 2, 3, 4]);

/** A COSE Sign1 message (RFC 9052 §4.2), signed by an X.509 key with ES256 or PS256. The message itself is not logged. */
export const coseV001: EntryType<CoseSpec> = {
  kind: 'cose',
  version: '0.0.1',
  schema: objectSchema({
    message: byteSchema,
    publicKey: byteSchema,
    data: objectSchema(
      {
        aad: { type: 'string', format: 'byte' },
        payloadHash: hashSchema('sha256'),
        envelopeHash: hashSchema('sha256'),
      },
      ['aad', 'payloadHash', 'envelopeHash'],
    ),
  }),

  verify({ message, publicKey, data }) {
    const envelope = bytesField(message, 'message');
    const key = readX509PublicKey(bytesField(publicKey, 'publicKey'));
    checkChain(key.chain);
    const sign1 = readSign1(envelope);
    if (!isSigned(sign1, key.info, bytesField(data.aad ?? '', 'data.aad'))) {
      throw signatureError('the signature of the COSE message does not verify with the given key');
    }
    return {
      data: { envelopeHash: sha256(envelope), payloadHash: sha256(sign1.payload) },
      publicKey: toBase64(key.canonical),
    };
  },

  attestation: ({ message }) => bytesField(message, 'message'),

  attestationHash: (spec) => (spec as { data?: { envelopeHash?: { value?: string } } }).data?.envelopeHash?.value,

  searchTerms(spec: JsonObject, context) {
    const { data, publicKey } = spec as unknown as {
      data: { envelopeHash: { value: string }; payloadHash: { value: string } };
      publicKey: string;
    };
    return [
      { kind: 'digest', algorithm: 'sha256', value: fromHex(data.envelopeHash.value) },
      { kind: 'digest', algorithm: 'sha256', value: fromHex(data.payloadHash.value) },
      ...context.publicKey('x509', bytesField(publicKey, 'publicKey')).searchTerms,
    ];
  },
};

interface Sign1 {
  /** As it was encoded: that is what is signed. */
  readonly protectedHeader: Uint8Array;
  readonly algorithm: number;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}

function readSign1(bytes: Uint8Array): Sign1 {
  const message = readCbor(bytes);
  if (!isTag(message) || message.tag !== sign1Tag || !Array.isArray(message.value)) {
    throw signatureError('the message is not a tagged COSE_Sign1 (RFC 9052 §4.2)');
  }
  const [protectedHeader, unprotectedHeader, payload, signature, ...rest] = message.value as readonly CborValue[];
  if (!(protectedHeader instanceof Uint8Array) || !(unprotectedHeader instanceof Map) || rest.length > 0) {
    throw signatureError('the COSE_Sign1 is not headers, payload and signature');
  }
  if (!(payload instanceof Uint8Array))
    throw signatureError('the COSE message has no payload: detached ones are not logged');
  if (!(signature instanceof Uint8Array)) throw signatureError('the COSE message has no signature');
  const header = protectedHeader.length === 0 ? new Map() : readCbor(protectedHeader);
  if (!(header instanceof Map)) throw signatureError('the protected header of the COSE message is not a map');
  if ([...header.keys()].some((one) => unprotectedHeader.has(one))) {
    throw signatureError('a header of the COSE message stands there protected and unprotected');
  }
  checkCritical(header.get(label.critical));
  const algorithm = header.get(label.algorithm);
  if (typeof algorithm !== 'number')
    throw signatureError('the protected header of the COSE message names no algorithm');
  return { protectedHeader, algorithm, payload, signature };
}

/** What is critical must be understood (RFC 9052 §3.1). */
function checkCritical(critical: CborValue | undefined): void {
  if (critical === undefined) return;
  const known = Array.isArray(critical) && critical.every((one) => understoodLabels.has(one));
  if (!known) throw signatureError('the COSE message has critical headers that are not understood');
}

function isSigned(
  { protectedHeader, algorithm, payload, signature }: Sign1,
  info: PublicKeyInfo,
  aad: Uint8Array,
): boolean {
  const parts = [writeCborHead(3, 10), utf8('Signature1'), ...[protectedHeader, aad, payload].flatMap(byteString)];
  const signed = concat(writeCborHead(4, 4), ...parts);
  const { keyObject: key } = importPublicKey(info);
  if (info.curve === 'P-256' && algorithm === algorithms.es256) {
    return verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, signature);
  }
  if (info.algorithm === 'rsa' && (info.modulusBits ?? 0) >= 2048 && algorithm === algorithms.ps256) {
    const [padding, saltLength] = [constants.RSA_PKCS1_PSS_PADDING, constants.RSA_PSS_SALTLEN_DIGEST];
    return verify('sha256', signed, { key, padding, saltLength }, signature);
  }
  throw signatureError(
    `the COSE algorithm ${algorithm} is not taken with this key: ES256 with P-256, or PS256 with RSA of 2048 bits or more`,
  );
}

function byteString(bytes: Uint8Array): Uint8Array[] {
  return [writeCborHead(2, bytes.length), bytes];
}

function isTag(value: CborValue): value is { tag: number; value: CborValue } {
  return typeof value === 'object' && value !== null && 'tag' in value && 'value' in value;
}
