import { digest } from '@signet/primitives/crypto';
import {
  dsseRequestV2,
  type EntrySignature,
  type Envelope,
  encodeRekorBody,
  equalBytes,
  hashedRekordRequestV2,
  parseJson,
  parseTlogEntry,
  SignetError,
  type TransparencyLogEntry,
} from '@signet/primitives/formats';
import { HttpStatusError, isTransient, type JsonObject, request, type ServiceAccess, saying } from '../http/index.ts';
import { endpoint } from './signing-services.ts';

/** What is to be logged: a signature over a message of which only the digest is told. */
export interface LogSubmission {
  readonly logUrl: string;
  /** SHA-2 digest of what was signed; for an envelope that of its pre-authentication encoding. */
  readonly digest: Uint8Array;
  readonly digestAlgorithm: 'sha256' | 'sha384' | 'sha512';
  readonly signature: EntrySignature;
  readonly http?: ServiceAccess;
}

/**
 * Logs a signature as hashedrekord 0.0.2 (rekor-v2-spec §6.1.1) and checks that the entry which comes back is ours, byte
 * for byte, with a proof of inclusion. Whether proof and checkpoint hold is for the verifier, with the log's trusted key.
 *
 * A log that has the entry already (409) answers with it: an earlier attempt got through and its answer was lost.
 *
 * @throws ERR_LOG_FROZEN when another shard takes the entries now, ERR_LOG_REFUSED for what else a repetition does not change, ERR_LOG_RESPONSE, ERR_LOG_RESPONSE_MISMATCH, and what `request` throws
 */
export async function logSignature(submission: LogSubmission): Promise<TransparencyLogEntry> {
  const { digestAlgorithm, signature } = submission;
  const entry = read(await submit(submission));
  const expected = encodeRekorBody({
    kind: 'hashedrekord',
    version: '0.0.2',
    digest: { algorithm: digestAlgorithm, value: submission.digest },
    signature,
  });
  return checked(entry, 'hashedrekord', expected);
}

/** An envelope that is told to the log whole, because what was signed has no digest of its own (Ed25519, ML-DSA). */
export interface EnvelopeSubmission {
  readonly logUrl: string;
  readonly envelope: Envelope;
  readonly signature: EntrySignature;
  readonly http?: ServiceAccess;
}

/**
 * Logs an envelope as dsse 0.0.2 and checks the answer as {@link logSignature} does. Rekor's own second version took only keys
 * that sign digests by the end; Signet's log takes all that it can verify.
 *
 * @throws as {@link logSignature}
 */
export async function logEnvelope(submission: EnvelopeSubmission): Promise<TransparencyLogEntry> {
  const { logUrl, envelope, signature, http = {} } = submission;
  const entry = read(await post(logUrl, dsseRequestV2(envelope, signature), http));
  const payloadHash = { algorithm: 'sha256', value: digest('sha256', envelope.payload) } as const;
  return checked(
    entry,
    'dsse',
    encodeRekorBody({ kind: 'dsse', version: '0.0.2', payloadHash, signatures: [signature] }),
  );
}

function checked(entry: TransparencyLogEntry, kind: string, expected: Uint8Array): TransparencyLogEntry {
  if (entry.kind !== kind || entry.version !== '0.0.2' || !equalBytes(entry.canonicalizedBody, expected)) {
    throw new SignetError(
      'ERR_LOG_RESPONSE_MISMATCH',
      'the transparency log answers with another entry than the one submitted',
      {
        expected: `${kind} 0.0.2 of what we signed, with our signature and key`,
        found: `${entry.kind} ${entry.version}`,
      },
    );
  }
  if (entry.inclusionProof?.checkpoint === undefined) {
    throw new SignetError(
      'ERR_LOG_RESPONSE',
      'the transparency log answers without a proof that it included the entry',
    );
  }
  return entry;
}

async function submit({ logUrl, digest: value, signature, http = {} }: LogSubmission): Promise<Uint8Array> {
  return await post(logUrl, hashedRekordRequestV2(value, signature), http);
}

async function post(logUrl: string, asked: JsonObject, http: ServiceAccess): Promise<Uint8Array> {
  try {
    const { body, status } = await request(endpoint(logUrl, '/api/v2/log/entries'), {
      service: 'the transparency log',
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(asked),
      maxBytes: 1 << 20,
      alsoAccept: [409],
      ...http,
    });
    if (status === 409 && !isEntry(body)) {
      throw new SignetError(
        'ERR_HTTP_STATUS',
        `the transparency log has this entry already but does not give it out: ${saying(body)}; run the command again`,
      );
    }
    return body;
  } catch (thrown) {
    if (!(thrown instanceof HttpStatusError) || isTransient(thrown.status)) throw thrown;
    // Rekor's second version answers so for a shard that takes no more entries, and for no other reason.
    if (thrown.status === 405) {
      throw new SignetError(
        'ERR_LOG_FROZEN',
        `the transparency log ${logUrl} takes no more entries: ${saying(thrown.body)}`,
      );
    }
    throw new SignetError(
      'ERR_LOG_REFUSED',
      `the transparency log refuses (status ${thrown.status}): ${saying(thrown.body)}`,
    );
  }
}

function isEntry(body: Uint8Array): boolean {
  try {
    read(body);
    return true;
  } catch {
    return false;
  }
}

function read(body: Uint8Array): TransparencyLogEntry {
  try {
    return parseTlogEntry(parseJson(body, 'log entry'));
  } catch (cause) {
    throw new SignetError('ERR_LOG_RESPONSE', 'the answer of the transparency log is no log entry', { cause });
  }
}
