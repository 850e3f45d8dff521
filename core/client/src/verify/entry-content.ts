import { digest } from '@signet/primitives/crypto';
import {
  type Bundle,
  canonicalize,
  type EntryDigest,
  type EntrySignature,
  type EntryVerifier,
  type Envelope,
  envelopeToJson,
  equalBytes,
  inert,
  type KeyDetails,
  keyDetailsHash,
  keyMatchesDetails,
  type PublicKeyInfo,
  parseRekorBody,
  type RekorBody,
  SignetError,
  type TransparencyLogEntry,
  toBase64,
  utf8,
} from '@signet/primitives/formats';
import type { Artifact } from './artifact.ts';

/** What the bundle signs, as far as log entries name it. */
export interface LoggedContent {
  readonly content: Bundle['content'];
  /** DER of the signing certificate, or of the public key where there is none. */
  readonly verifier: EntryVerifier;
  readonly publicKey: PublicKeyInfo;
  readonly artifact: Artifact | undefined;
  /** DSSE pre-authentication encoding; only with an envelope. */
  readonly encoding: Uint8Array | undefined;
}

/** What an entry says of the signature algorithm. */
export interface EntryAlgorithm {
  /** Rekor v2 names it. */
  readonly keyDetails?: KeyDetails;
  /** The digest that a hashedrekord entry's signature is over. */
  readonly hash?: EntryDigest['algorithm'];
}

/**
 * Compares a log entry's body with the bundle: same signature, same key or certificate, same artifact (client-spec §4.4,
 * rekor-v2-spec §6.1.4). The key matters: from an ECDSA signature another key can be recovered under which it verifies,
 * and an entry that names such a key hides the signature from those who watch for their identity.
 *
 * @throws ERR_LOG_ENTRY_MISMATCH, ERR_LOG_ENTRY_FORMAT, ERR_ARTIFACT_MISMATCH, ERR_ARTIFACT_DIGEST
 */
export function checkEntryContent(entry: TransparencyLogEntry, logged: LoggedContent): EntryAlgorithm {
  const body = parseRekorBody(entry.canonicalizedBody);
  if (body.kind !== entry.kind || body.version !== entry.version) {
    throw mismatch('kind', `${entry.kind} ${entry.version}`, `${body.kind} ${body.version}`);
  }
  return logged.content.kind === 'message'
    ? checkMessage(body, logged.content.signature, logged)
    : checkEnvelope(body, logged.content.envelope, logged);
}

function checkMessage(body: RekorBody, signature: Uint8Array, logged: LoggedContent): EntryAlgorithm {
  if (body.kind !== 'hashedrekord') throw mismatch('kind', 'hashedrekord for a message signature', body.kind);
  const algorithm = checkSignature(body.signature, signature, logged);
  const expected = logged.artifact?.requireDigest(body.digest.algorithm, 'comparing the artifact with its log entry');
  if (expected === undefined || !equalBytes(expected, body.digest.value)) {
    throw mismatch('artifact', 'the digest of the artifact', 'another digest');
  }
  return { ...algorithm, hash: body.digest.algorithm };
}

function checkEnvelope(body: RekorBody, envelope: Envelope, logged: LoggedContent): EntryAlgorithm {
  const [given] = envelope.signatures;
  if (given === undefined) throw mismatch('signature', 'one signature', 'none');
  if (body.kind === 'hashedrekord') {
    const algorithm = checkSignature(body.signature, given.sig, logged);
    const hash = algorithm.keyDetails === undefined ? body.digest.algorithm : keyDetailsHash(algorithm.keyDetails);
    if (hash !== body.digest.algorithm) throw mismatch('digest', hash ?? 'no digest', body.digest.algorithm);
    const encoding = logged.encoding ?? new Uint8Array();
    if (!equalBytes(digest(body.digest.algorithm, encoding), body.digest.value)) {
      throw mismatch('digest', "that of the envelope's pre-authentication encoding", 'another digest');
    }
    return { ...algorithm, hash: body.digest.algorithm };
  }
  if (body.kind === 'intoto' && body.version === '0.0.1') {
    checkVerifier(body.verifier, logged);
    if (body.payloadHash !== undefined) checkPayload(body.payloadHash, envelope);
    checkEnvelopeHash(body.envelopeHash, envelope);
    return {};
  }
  if (body.kind === 'intoto' && body.payloadType !== envelope.payloadType) {
    throw mismatch('payload type', envelope.payloadType, body.payloadType);
  }
  const [only, ...others] = body.signatures;
  if (only === undefined || others.length > 0) throw mismatch('signatures', '1', String(body.signatures.length));
  const algorithm = checkSignature(only, given.sig, logged);
  checkPayload(body.payloadHash, envelope);
  return algorithm;
}

function checkSignature(logged: EntrySignature, signature: Uint8Array, content: LoggedContent): EntryAlgorithm {
  if (!equalBytes(logged.signature, signature)) {
    throw mismatch('signature', toBase64(signature), toBase64(logged.signature));
  }
  checkVerifier(logged.verifier, content);
  const { keyDetails } = logged.verifier;
  if (keyDetails === undefined) return {};
  if (!keyMatchesDetails(content.publicKey, keyDetails)) {
    throw mismatch('algorithm', `one for a key of ${content.publicKey.algorithm}`, keyDetails);
  }
  return { keyDetails };
}

function checkVerifier(verifier: EntryVerifier, { verifier: expected }: LoggedContent): void {
  const what = expected.kind === 'certificate' ? 'certificate' : 'public key';
  if (verifier.kind !== expected.kind || !equalBytes(verifier.bytes, expected.bytes)) {
    throw mismatch(what, `the ${what} of the bundle`, `another ${verifier.kind}`);
  }
}

function checkPayload(payloadHash: EntryDigest, envelope: Envelope): void {
  if (!equalBytes(digest(payloadHash.algorithm, envelope.payload), payloadHash.value)) {
    throw mismatch('payload', "the digest of the envelope's payload", 'another digest');
  }
}

/**
 * intoto 0.0.1 names no signature; it is bound by the hash of the envelope's JSON as it was uploaded. The ways in which
 * clients wrote it are few: the order of Go's structs, and canonical JSON, each with and without an empty key id.
 */
function checkEnvelopeHash(envelopeHash: EntryDigest, envelope: Envelope): void {
  const { payload, payloadType, signatures } = envelopeToJson(envelope);
  const withoutKeyId = signatures.map(({ sig, keyid }) => (keyid === '' ? { sig } : { keyid, sig }));
  const withKeyId = signatures.map(({ sig, keyid }) => ({ keyid, sig }));
  for (const written of [withKeyId, withoutKeyId]) {
    const inGoOrder = JSON.stringify({ payloadType, payload, signatures: written });
    const canonical = canonicalize({ payload, payloadType, signatures: written });
    for (const text of [inGoOrder, canonical]) {
      if (equalBytes(digest(envelopeHash.algorithm, utf8(text)), envelopeHash.value)) return;
    }
  }
  throw mismatch('envelope', 'the hash of the envelope', 'another hash');
}

function mismatch(what: string, expected: string, found: string): SignetError {
  return new SignetError('ERR_LOG_ENTRY_MISMATCH', `the log entry and the bundle differ in their ${what}`, {
    expected: inert(expected),
    found: inert(found),
  });
}
