export { type AuditRecord, decisionChannel } from './audit-log.ts';
export { setBackgroundWork } from './background.ts';
export { type ActivePlugin, default, type PluginOptions } from './plugin.ts';
export { provideSigner } from './registry-signer.ts';
export type { BackfillResult, VersionReport } from './stored-versions.ts';
