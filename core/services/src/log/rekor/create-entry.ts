import { digest, importPublicKey, verifySignature } from '@signet/primitives/crypto';
import {
  Certificate,
  type EntrySignature,
  encodeRekorBody,
  fulcioClaims,
  fulcioIssuer,
  type KeyDetails,
  keyDetailsHash,
  type PublicKeyInfo,
  parseJson,
  parsePublicKeyInfo,
  preAuthenticationEncoding,
  SignetError,
  toBase64,
  toHex,
} from '@signet/primitives/formats';
import type { EntrySigner } from '../http/rate-limits.ts';
import type { ReadingTime } from '../verification/verified-request.ts';
import { ProtoMessage, requestError } from './proto-message.ts';

/** A request whose signature has been verified, as it goes into the log. */
export interface VerifiedEntry {
  readonly kind: 'hashedrekord' | 'dsse';
  readonly version: '0.0.2';
  /** The entry's bytes: JSON in canonical form. */
  readonly body: Uint8Array;
  /** Only when asked for. */
  readonly signers: readonly EntrySigner[];
}

export interface CreateEntryOptions {
  /** Whether `dsseRequestV002` is taken. */
  readonly dsse: boolean;
  /** Whether to say who has signed. */
  readonly signers?: boolean;
}

/** Rekor v2's algorithms for entries, with their numbers in Sigstore's enum PublicKeyDetails. */
const acceptedAlgorithms = {
  PKIX_ECDSA_P256_SHA_256: 5,
  PKIX_ED25519_PH: 8,
  PKIX_RSA_PKCS1V15_2048_SHA256: 9,
  PKIX_RSA_PKCS1V15_3072_SHA256: 10,
  PKIX_RSA_PKCS1V15_4096_SHA256: 11,
  PKIX_ECDSA_P384_SHA_384: 12,
  PKIX_ECDSA_P521_SHA_512: 13,
} as const satisfies Partial<Record<KeyDetails, number>>;

/** What signs whole messages: taken of envelopes, which come whole. Rekor's own log took these once (PKIX_ED25519) or not yet. */
const envelopeAlgorithms = {
  ...acceptedAlgorithms,
  PKIX_ED25519: 7,
  ML_DSA_44: 23,
  ML_DSA_65: 21,
  ML_DSA_87: 22,
} as const satisfies Partial<Record<KeyDetails, number>>;

const verifierFields = ['publicKey', 'x509Certificate', 'keyDetails'];
// Each signature may be tried with each key, and a P-521 check takes a millisecond: 16 checks at the most.
const maximumSignatures = 4;

interface KnownVerifier {
  readonly verifier: EntrySignature['verifier'] & { readonly keyDetails: KeyDetails };
  readonly publicKey: PublicKeyInfo;
  readonly certificate: Certificate | undefined;
}

/**
 * Reads a CreateEntryRequest (rekor-tiles, rekor_service.proto) and verifies its signature; what comes back is the entry
 * to log.
 *
 * @param body JSON as it came
 * @param time told how long reading took
 * @throws ERR_LOG_REQUEST, ERR_JSON, ERR_LOG_SIGNATURE
 */
export function verifyCreateEntryRequest(
  body: Uint8Array,
  options: CreateEntryOptions,
  time: ReadingTime = { parse: 0 },
): VerifiedEntry {
  const started = performance.now();
  const value = parseJson(body, 'the request');
  time.parse += performance.now() - started;
  const request = new ProtoMessage(value, 'the request', ['hashedRekordRequestV002', 'dsseRequestV002']);
  const kind = request.oneOf(['hashedRekordRequestV002', 'dsseRequestV002']);
  if (kind === 'hashedRekordRequestV002') {
    return hashedRekord(request.message(kind, ['digest', 'signature']), options);
  }
  if (!options.dsse) {
    throw requestError('this log takes no dsse entries; submit hashedrekord with the digest of the envelope (PAE)');
  }
  return dsse(request.message(kind, ['envelope', 'verifiers']), options);
}

function hashedRekord(request: ProtoMessage, options: CreateEntryOptions): VerifiedEntry {
  const value = request.bytes('digest');
  const signatureMessage = request.message('signature', ['content', 'verifier']);
  const signature = signatureMessage.bytes('content');
  const known = readVerifier(signatureMessage.message('verifier', verifierFields), acceptedAlgorithms);
  const algorithm = entryHash(known.verifier.keyDetails);
  const verified = checked(() =>
    verifySignature({
      key: importPublicKey(known.publicKey),
      details: known.verifier.keyDetails,
      signature,
      digest: { algorithm, value },
    }),
  );
  if (!verified) throw signatureError('the signature does not verify over the digest with the given key');
  return {
    kind: 'hashedrekord',
    version: '0.0.2',
    signers: options.signers === true ? [signerOf(known)] : [],
    body: hashedRekordBody({ algorithm, value }, { signature, verifier: known.verifier }),
  };
}

