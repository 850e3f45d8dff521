export { checkLog, type LogCheck } from './check-log.ts';
export {
  type CertificateLog,
  type CertificateLogOptions,
  openCertificateLog,
  type SignedTreeHead,
} from './ct/certificate-log.ts';
export { type CtOptions, ctRoutes } from './ct/routes.ts';
export type { BatchLimits } from './engine/log-engine.ts';
export { exportStatic } from './export-static.ts';
export type { RateLimits } from './http/rate-limits.ts';
export type { RateLimit } from './http/token-buckets.ts';
export { type LogShard, LogShards, type LogShardsOptions, type ShardLog, type ShardPlace } from './log-shards.ts';
export { reindexLog } from './reindex-log.ts';
export { type RekorV2Options, rekorV2Routes } from './rekor/routes.ts';
export type { SearchQuery } from './search/entry-index.ts';
export type { FoundEntries } from './search/index-database.ts';
export type { SearchTerm } from './search/search-keys.ts';
export {
  type LoggedEntry,
  logOrigin,
  openTransparencyLog,
  type TransparencyLog,
  type TransparencyLogOptions,
} from './transparency-log.ts';
