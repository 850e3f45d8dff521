// What operators' commands do with an instance: the entry point `@signet/registry/operator`.
export { auditIssuers, explainToken, parseIssuers, readIssuedIdentities } from '@signet/services/ca';
export {
  describeProposal,
  mergeProposal,
  proposalStatus,
  type RootChange,
  readProposal,
  signProposal,
  tufKeyId,
} from '@signet/services/tuf';
export { type BackupManifest, backUp, type RestoreOptions, readCheckpoints, restoreBackup } from './backup.ts';
export * from './ceremony.ts';
export * from './doctor.ts';
export { type RotatedService, readGenerations, rotatedServices } from './generations.ts';
export { type Instance, openInstance } from './initialize.ts';
export { formatInstanceFile, parseInstanceFile } from './instance-file.ts';
export { continueInNewLogs } from './restored-logs.ts';
export { beginRotation, type Rotation, type RotationOptions, readRotations, switchTime } from './rotation.ts';
export { readIssuers, type ServiceName, serviceNames } from './services.ts';
export { type RunningInstance, type StartOptions, startInstance } from './start.ts';
export {
  auditRegistry,
  type BackfillResult,
  backfillRegistry,
  type RegistryPlace,
  type VersionReport,
} from './stored-packages.ts';
