import { digest } from '@signet/primitives/crypto';
import {
  type Bundle,
  bundleToJson,
  preAuthenticationEncoding,
  type statementV1,
  type TimeRange,
  utf8,
} from '@signet/primitives/formats';
import type { Signer } from '@signet/primitives/keys';
import type { ServiceAccess } from '../http/index.ts';
import type { TrustMaterial } from '../trust/index.ts';
import { verifyBundle, verifyTimestamp } from '../verify/index.ts';
import { loggedDigest, type SignedBundle } from './complete-bundle.ts';
import { logSignature } from './log-entry.ts';
import type { SigningServices } from './signing-services.ts';
import { requestTimestamp } from './timestamp.ts';

/** Who signs with a lasting key, and where the signature is timestamped and logged. */
export interface KeySigningOptions {
  readonly signer: Signer;
  /** What verifiers know the key by; it stands in bundle and envelope, as in npm's own attestations. */
  readonly keyId: string;
  /** When the key may sign. */
  readonly validFor?: TimeRange;
  readonly services: Pick<SigningServices, 'tsaUrls' | 'logUrls'>;
  readonly trust: TrustMaterial;
  readonly http?: ServiceAccess;
}

const bundleMediaType = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const payloadType = 'application/vnd.in-toto+json';

/**
 * Signs an in-toto statement with a lasting key, as registries do: DSSE envelope, timestamps, log entries, bundle v0.3 without a
 * certificate. Every answer is checked before it is used, and the bundle by the verifier of those who will read it.
 *
 * @throws ERR_KEY_UNSUPPORTED, ERR_TSA_…, ERR_LOG_…, ERR_NETWORK…, and what `verifyBundle` throws
 */
export async function signStatementWithKey(
  statement: ReturnType<typeof statementV1>,
  options: KeySigningOptions,
): Promise<SignedBundle> {
  const { signer, keyId, validFor, services, trust, http = {} } = options;
  const { keyDetails, publicKey } = signer;
  const digestAlgorithm = loggedDigest(keyDetails);
  const payload = utf8(JSON.stringify(statement));
  const encoding = preAuthenticationEncoding(payloadType, payload);
  const signature = await signer.sign(encoding);
  const timestamps = await Promise.all(
    services.tsaUrls.map(async (tsaUrl) => {
      const { response } = await requestTimestamp(tsaUrl, signature, http);
      verifyTimestamp(response, signature, trust);
      return response;
    }),
  );
  const verifier = { kind: 'publicKey', bytes: publicKey.spki, keyDetails } as const;
  const value = digest(digestAlgorithm, encoding);
  const tlogEntries = await Promise.all(
    services.logUrls.map((logUrl) =>
      logSignature({ logUrl, digest: value, digestAlgorithm, signature: { signature, verifier }, http }),
    ),
  );
  const bundle: Bundle = {
    mediaType: bundleMediaType,
    version: '0.3',
    key: { kind: 'publicKey', hint: keyId },
    tlogEntries,
    timestamps,
    content: { kind: 'dsse', envelope: { payloadType, payload, signatures: [{ keyid: keyId, sig: signature }] } },
  };
  const json = bundleToJson(bundle);
  const key = { publicKey, keyDetails, ...(validFor === undefined ? {} : { validFor }) };
  return { bundle: json, verified: verifyBundle(json, { trust, key }) };
}