/**
 * The canonical body of a hashedrekord 0.0.2, as `encodeRekorBody` writes it. Names and base64 have no character that JSON escapes,
 * and the members are in order, so it is put together as text, for a tenth of what writing any value canonically costs.
 */
export function hashedRekordBody(
  { algorithm, value }: { readonly algorithm: 'sha256' | 'sha384' | 'sha512'; readonly value: Uint8Array },
  { signature, verifier }: Pick<EntrySignature, 'signature'> & Pick<KnownVerifier, 'verifier'>,
): Uint8Array {
  const key = verifier.kind === 'certificate' ? 'x509Certificate' : 'publicKey';
  const text =
    `{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{"hashedRekordV002":{"data":{"algorithm":"${hashNames[algorithm]}",` +
    `"digest":"${toBase64(value)}"},"signature":{"content":"${toBase64(signature)}","verifier":{` +
    // Names of members stand in order: keyDetails, publicKey, x509Certificate.
    `"keyDetails":"${verifier.keyDetails}","${key}":{"rawBytes":"${toBase64(verifier.bytes)}"}}}}}}`;
  return Buffer.from(text, 'latin1');
}

const hashNames = { sha256: 'SHA2_256', sha384: 'SHA2_384', sha512: 'SHA2_512' } as const;

/** The older form for envelopes, which @sigstore/sign sends. Every signature needs a verifier and every verifier one. */
function dsse(request: ProtoMessage, options: CreateEntryOptions): VerifiedEntry {
  const envelope = request.message('envelope', ['payload', 'payloadType', 'signatures']);
  const payload = envelope.optionalBytes('payload');
  const message = preAuthenticationEncoding(envelope.text('payloadType'), payload);
  const verifiers = request
    .messages('verifiers', verifierFields, maximumSignatures)
    .map((verifier) => readVerifier(verifier, envelopeAlgorithms));
  const unused = new Set(verifiers);
  const signatures = envelope.messages('signatures', ['sig', 'keyid'], maximumSignatures).map((element, i) => {
    const signature = element.bytes('sig');
    const known = verifiers.find(({ verifier, publicKey }) =>
      checked(() =>
        verifySignature({ key: importPublicKey(publicKey), details: verifier.keyDetails, signature, message }),
      ),
    );
    if (known === undefined)
      throw signatureError(`signature ${i} of the envelope verifies with none of the given keys`);
    unused.delete(known);
    return { signature, verifier: known.verifier };
  });
  if (unused.size > 0) throw signatureError('one of the given keys verifies no signature of the envelope');
  return {
    kind: 'dsse',
    version: '0.0.2',
    signers: options.signers === true ? verifiers.map(signerOf) : [],
    body: encodeRekorBody({
      kind: 'dsse',
      version: '0.0.2',
      // Rekor v2 names the payload by SHA-256 whatever the signatures use.
      payloadHash: { algorithm: 'sha256', value: digest('sha256', payload) },
      signatures,
    }),
  };
}

function readVerifier<Name extends KeyDetails>(
  message: ProtoMessage,
  algorithms: Readonly<Record<Name, number>>,
): KnownVerifier {
  const keyDetails = message.enumName('keyDetails', algorithms);
  const field = message.oneOf(['publicKey', 'x509Certificate']);
  const bytes = message.message(field, ['rawBytes']).bytes('rawBytes');
  const isCertificate = field === 'x509Certificate';
  const certificate = isCertificate ? checked(() => Certificate.parse(bytes)) : undefined;
  return {
    verifier: { kind: isCertificate ? 'certificate' : 'publicKey', bytes, keyDetails },
    publicKey: checked(() => certificate?.publicKey ?? parsePublicKeyInfo(bytes)),
    certificate,
  };
}

/** By the first name in a certificate, or by the key. Nobody vouches for either here: limits are no judgement. */
function signerOf({ certificate, publicKey }: KnownVerifier): EntrySigner {
  if (certificate === undefined) return { identity: `key ${toHex(digest('sha256', publicKey.spki))}` };
  return checked(() => {
    const issuer = fulcioIssuer(fulcioClaims(certificate));
    const [name] = certificate.subjectAlternativeNames;
    const identity = name?.value ?? `certificate ${toHex(digest('sha256', certificate.bytes))}`;
    return issuer === undefined ? { identity } : { issuer, identity };
  });
}

function entryHash(keyDetails: KeyDetails): 'sha256' | 'sha384' | 'sha512' {
  const hash = keyDetailsHash(keyDetails);
  if (hash === undefined || hash === 'sha1') throw requestError(`${keyDetails} does not sign digests`);
  return hash;
}

/** What is wrong with a key, certificate or digest is the submitter's to know, under one code. */
function checked<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof SignetError)) throw cause;
    throw new SignetError('ERR_LOG_SIGNATURE', `invalid entry: ${cause.message}`, { cause });
  }
}

function signatureError(reason: string): SignetError {
  return new SignetError('ERR_LOG_SIGNATURE', `invalid entry: ${reason}`);
}
