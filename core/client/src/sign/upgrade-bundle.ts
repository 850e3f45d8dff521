import {
  type Bundle,
  bundleMediaType,
  bundleToJson,
  Certificate,
  equalBytes,
  fromBase64,
  fromHex,
  parseBundle,
  parsePem,
  parseRekorBody,
  SignetError,
  type TransparencyLogEntry,
} from '@signet/primitives/formats';
import { isObject, type JsonObject, request, type ServiceAccess, textMember } from '../http/index.ts';
import { readLogEntryV1 } from './log-entry-v1.ts';
import { endpoint } from './signing-services.ts';

/** What an old bundle may lack, and where it is to be had. */
export interface UpgradeOptions {
  /** Base URL of the log with Rekor's v1 API, for inclusion proofs that the bundle has not. */
  readonly logUrl?: string;
  readonly http?: ServiceAccess;
}

/**
 * A bundle of an earlier format as a bundle v0.3: media type v0.1 and v0.2, and cosign's own from before there were bundles
 * (`{base64Signature, cert, rekorBundle}`). Signature, certificate, entry and timestamps stay as they are; only the inclusion proof,
 * which v0.3 demands, is fetched from the log where there is none. Nothing is verified here.
 *
 * @param input parsed JSON
 * @returns the JSON value of the new bundle, and whether it differs from what was given
 * @throws ERR_BUNDLE_FORMAT, ERR_LOG_RESPONSE_MISMATCH when the log's entry is another than the bundle's, and what `request` throws
 */
export async function upgradeBundle(
  input: unknown,
  options: UpgradeOptions = {},
): Promise<{ readonly bundle: Readonly<Record<string, unknown>>; readonly changed: boolean }> {
  const bundle = isObject(input) && 'base64Signature' in input ? cosignBundle(input) : parseBundle(input);
  const isCurrent = bundle.mediaType === bundleMediaType;
  const tlogEntries: TransparencyLogEntry[] = [];
  for (const entry of bundle.tlogEntries) tlogEntries.push(await withProof(entry, options));
  const key = bundle.key.kind === 'certificate' ? { ...bundle.key, chain: [] } : bundle.key;
  const upgraded: Bundle = {
    mediaType: bundleMediaType,
    version: '0.3',
    key,
    tlogEntries,
    timestamps: bundle.timestamps,
    content: bundle.content,
  };
  // Written and read again: what comes out is a bundle v0.3 by the reader's own rules.
  const json = bundleToJson(upgraded);
  parseBundle(json);
  return { bundle: json, changed: !isCurrent };
}

async function withProof(
  entry: TransparencyLogEntry,
  { logUrl, http = {} }: UpgradeOptions,
): Promise<TransparencyLogEntry> {
  if (entry.inclusionProof?.checkpoint !== undefined) return entry;
  if (logUrl === undefined) {
    throw new SignetError(
      'ERR_BUNDLE_FORMAT',
      'the bundle has no inclusion proof, which v0.3 demands; fetch it from the log: --log-url URL',
      { expected: 'an inclusion proof with a checkpoint', found: `a promise for entry ${entry.logIndex}` },
    );
  }
  const { body } = await request(endpoint(logUrl, `/api/v1/log/entries?logIndex=${entry.logIndex}`), {
    service: 'the transparency log',
    headers: { accept: 'application/json' },
    maxBytes: 16 << 20,
    ...http,
  });
  const found = readLogEntryV1(body);
  if (!equalBytes(found.canonicalizedBody, entry.canonicalizedBody) || !equalBytes(found.logId, entry.logId)) {
    throw new SignetError('ERR_LOG_RESPONSE_MISMATCH', `the log has another entry ${entry.logIndex} than the bundle`);
  }
  if (found.inclusionProof?.checkpoint === undefined) {
    throw new SignetError('ERR_LOG_RESPONSE', 'the transparency log answers without an inclusion proof');
  }
  return { ...entry, inclusionProof: found.inclusionProof };
}

/** cosign `sign-blob --bundle` before version 2.4. */
function cosignBundle(value: JsonObject): Bundle {
  try {
    const signature = fromBase64(textMember(value, 'base64Signature') ?? '', 'base64Signature');
    const { rekorBundle } = value;
    const payload = isObject(rekorBundle) && isObject(rekorBundle.Payload) ? rekorBundle.Payload : undefined;
    const promise = isObject(rekorBundle) ? textMember(rekorBundle, 'SignedEntryTimestamp') : undefined;
    if (payload === undefined || promise === undefined) throw new TypeError('it has no rekorBundle');
    const canonicalizedBody = fromBase64(textMember(payload, 'body') ?? '', 'body');
    const body = parseRekorBody(canonicalizedBody);
    // The entry names the digest of what was signed; newer bundles carry it, and verification compares all three.
    const messageDigest =
      body.kind === 'hashedrekord' ? { algorithm: body.digest.algorithm, digest: body.digest.value } : undefined;
    const entry: TransparencyLogEntry = {
      logIndex: BigInt(Number(payload.logIndex)),
      logId: fromHex(textMember(payload, 'logID') ?? '', 'logID'),
      kind: body.kind,
      version: body.version,
      integratedTime: BigInt(Number(payload.integratedTime)),
      signedEntryTimestamp: fromBase64(promise, 'SignedEntryTimestamp'),
      canonicalizedBody,
    };
    return {
      mediaType: 'application/vnd.dev.cosign.bundle',
      version: '0.1',
      key: keyOf(textMember(value, 'cert')),
      tlogEntries: [entry],
      timestamps: [],
      content: { kind: 'message', signature, ...(messageDigest === undefined ? {} : { messageDigest }) },
    };
  } catch (cause) {
    throw new SignetError('ERR_BUNDLE_FORMAT', 'it is neither a Sigstore bundle nor a complete one of cosign’s', {
      cause,
    });
  }
}

/** `cert` is PEM, or base64 of it; a certificate, or the public key where cosign signed with one. */
function keyOf(cert: string | undefined): Bundle['key'] {
  if (cert === undefined) return { kind: 'publicKey', hint: '' };
  const text = cert.includes('-----BEGIN') ? cert : Buffer.from(cert, 'base64').toString('utf8');
  const [block] = parsePem(text, 'cert');
  if (block?.label !== 'CERTIFICATE') return { kind: 'publicKey', hint: '' };
  return { kind: 'certificate', certificate: Certificate.parse(block.bytes).bytes, chain: [] };
}
