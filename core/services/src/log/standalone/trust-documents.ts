import { toBase64 } from '@signet/primitives/formats';
import type { LogShards } from '../log-shards.ts';
import type { TransparencyLog } from '../transparency-log.ts';

/** Where a log with shards is written to and read from. */
export interface ShardedLog {
  readonly shards: Pick<LogShards<TransparencyLog>, 'all'>;
  /** Of the log, without a trailing slash. */
  readonly publicUrl: string;
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

/** A TrustedRoot with the log alone; media type 0.1, which every client reads. */
export function logTrustedRoot(log: ShardedLog): object {
  return {
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: trustedLogs(log),
    certificateAuthorities: [],
    ctlogs: [],
    timestampAuthorities: [],
  };
}

/** A SigningConfig with the log alone. */
export function logSigningConfig(log: ShardedLog): object {
  return {
    mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json',
    caUrls: [],
    oidcUrls: [],
    rekorTlogUrls: writableLogs(log),
    rekorTlogConfig: { selector: 'ANY' },
    tsaUrls: [],
    tsaConfig: { selector: 'ANY' },
  };
}

function period(start: Date, end: Date | undefined): object {
  return { start: start.toISOString(), ...(end === undefined ? {} : { end: end.toISOString() }) };
}
