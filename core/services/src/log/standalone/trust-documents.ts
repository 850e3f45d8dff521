import { digest } from '@signet/primitives/crypto';
import { toBase64 } from '@signet/primitives/formats';
import type { LogShards } from '../log-shards.ts';
import type { RekorV1Tree } from '../rekor-v1/index.ts';
import type { TransparencyLog } from '../transparency-log.ts';

/** Where a log with shards is written to and read from. */
export interface ShardedLog {
  readonly shards: Pick<LogShards<TransparencyLog>, 'all'>;
  /** Of the log, without a trailing slash. */
  readonly publicUrl: string;
}

/** The same with the log of Rekor v1 beside it. */
export interface ShardedLogs extends ShardedLog {
  readonly v1: Pick<LogShards<RekorV1Tree>, 'all'>;
}

/** Base URL of the v1 log beside a log that is served by itself. */
export function v1Url(publicUrl: string): string {
  return `${publicUrl}/log-v1`;
}

/** Base URL of a shard. */
export function shardUrl(publicUrl: string, number: number): string {
  return number === 1 ? publicUrl : `${publicUrl}/${number}`;
}

/**
 * The `tlogs` of a TrustedRoot (sigstore `trustroot.proto`): every shard, the frozen ones with the end of their time. None is ever
 * taken out: what they hold is verified for years.
 */
export function trustedLogs({ shards, publicUrl }: ShardedLog): object[] {
  return shards.all.map(({ number, log, openedAt, frozenAt }) => ({
    baseUrl: shardUrl(publicUrl, number),
    hashAlgorithm: 'SHA2_256',
    publicKey: {
      rawBytes: toBase64(log.publicKey.spki),
      keyDetails: 'PKIX_ED25519',
      validFor: period(openedAt, frozenAt),
    },
    // Rekor v2: the untruncated C2SP key id of the checkpoint's signer.
    logId: { keyId: toBase64(log.keyId) },
  }));
}

/** The `rekorTlogUrls` of a SigningConfig v0.2: where to write, the newest first. */
export function writableLogs({ shards, publicUrl }: ShardedLog): object[] {
  return shards.all
    .filter(({ frozenAt }) => frozenAt === undefined || frozenAt.getTime() > Date.now())
    .map(({ number, openedAt, frozenAt }) => ({
      url: shardUrl(publicUrl, number),
      majorApiVersion: 2,
      validFor: period(openedAt, frozenAt),
      operator: new URL(publicUrl).host,
    }))
    .reverse();
}

/** The same for a v1 log, all of whose shards have one URL. */
export function trustedV1Logs({ v1, url }: { readonly v1: ShardedLogs['v1']; readonly url: string }): object[] {
  return v1.all.map(({ log, openedAt, frozenAt }) => ({
    baseUrl: url,
    hashAlgorithm: 'SHA2_256',
    publicKey: {
      rawBytes: toBase64(log.publicKey.spki),
      keyDetails: 'PKIX_ECDSA_P256_SHA_256',
      validFor: period(openedAt, frozenAt),
    },
    // Rekor v1: the hash of the key.
    logId: { keyId: toBase64(digest('sha256', log.publicKey.spki)) },
  }));
}

/** A TrustedRoot with the log alone; media type 0.1, which every client reads. */
export function logTrustedRoot(log: ShardedLogs): object {
  return {
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: [...trustedLogs(log), ...trustedV1Logs({ v1: log.v1, url: v1Url(log.publicUrl) })],
    certificateAuthorities: [],
    ctlogs: [],
    timestampAuthorities: [],
  };
}

/** A SigningConfig with the log alone. */
export function logSigningConfig(log: ShardedLogs): object {
  const [first] = log.v1.all;
  const v1 = {
    url: v1Url(log.publicUrl),
    majorApiVersion: 1,
    validFor: period(first?.openedAt ?? new Date(), undefined),
    operator: new URL(log.publicUrl).host,
  };
  return {
    mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json',
    caUrls: [],
    oidcUrls: [],
    rekorTlogUrls: [...writableLogs(log), v1],
    rekorTlogConfig: { selector: 'ANY' },
    tsaUrls: [],
    tsaConfig: { selector: 'ANY' },
  };
}

/** Promises of a v1 log count whole seconds, so a key begins with the second in which it is opened. */
function period(start: Date, end: Date | undefined): object {
  const second = new Date(Math.floor(start.getTime() / 1000) * 1000);
  return { start: second.toISOString(), ...(end === undefined ? {} : { end: end.toISOString() }) };
}
