export { checkLog, type LogCheck } from './check-log.ts';
export { changingLogFiles, copyLog, growingLogDirectories } from './copy-log.ts';
export {
  type CertificateLog,
  type CertificateLogOptions,
  openCertificateLog,
  type SignedTreeHead,
} from './ct/certificate-log.ts';
export { type CtOptions, ctRoutes } from './ct/routes.ts';
export type { BatchLimits } from './engine/log-engine.ts';
export { exportStatic } from './export-static.ts';
export { listenError } from './http/listen-error.ts';
export type { RateLimits } from './http/rate-limits.ts';
export type { RateLimit } from './http/token-buckets.ts';
export {
  type LogShard,
  LogShards,
  type LogShardsOptions,
  readPlaces,
  type ShardLog,
  type ShardPlace,
} from './log-shards.ts';
export { type PkiFormat, type PkiPublicKey, signatureError } from './pki/index.ts';
export { reindexLog } from './reindex-log.ts';
export { type RekorV2Options, rekorV2Routes } from './rekor/routes.ts';
export {
  type RekorV1Options,
  RekorV1Tree,
  type RekorV1TreeOptions,
  type RekorV1Trees,
  rekorV1Routes,
} from './rekor-v1/index.ts';
export type { SearchQuery } from './search/entry-index.ts';
export type { FoundEntries } from './search/index-database.ts';
export type { SearchTerm } from './search/search-keys.ts';
export { type ExportedShard, exportLog } from './standalone/export-log.ts';
export { type LogLayout, logLayout, openSettings, readEntryTypes } from './standalone/log-directory.ts';
export { type RotateLogOptions, rotateLog } from './standalone/rotate-log.ts';
export { type Rotation, type RunningLog, type ServeLogOptions, serveLog } from './standalone/serve-log.ts';
export {
  entryTypeModules,
  formatLogSettings,
  type LogRules,
  type LogSettings,
  parseLogSettings,
  readLogRules,
  routeOptions,
} from './standalone/settings.ts';
export { findShards } from './standalone/stored-log.ts';
export { logSigningConfig, logTrustedRoot, shardUrl, trustedLogs, writableLogs } from './standalone/trust-documents.ts';
export {
  type LoggedEntry,
  logOrigin,
  openTransparencyLog,
  type TransparencyLog,
  type TransparencyLogOptions,
} from './transparency-log.ts';
export {
  builtInEntryTypes,
  byteSchema,
  bytesField,
  type EntryContext,
  type EntryType,
  EntryTypes,
  hashSchema,
  objectSchema,
  proposalError,
} from './types/index.ts';
