import { digest } from '@signet/primitives/crypto';
import { type KeyDetails, logKeyId, type PublicKeyInfo, toBase64 } from '@signet/primitives/formats';
import { logOrigin } from '@signet/services/log';
import type { InstanceUrls } from './public-url.ts';

/** The public half of an instance's keys. */
export interface PublicMaterial {
  /** Organization of both authorities. */
  readonly authorityName: string;
  /** Intermediate first, root last; DER. */
  readonly caChain: readonly Uint8Array[];
  /** Signer first, root last; DER. */
  readonly timestampChain: readonly Uint8Array[];
  readonly certificateLogKey: PublicKeyInfo;
  readonly logKey: PublicKeyInfo;
  readonly logV1Key?: PublicKeyInfo;
}

/**
 * The TrustedRoot (sigstore `trustroot.proto`, media type 0.1, which every client reads) of a new instance. Everything is valid
 * from `created` without an end; an end is written when something is rotated out, and nothing is ever taken out.
 */
export function createTrustedRoot(urls: InstanceUrls, material: PublicMaterial, created: Date): object {
  const validFor = { start: created.toISOString() };
  return {
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: [transparencyLog(urls.log, material.logKey, created), ...logV1(urls, material, created)],
    certificateAuthorities: [authority(urls.ca, material.authorityName, material.caChain, validFor)],
    ctlogs: [certificateLog(urls.ct, material.certificateLogKey, created)],
    timestampAuthorities: [authority(timestampUrl(urls), material.authorityName, material.timestampChain, validFor)],
  };
}

/** A log of Rekor v2 as a trusted root names it. */
export function transparencyLog(baseUrl: string, key: PublicKeyInfo, start: Date): object {
  return {
    baseUrl,
    hashAlgorithm: 'SHA2_256',
    publicKey: publicKey(key, 'PKIX_ED25519', start),
    // The untruncated C2SP key id of the checkpoint's signer.
    logId: { keyId: toBase64(logKeyId(logOrigin(baseUrl), key)) },
  };
}

/** Rekor v1 names every log by the hash of its key. */
function logV1(urls: InstanceUrls, { logV1Key }: PublicMaterial, created: Date): object[] {
  return urls.logV1 === null || logV1Key === undefined ? [] : [certificateLog(urls.logV1, logV1Key, created)];
}

/** A certificate log as a trusted root names it. */
export function certificateLog(baseUrl: string, key: PublicKeyInfo, start: Date): object {
  return {
    baseUrl,
    hashAlgorithm: 'SHA2_256',
    publicKey: publicKey(key, 'PKIX_ECDSA_P256_SHA_256', start),
    // RFC 6962 §3.2: the hash of the log's public key.
    logId: { keyId: toBase64(digest('sha256', key.spki)) },
  };
}

/** SigningConfig v0.2: where signers find the services. The URL of the CA is a base, that of the TSA is whole. */
export function createSigningConfig(urls: InstanceUrls, created: Date, withDevelopmentIdentity: boolean): object {
  const operator = new URL(urls.publicUrl).host;
  const service = (url: string, majorApiVersion: number) => ({
    url,
    majorApiVersion,
    validFor: { start: created.toISOString() },
    operator,
  });
  return {
    mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json',
    caUrls: [service(urls.ca, 1)],
    oidcUrls: withDevelopmentIdentity ? [service(urls.oidc, 1)] : [],
    rekorTlogUrls: [writableLog(urls.log, created, operator)],
    rekorTlogConfig: { selector: 'ANY' },
    tsaUrls: [service(timestampUrl(urls), 1)],
    tsaConfig: { selector: 'ANY' },
  };
}

/** A place to write to, as a signing config names it. */
export interface WritableLog {
  readonly url: string;
  readonly majorApiVersion: number;
  readonly validFor: { readonly start: string; end?: string };
  readonly operator: string;
}

/** A shard of the v2 log as a signing config names it. */
export function writableLog(url: string, start: Date, operator: string): WritableLog {
  return { url, majorApiVersion: 2, validFor: { start: start.toISOString() }, operator };
}

/** Both in one file, as sigstore-python's `--trust-config` takes them. */
export function createClientTrustConfig(trustedRoot: unknown, signingConfig: unknown): object {
  return {
    mediaType: 'application/vnd.dev.sigstore.clienttrustconfig.v0.1+json',
    trustedRoot,
    signingConfig,
  };
}

/** The whole URL that a timestamp request is sent to. */
export function timestampUrl(urls: InstanceUrls): string {
  return `${urls.tsa}/api/v1/timestamp`;
}

function publicKey(info: PublicKeyInfo, keyDetails: KeyDetails, created: Date): object {
  return { rawBytes: toBase64(info.spki), keyDetails, validFor: { start: created.toISOString() } };
}

/** An authority as a trusted root names it. */
export function authority(uri: string, name: string, chain: readonly Uint8Array[], validFor: object): object {
  return {
    subject: { organization: name, commonName: `${name} root` },
    uri,
    certChain: { certificates: chain.map((bytes) => ({ rawBytes: toBase64(bytes) })) },
    validFor,
  };
}
