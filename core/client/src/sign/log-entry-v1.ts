import { digest } from '@signet/primitives/crypto';
import {
  type EntrySignature,
  encodeRekorBody,
  envelopeToJson,
  equalBytes,
  fromHex,
  parseJson,
  parseTlogEntry,
  SignetError,
  type TransparencyLogEntry,
  toBase64,
  toHex,
  toPem,
  utf8,
} from '@signet/primitives/formats';
import { HttpStatusError, isObject, isTransient, type JsonObject, jsonObject, request, saying } from '../http/index.ts';
import type { EnvelopeSubmission, LogSubmission } from './log-entry.ts';
import { endpoint } from './signing-services.ts';

/**
 * Logs a signature over a message with Rekor's v1 API (openapi.yaml, `createLogEntry`) as hashedrekord 0.0.1. What comes back must be ours byte for byte, with promise and proof. A log that has the entry already answers 409 and
 * says where it is; that is where it is fetched from.
 *
 * @throws ERR_LOG_REFUSED, ERR_LOG_RESPONSE, ERR_LOG_RESPONSE_MISMATCH, and what `request` throws
 */
export async function logSignatureV1(submission: LogSubmission): Promise<TransparencyLogEntry> {
  return await log(submission, hashedRekord(submission));
}

/** Logs an envelope as dsse 0.0.1, and otherwise does as {@link logSignatureV1}. */
export async function logEnvelopeV1(submission: EnvelopeSubmission): Promise<TransparencyLogEntry> {
  return await log(submission, dsse(submission));
}

async function log(
  submission: Pick<LogSubmission, 'logUrl' | 'http'>,
  { proposal, expected }: Proposal,
): Promise<TransparencyLogEntry> {
  const entry = readLogEntryV1(await submit(submission, proposal));
  if (!equalBytes(entry.canonicalizedBody, expected)) {
    throw new SignetError(
      'ERR_LOG_RESPONSE_MISMATCH',
      'the transparency log answers with another entry than the one submitted',
      { expected: 'our digest, signature and key', found: `${entry.kind} ${entry.version} of something else` },
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

interface Proposal {
  readonly proposal: JsonObject;
  /** The canonical body of the entry that this becomes. */
  readonly expected: Uint8Array;
}

function hashedRekord({ digest: value, digestAlgorithm: algorithm, signature }: LogSubmission): Proposal {
  const key = toBase64(pemOf(signature));
  const spec = {
    data: { hash: { algorithm, value: toHex(value) } },
    signature: { content: toBase64(signature.signature), publicKey: { content: key } },
  };
  return {
    proposal: { apiVersion: '0.0.1', kind: 'hashedrekord', spec },
    expected: encodeRekorBody({ kind: 'hashedrekord', version: '0.0.1', digest: { algorithm, value }, signature }),
  };
}

function dsse({ signature, envelope }: EnvelopeSubmission): Proposal {
  const text = JSON.stringify(envelopeToJson(envelope));
  const proposedContent = { envelope: text, verifiers: [toBase64(pemOf(signature))] };
  const hashOf = (bytes: Uint8Array) => ({ algorithm: 'sha256', value: digest('sha256', bytes) }) as const;
  return {
    proposal: { apiVersion: '0.0.1', kind: 'dsse', spec: { proposedContent } },
    expected: encodeRekorBody({
      kind: 'dsse',
      version: '0.0.1',
      envelopeHash: hashOf(utf8(text)),
      payloadHash: hashOf(envelope.payload),
      signatures: [signature],
    }),
  };
}

function pemOf({ verifier }: EntrySignature): Uint8Array {
  return utf8(toPem(verifier.kind === 'certificate' ? 'CERTIFICATE' : 'PUBLIC KEY', verifier.bytes));
}

const asked = {
  service: 'the transparency log',
  headers: { 'content-type': 'application/json', accept: 'application/json' },
};

async function submit(
  { logUrl, http = {} }: Pick<LogSubmission, 'logUrl' | 'http'>,
  proposal: JsonObject,
): Promise<Uint8Array> {
  const url = endpoint(logUrl, '/api/v1/log/entries');
  try {
    const body = JSON.stringify(proposal);
    const answer = await request(url, {
      ...asked,
      method: 'POST',
      body,
      alsoAccept: [409],
      maxBytes: 16 << 20,
      ...http,
    });
    if (answer.status !== 409) return answer.body;
    const known = placeOf(answer.headers.get('location'), url);
    if (known !== undefined) return (await request(known, { ...asked, maxBytes: 16 << 20, ...http })).body;
    throw new SignetError(
      'ERR_HTTP_STATUS',
      `the transparency log has this entry already but does not say where: ${saying(answer.body)}; run the command again`,
    );
  } catch (thrown) {
    if (!(thrown instanceof HttpStatusError) || isTransient(thrown.status)) throw thrown;
    throw new SignetError(
      'ERR_LOG_REFUSED',
      `the transparency log refuses (status ${thrown.status}): ${saying(thrown.body)}`,
    );
  }
}

/** Behind a proxy a log names its own host or path; only the entry's id is taken from what it says. */
function placeOf(location: string | null, entries: string): string | undefined {
  const [, id] = /\/log\/entries\/([0-9a-f]{64,80})$/.exec(location ?? '') ?? [];
  return id === undefined ? undefined : `${entries}/${id}`;
}

/**
 * Reads an entry as Rekor's v1 API gives it: an object with one member, by the entry's id.
 *
 * @throws ERR_LOG_RESPONSE
 */
export function readLogEntryV1(body: Uint8Array): TransparencyLogEntry {
  try {
    const [entry, second] = Object.values(jsonObject(body, 'log entry', 'ERR_LOG_RESPONSE'));
    if (!isObject(entry) || second !== undefined) throw new TypeError('it is not one entry');
    const { verification } = entry;
    const proof = isObject(verification) ? verification.inclusionProof : undefined;
    const promise = isObject(verification) ? verification.signedEntryTimestamp : undefined;
    const content = parseJson(Buffer.from(String(entry.body), 'base64'), 'log entry');
    if (!isObject(content)) throw new TypeError('its body is not an object');
    return parseTlogEntry({
      // In the whole log; the proof has the place in its shard.
      logIndex: String(entry.logIndex),
      logId: { keyId: hexToBase64(entry.logID) },
      kindVersion: { kind: String(content.kind), version: String(content.apiVersion) },
      integratedTime: String(entry.integratedTime),
      ...(promise === undefined ? {} : { inclusionPromise: { signedEntryTimestamp: promise } }),
      ...(isObject(proof)
        ? {
            inclusionProof: {
              logIndex: String(proof.logIndex),
              rootHash: hexToBase64(proof.rootHash),
              treeSize: String(proof.treeSize),
              hashes: Array.isArray(proof.hashes) ? proof.hashes.map(hexToBase64) : [],
              checkpoint: { envelope: proof.checkpoint },
            },
          }
        : {}),
      canonicalizedBody: entry.body,
    });
  } catch (cause) {
    throw new SignetError('ERR_LOG_RESPONSE', 'the answer of the transparency log is no log entry', { cause });
  }
}

function hexToBase64(hex: unknown): string {
  if (typeof hex !== 'string') throw new TypeError('a hash is missing');
  return toBase64(fromHex(hex, 'hash'));
}
